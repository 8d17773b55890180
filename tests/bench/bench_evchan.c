/* SPDX-License-Identifier: MIT */
/*
 * evchan: per-message publishing, corked, written in place, and the calls that wait
 * instead of a loop.
 *
 * Used as an application would that has much to send: fill the ring until it is full or
 * a turn's share is sent, go back to the loop, continue when there is room (or on the
 * next turn). All options but the capacity, and the receiver's limit on it,
 * are the defaults.
 *
 * One choice matters: how much is sent before going back to the loop. Without any limit
 * a sender whose receiver keeps up would never go back; with TURN_BYTES it asks the
 * kernel once for that many bytes, as the bufferevent does when its output buffer is
 * full.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <event2/event.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

#include "pacer.h"
#include "process.h"
#include "transport.h"

#define TYPE 1
#define TURN_BYTES (1u << 20)
#define RING_BYTES_MAX (1u << 30)
/* Messages under one cork. Few enough for the receiver to read while the next are
 * written. */
#define CORK_MESSAGES 32
#define SPIN_US 50

static void check(int r, const char *what)
{
	if (r < 0)
		process_die("%s: %s", what, evchan_strerror(r));
}

static struct evchan_loop *make_loop(struct event_base **base)
{
	struct evchan_loop *loop;

	*base = event_base_new();
	if (!*base)
		process_die("event_base_new");
	check(evchan_libevent_loop_new(&loop, *base), "evchan_libevent_loop_new");
	return loop;
}

/* ---- Sending ----------------------------------------------------------------- */

struct source {
	struct sender_task *task;
	struct event_base *base;
	struct event *next_turn;
	struct evchan_sender *sender;
	unsigned turn_messages;
	int (*fill)(struct source *source);
	struct pacer pacer;
	unsigned due; /* messages at a fixed rate that are not sent yet */
};

static inline int send_one(struct evchan_sender *sender, struct payload *payload)
{
	int r;

	r = evchan_send(sender, TYPE, payload_next(payload), payload->size, 0);
	if (r == 0)
		payload_advance(payload);
	return r;
}

static int fill(struct source *source)
{
	int r = 0;

	for (unsigned i = 0; i < source->turn_messages && r == 0; i++)
		r = send_one(source->sender, &source->task->payload);
	return r;
}

static int fill_corked(struct source *source)
{
	int r = 0;

	for (unsigned i = 0; i < source->turn_messages && r == 0; i += CORK_MESSAGES) {
		evchan_cork(source->sender);
		for (unsigned j = 0; j < CORK_MESSAGES && r == 0; j++)
			r = send_one(source->sender, &source->task->payload);
		evchan_uncork(source->sender);
	}
	return r;
}

/* A message whose bytes are made in the ring, where the receiver reads them: here the
 * first and the last. */
static int write_one(struct evchan_sender *sender, struct payload *payload)
{
	const unsigned char *message = payload_next(payload);
	size_t size = payload->size;
	struct evchan_span span;
	int r;

	r = evchan_reserve(&span, sender, size, size);
	if (r < 0)
		return r;
	memcpy(span.data, message, 8);
	memcpy((unsigned char *)span.data + size - 8, message + size - 8, 8);
	payload_advance(payload);
	return evchan_commit(sender, TYPE, size, 0);
}

static int fill_in_place(struct source *source)
{
	int r = 0;

	for (unsigned i = 0; i < source->turn_messages && r == 0; i++)
		r = write_one(source->sender, &source->task->payload);
	return r;
}

/* Messages at a fixed rate. */
static void on_due(void *arg, unsigned messages)
{
	struct source *source = arg;
	int r = 0;

	for (source->due += messages; source->due > 0 && r == 0; source->due -= r == 0) {
		payload_stamp(&source->task->payload);
		r = send_one(source->sender, &source->task->payload);
	}
	if (r == -EPIPE)
		event_base_loopbreak(source->base);
	else if (r != -EAGAIN)
		check(r, "evchan_send");
}

static void send_turn(struct source *source)
{
	static const struct timeval at_once;
	int r;

	r = source->fill(source);
	if (r == 0)
		event_add(source->next_turn, &at_once);
	else if (r == -EPIPE)
		event_base_loopbreak(source->base);
	else if (r != -EAGAIN)
		check(r, "evchan_send");
}

static void on_next_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_turn(arg);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	struct source *source = arg;

	(void)sender;
	if (source->task->pace_fd >= 0)
		on_due(source, 0);
	else
		send_turn(source);
}

static void on_refused(struct evchan_sender *sender, int error, const char *text,
		int final, void *arg)
{
	struct source *source = arg;

	(void)sender;
	if (error != -EPIPE && error != -ECONNRESET && error != 0)
		process_die("evchan refuses: %s (%s)", text, evchan_strerror(error));
	if (final)
		event_base_loopbreak(source->base);
}

