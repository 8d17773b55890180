/* SPDX-License-Identifier: MIT */

/*
 * evchan-nats: a bridge between a channel and NATS JetStream, when one machine is not enough.
 *
 * docs/scaling-out.md tells when to use it and what it promises. To read the code, begin with
 *
 *	forward.c, forward_publish.c   from the channel to NATS
 *	backward.c                     from NATS to the channel
 *	nats_link.c, session.c         connections, which come and go
 *	mailbox.c                      how libnats' threads reach the loop
 *
 * This file has what both directions share: the loop, and signals.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <nats/nats.h>
#include <sodium.h>

#include "backward.h"
#include "bridge.h"
#include "forward.h"
#include "program.h"
#include "session.h"

/* What libnats' threads have to finish with. */
#define LIBRARY_END_MS 5000

void bridge_stop(struct bridge *bridge, int exit_status)
{
	bridge->exit_status = exit_status;
	event_base_loopbreak(bridge->base);
}

/* Everything that was not released stays its senders', and what was not acknowledged JetStream's: nothing has to be
 * done to leave at once. */
static void on_end_signal(evutil_socket_t number, short what, void *arg)
{
	struct bridge *bridge = arg;

	(void)what;
	if (bridge->is_ending)
		_Exit(128 + (int)number);
	bridge->is_ending = true;
	bridge->direction->end(bridge->state);
}

static void on_stats_signal(evutil_socket_t number, short what, void *arg)
{
	struct bridge *bridge = arg;

	(void)number;
	(void)what;
	bridge->direction->print_stats(bridge->state);
}

static int watch_signal(struct bridge *bridge, size_t place, int number,
		event_callback_fn callback)
{
	bridge->signals[place] = evsignal_new(bridge->base, number, callback, bridge);
	return bridge->signals[place] ? event_add(bridge->signals[place], NULL) : -1;
}

/* The base must be made after libevent was told of threads. */
static void make_loop(struct bridge *bridge)
{
	if (sodium_init() < 0 || session_library_init() != NATS_OK) {
		complain("cannot start the libraries");
		exit(EXIT_FAILURE);
	}
	bridge->base = event_base_new();
	if (!bridge->base || evchan_libevent_loop_new(&bridge->loop, bridge->base) < 0 ||
			watch_signal(bridge, 0, SIGINT, on_end_signal) < 0 ||
			watch_signal(bridge, 1, SIGTERM, on_end_signal) < 0 ||
			watch_signal(bridge, 2, SIGUSR1, on_stats_signal) < 0) {
		complain("cannot make the loop");
		exit(EXIT_FAILURE);
	}
}

static void clean_up(struct bridge *bridge)
{
	nats_CloseAndWait(LIBRARY_END_MS);
	if (bridge->state)
		bridge->direction->free(bridge->state);
	evchan_libevent_loop_free(bridge->loop);
	for (size_t i = 0; i < sizeof(bridge->signals) / sizeof(bridge->signals[0]); i++)
		event_free(bridge->signals[i]);
	event_base_free(bridge->base);
	nats_options_deinit(&bridge->options);
	libevent_global_shutdown();
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-nats";
	static struct bridge bridge;
	int r;

	program_init(name, argv);
	nats_options_init(&bridge.options, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	make_loop(&bridge);
	bridge.direction = bridge.options.consumer ? &backward_direction
						   : &forward_direction;
	r = bridge.direction->init(&bridge.state, &bridge);
	if (r < 0) {
		complain("%s: %s", bridge.options.address, evchan_strerror(r));
		bridge.exit_status = EXIT_FAILURE;
	} else if (event_base_dispatch(bridge.base) < 0) {
		complain("the loop failed");
		bridge.exit_status = EXIT_FAILURE;
	}
	if (r == 0 && bridge.options.with_stats)
		bridge.direction->print_stats(bridge.state);
	clean_up(&bridge);
	return bridge.exit_status;
}
