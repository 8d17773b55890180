/* SPDX-License-Identifier: MIT */

/*
 * From the channel to NATS: the side of the channel, and the end.
 *
 * Every message is held from its callback until JetStream has acknowledged it. At the limits of messages or bytes in
 * flight the receiver pauses, rings fill up, and senders are told so in their own loops. When this process is killed,
 * living senders have in their rings what was not released, and hand it to the next bridge.
 *
 * The end in order has three steps, since shutting a receiver down passes the rings of living senders on to the next one,
 * which would get what is held a second time: first what is in flight is waited for; then the receiver shuts
 * down, and only the lanes of senders who are gone deliver, for nobody else has those messages; last, what those had is
 * waited for. If NATS is away, this waits too. A second signal ends it, and loses what those senders had.
 *
 * A message that NATS will never take, being larger than a payload may be there, costs its lane: it is evicted, so its
 * sender is told. To drop it would be silent, and to keep it would stop the lane for ever.
 */

#include "forward.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "program.h"
#include "source.h"

static _Noreturn void out_of_memory(void)
{
	complain("out of memory");
	_Exit(EXIT_FAILURE);
}

/* ---- The receiver ------------------------------------------------------------------ */

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct forward *forward = arg;
	struct publication *publication = publications_add(
			&forward->publications, evchan_lane_data(message->lane), message);

	(void)receiver;
	/* Without the hold the message would be lost. Ended here it is its sender's, who has the next bridge. */
	if (!publication)
		out_of_memory();
	forward->messages++;
	forward->bytes += message->size;
	if (forward->is_flowing)
		forward_publish(forward, publication);
	forward_go_on(forward);
}

static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	struct forward *forward = arg;
	struct source *source = source_new(lane);

	(void)receiver;
	if (!source)
		out_of_memory();
	LIST_INSERT_HEAD(&forward->sources, source, link);
	if (forward->end == FORWARD_EMPTIES)
		evchan_lane_pause(lane);
}

static void on_hung_up(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct source *source = evchan_lane_data(lane);

	(void)receiver;
	(void)reason;
	(void)arg;
	source->is_gone = true;
	evchan_lane_resume(lane);
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct source *source = evchan_lane_data(lane);

	(void)receiver;
	(void)reason;
	(void)arg;
	LIST_REMOVE(source, link);
	source->has_left = true;
	if (source->held == 0)
		source_free(source);
}

static void on_receiver_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	(void)receiver;
	(void)lane;
	(void)error;
	(void)arg;
	complain("%s", text);
}

static void on_shut_down(struct evchan_receiver *receiver, void *arg)
{
	struct forward *forward = arg;

	(void)receiver;
	forward->end = FORWARD_FINISHES;
	forward_advance_end(forward);
}

static int make_receiver(struct forward *forward)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver_options options = forward->options->receiver;

	callbacks.message = on_message;
	callbacks.joined = on_joined;
	callbacks.hung_up = on_hung_up;
	callbacks.left = on_left;
	callbacks.error = on_receiver_error;
	callbacks.shut_down = on_shut_down;
	/* The bridge's own limits are what counts, and a ring cannot have more than itself held. */
	options.max_held_bytes = UINT64_MAX;
	return evchan_receiver_new(&forward->receiver, forward->bridge->loop,
			forward->options->address, &options, &callbacks, forward);
}

/* ---- The end ------------------------------------------------------------------------ */

/* Lanes that are paused before the shutdown would be resumed by it. */
static void start_emptying(struct forward *forward)
{
	struct source *source;

	forward->end = FORWARD_EMPTIES;
	if (evchan_receiver_shutdown(forward->receiver) < 0)
		out_of_memory();
	forward->is_paused = false;
	LIST_FOREACH(source, &forward->sources, link) {
		if (!source->is_gone)
			evchan_lane_pause(source->lane);
	}
}

void forward_advance_end(struct forward *forward)
{
	if (forward->end == FORWARD_SETTLES && forward->publications.count == 0)
		start_emptying(forward);
	if (forward->end == FORWARD_FINISHES && forward->publications.count == 0) {
		forward->end = FORWARD_HAS_ENDED;
		nats_link_end(&forward->link);
	}
}

static void end(void *state)
{
	struct forward *forward = state;

	forward->end = FORWARD_SETTLES;
	forward_go_on(forward);
}

void forward_ended(struct forward *forward)
{
	bridge_stop(forward->bridge, EXIT_SUCCESS);
}

/* ---- Life ----------------------------------------------------------------------------- */

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct forward *forward = arg;

	(void)fd;
	(void)what;
	forward->is_waiting = false;
	forward_go_on(forward);
}

static void on_ack_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	forward_check_acks(arg);
}

static int make_timers(struct forward *forward)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct event_base *base = forward->bridge->base;

	forward->again_timer = evtimer_new(base, on_again, forward);
	forward->ack_timer = event_new(base, -1, EV_PERSIST, on_ack_timer, forward);
	if (!forward->again_timer || !forward->ack_timer ||
			event_add(forward->ack_timer, &second) < 0)
		return -ENOMEM;
	return 0;
}

static int init(void **state, struct bridge *bridge)
{
	struct forward *forward = calloc(1, sizeof(*forward));
	int r;

	if (!forward)
		return -ENOMEM;
	*state = forward;
	forward->bridge = bridge;
	forward->options = &bridge->options;
	LIST_INIT(&forward->sources);
	r = publications_init(&forward->publications, forward->options->max_in_flight);
	if (r == 0)
		r = make_timers(forward);
	if (r == 0)
		r = make_receiver(forward);
	if (r < 0)
		return r;
	/* Nobody is there yet to publish anything to. */
	forward_go_on(forward);
	return nats_link_init(&forward->link, bridge->base, forward->options,
			&forward_link_callbacks, forward);
}

static void print_stats(const void *state)
{
	const struct forward *forward = state;
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;

	if (forward->receiver)
		evchan_receiver_get_stats(forward->receiver, &stats);
	fprintf(stderr,
			"messages=%" PRIu64 " bytes=%" PRIu64 " acked=%" PRIu64
			" duplicates=%" PRIu64 " published=%" PRIu64 " failed=%" PRIu64
			" too_large=%" PRIu64 " in_flight=%zu lanes=%" PRIu64
			" paused=%" PRIu64 " connects=%" PRIu64 " losses=%" PRIu64 "\n",
			forward->messages, forward->bytes, forward->acked,
			forward->duplicates, forward->published, forward->failed,
			forward->too_large, forward->publications.count, stats.joined,
			forward->pauses, forward->link.connects, forward->link.losses);
}

static void free_forward(void *state)
{
	struct forward *forward = state;
	struct source *source;

	/* What is held now is the next bridge's, if the loop ended before its time. */
	evchan_receiver_free(forward->receiver);
	nats_link_deinit(&forward->link);
	publications_deinit(&forward->publications);
	while ((source = LIST_FIRST(&forward->sources))) {
		LIST_REMOVE(source, link);
		source_free(source);
	}
	if (forward->again_timer)
		event_free(forward->again_timer);
	if (forward->ack_timer)
		event_free(forward->ack_timer);
	free(forward);
}

const struct direction forward_direction = {
	.init = init,
	.end = end,
	.print_stats = print_stats,
	.free = free_forward,
};