static void sender_options(struct evchan_sender_options *options, uint64_t capacity)
{
	*options = (struct evchan_sender_options)EVCHAN_SENDER_OPTIONS_INIT;
	options->capacity = capacity;
	options->flags = EVCHAN_SENDER_NO_RECONNECT;
}

static unsigned turn_messages(const struct sender_task *task)
{
	unsigned messages = (unsigned)(TURN_BYTES / task->payload.size);

	if (messages > task->turn_messages)
		messages = task->turn_messages;
	return messages > 0 ? messages : 1;
}

static void send_in_loop(
		struct sender_task *task, int (*fill_ring)(struct source *source))
{
	struct source source = { .task = task, .fill = fill_ring };
	struct evchan_sender_options options;
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_loop *loop = make_loop(&source.base);

	source.turn_messages = turn_messages(task);
	callbacks.writable = on_writable;
	callbacks.refused = on_refused;
	sender_options(&options, task->capacity);
	source.next_turn = evtimer_new(source.base, on_next_turn, &source);
	check(evchan_sender_new(&source.sender, loop, task->address, &options, &callbacks,
			      &source),
			"evchan_sender_new");
	if (task->pace_fd >= 0)
		pacer_start(&source.pacer, source.base, task->pace_fd, on_due, &source);
	else
		send_turn(&source);
	event_base_dispatch(source.base);
	pacer_stop(&source.pacer);
	evchan_sender_free(source.sender);
	evchan_libevent_loop_free(loop);
	event_free(source.next_turn);
	event_base_free(source.base);
}

static void send_plain(struct sender_task *task)
{
	send_in_loop(task, fill);
}

static void send_corked(struct sender_task *task)
{
	send_in_loop(task, fill_corked);
}

static void send_in_place(struct sender_task *task)
{
	send_in_loop(task, fill_in_place);
}

static void send_waiting(struct sender_task *task)
{
	struct evchan_sender_options options;
	struct payload *payload = &task->payload;
	struct evchan_sender *sender;
	int r;

	sender_options(&options, task->capacity);
	check(evchan_sender_new(&sender, NULL, task->address, &options, NULL, NULL),
			"evchan_sender_new");
	for (;;) {
		r = evchan_send_wait(sender, TYPE, payload_next(payload), payload->size,
				0, -1);
		if (r < 0)
			break;
		payload_advance(payload);
	}
	if (r != -EPIPE)
		check(r, "evchan_send_wait");
	evchan_sender_free(sender);
}

/* ---- Receiving --------------------------------------------------------------- */

struct sink {
	struct receiver_task *task;
	struct event_base *base;
};

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct sink *sink = arg;

	(void)receiver;
	if (tally_message(&sink->task->tally, message->data, message->size))
		event_base_loopbreak(sink->base);
}

/* Of connections over which nothing is sent only the coming is of interest. */
static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	struct sink *sink = arg;

	(void)receiver;
	(void)lane;
	transport_arrived(sink->task->tally.board);
}

static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	(void)receiver;
	(void)lane;
	(void)error;
	(void)arg;
	process_die("evchan: %s", text);
}

static void receive_with(
		struct receiver_task *task, uint32_t wake_interval_ms, uint32_t spin_us)
{
	struct sink sink = { .task = task };
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_loop *loop = make_loop(&sink.base);
	struct evchan_receiver *receiver;

	options.max_lane_bytes = RING_BYTES_MAX;
	callbacks.message = on_message;
	callbacks.joined = on_joined;
	callbacks.error = on_error;
	options.wake_interval_ms = wake_interval_ms;
	options.spin_us = spin_us;
	check(evchan_receiver_new(&receiver, loop, task->address, &options, &callbacks,
			      &sink),
			"evchan_receiver_new");
	transport_ready(task->tally.board);
	event_base_dispatch(sink.base);
	evchan_receiver_free(receiver);
	evchan_libevent_loop_free(loop);
	event_base_free(sink.base);
}

static void receive_in_loop(struct receiver_task *task)
{
	receive_with(task, 0, 0);
}

/* Looks once in 5 milliseconds while messages flow. */
static void receive_with_interval(struct receiver_task *task)
{
	receive_with(task, 5, 0);
}

/* Watches for a while before it sleeps. */
static void receive_spinning(struct receiver_task *task)
{
	receive_with(task, 0, SPIN_US);
}

