/* SPDX-License-Identifier: MIT */
/*
 * The two ends whose deaths are timed. Both are as plain as they can be: what is
 * measured is the library and the kernel.
 */

#include "recovery.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <event2/event.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

#include "process.h"

#define SHARE 1000 /* messages before a sender in full flow goes back to its loop */

static struct event_base *open_loop(struct evchan_loop **loop)
{
	struct event_base *base = event_base_new();

	if (!base)
		process_die("event_base_new");
	process_check(evchan_libevent_loop_new(loop, base), "evchan_libevent_loop_new");
	return base;
}

/* ---- The sender -------------------------------------------------------------------- */

struct source {
	const struct recovery_role *role;
	struct evchan_sender *sender;
	struct event *again;
};

static void send_some(struct source *source)
{
	static const unsigned char message[64];
	const struct timeval delay = { 0, (suseconds_t)source->role->interval_us };
	int count = source->role->interval_us ? 1 : SHARE;
	int r = 0;

	while (r == 0 && count--)
		r = evchan_send(source->sender, 1, message, sizeof(message), 0);
	if (r < 0 && r != -EAGAIN)
		process_check(r, "evchan_send");
	if (r == 0 && event_add(source->again, &delay) < 0)
		process_die("event_add");
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_some(arg);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	send_some(arg);
}

void recovery_sender(void *arg)
{
	const struct recovery_role *role = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct source source = { .role = role };
	struct evchan_loop *loop;
	struct event_base *base = open_loop(&loop);

	options.flags = EVCHAN_SENDER_WAIT;
	options.label = role->label;
	options.reconnect_min_ms = role->reconnect_min_ms;
	callbacks.writable = on_writable;
	source.again = evtimer_new(base, on_again, &source);
	process_check(evchan_sender_new(&source.sender, loop, role->address, &options,
				      &callbacks, &source),
			"evchan_sender_new");
	send_some(&source);
	event_base_dispatch(base);
}

/* ---- The receiver
 * -------------------------------------------------------------------- */

static bool is_victim(const struct evchan_lane *lane)
{
	return strcmp(evchan_lane_label(lane), "victim") == 0;
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct recovery_board *board = arg;

	(void)receiver;
	if (!atomic_load_explicit(&board->first_at, memory_order_relaxed))
		atomic_store(&board->first_at, process_now_ns());
	atomic_fetch_add(&board->served, 1);
	if (evchan_lane_data(message->lane))
		atomic_fetch_add(&board->victim_served, 1);
}

static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	(void)receiver;
	evchan_lane_set_data(lane, is_victim(lane) ? arg : NULL);
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct recovery_board *board = arg;

	(void)receiver;
	if (is_victim(lane) && reason == EVCHAN_LEFT_CRASHED)
		atomic_store(&board->left_at, process_now_ns());
}

void recovery_receiver(void *arg)
{
	const struct recovery_role *role = arg;
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver *receiver;
	struct evchan_loop *loop;
	struct event_base *base = open_loop(&loop);

	callbacks.message = on_message;
	callbacks.joined = on_joined;
	callbacks.left = on_left;
	process_check(evchan_receiver_new(&receiver, loop, role->address, NULL,
				      &callbacks, role->board),
			"evchan_receiver_new");
	atomic_store(&role->board->listening_at, process_now_ns());
	event_base_dispatch(base);
}