static void receive_waiting(struct receiver_task *task)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	const struct evchan_message *message;
	struct evchan_receiver *receiver;

	callbacks.error = on_error;
	check(evchan_receiver_new(&receiver, NULL, task->address, NULL, &callbacks, NULL),
			"evchan_receiver_new");
	transport_ready(task->tally.board);
	do {
		check(evchan_receive_wait(&message, receiver, -1), "evchan_receive_wait");
	} while (!tally_message(&task->tally, message->data, message->size));
	evchan_receiver_free(receiver);
}

/* ---- Idle connections ---------------------------------------------------------- */

/* As many senders with all defaults, in one process. */
static void be_idle(struct idle_task *task)
{
	struct event_base *base;
	struct evchan_loop *loop = make_loop(&base);
	struct evchan_sender *sender;

	transport_connecting(task->board);
	for (unsigned i = 0; i < task->count; i++)
		check(evchan_sender_new(&sender, loop, task->address, NULL, NULL, NULL),
				"evchan_sender_new");
	event_base_dispatch(base);
}

/* ---- Round trips ------------------------------------------------------------- */

/* One process: it receives on one channel and sends on the other. */
struct end {
	struct echo_task *task;
	struct event_base *base;
	struct evchan_sender *sender;
	bool has_begun;
};

static void echo_send(struct end *end, const void *data)
{
	check(evchan_send(end->sender, TYPE, data, end->task->echo.size, 0),
			"evchan_send");
}

static void on_echo(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct end *end = arg;
	const void *next;

	(void)receiver;
	next = echo_next(&end->task->echo, message->data, message->size);
	if (next)
		echo_send(end, next);
	else
		event_base_loopbreak(end->base);
}

static void on_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	struct end *end = arg;

	(void)sender;
	(void)resumed;
	if (end->task->echo.asks && !end->has_begun)
		echo_send(end, echo_begin(&end->task->echo));
	end->has_begun = true;
}

static struct evchan_receiver *open_echo(
		struct end *end, struct evchan_loop *loop, uint32_t spin_us)
{
	struct evchan_receiver_options receiver_options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_sender_options options;
	struct evchan_receiver_callbacks receiving = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_sender_callbacks sending = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_receiver *receiver;
	char question[64], answer[64];
	bool asks = end->task->echo.asks;

	evutil_snprintf(question, sizeof(question), "%s-question", end->task->address);
	evutil_snprintf(answer, sizeof(answer), "%s-answer", end->task->address);
	receiving.message = on_echo;
	receiving.error = on_error;
	receiver_options.spin_us = spin_us;
	check(evchan_receiver_new(&receiver, loop, asks ? answer : question,
			      &receiver_options, &receiving, end),
			"evchan_receiver_new");
	sending.connected = on_connected;
	sender_options(&options, end->task->capacity);
	options.flags |= EVCHAN_SENDER_WAIT;
	check(evchan_sender_new(&end->sender, loop, asks ? question : answer, &options,
			      &sending, end),
			"evchan_sender_new");
	return receiver;
}

static void echo_with(struct echo_task *task, uint32_t spin_us)
{
	struct end end = { .task = task };
	struct evchan_loop *loop = make_loop(&end.base);
	struct evchan_receiver *receiver;

	receiver = open_echo(&end, loop, spin_us);
	if (task->echo.asks)
		transport_ready(task->echo.board);
	event_base_dispatch(end.base);
	evchan_sender_free(end.sender);
	evchan_receiver_free(receiver);
	evchan_libevent_loop_free(loop);
	event_base_free(end.base);
}

static void echo(struct echo_task *task)
{
	echo_with(task, 0);
}

static void echo_spinning(struct echo_task *task)
{
	echo_with(task, SPIN_US);
}

const struct transport transport_evchan = {
	.name = "evchan",
	.send = send_plain,
	.is_paced = true,
	.receive = receive_in_loop,
	.idle = be_idle,
	.idle_ring_bytes = 256 << 10,
	.echo = echo,
};

const struct transport transport_evchan_corked = {
	.name = "evchan-corked",
	.is_extra = true,
	.send = send_corked,
	.receive = receive_in_loop,
};

const struct transport transport_evchan_interval = {
	.name = "evchan-interval",
	.is_extra = true,
	.is_paced = true,
	.send = send_plain,
	.receive = receive_with_interval,
};

const struct transport transport_evchan_spin = {
	.name = "evchan-spin",
	.is_extra = true,
	.is_paced = true,
	.send = send_plain,
	.receive = receive_spinning,
	.echo = echo_spinning,
};

const struct transport transport_evchan_wait = {
	.name = "evchan-wait",
	.is_extra = true,
	.send = send_waiting,
	.receive = receive_waiting,
};

const struct transport transport_evchan_in_place = {
	.name = "evchan-in-place",
	.is_extra = true,
	.size_min = 16384,
	.send = send_in_place,
	.receive = receive_in_loop,
};
