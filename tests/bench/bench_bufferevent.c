/* SPDX-License-Identifier: MIT */
/*
 * libevent's bufferevent over a UNIX stream socket: what a libevent program does today.
 * Each message is preceded by its length in 4 bytes. Two ways:
 *
 * `bufferevent` is tuned: large socket buffers, single reads and writes of up to 1 MiB,
 * an output buffer that is refilled before it runs dry, frames written into it in place
 * and read in place. Tried, with libevent 2.1.12, and kept out because it was no
 * faster, or slower:
 *   - evbuffer_add() for header and payload: half the speed for small messages;
 *   - output limits of 64 and 256 KiB, and refilling only an empty output: slower;
 *   - evbuffer_pullup() of all input at once, or evbuffer_remove() of the frames that
 *     cross a chain instead of joining them: no difference;
 *   - a low watermark of 64 KiB for reading, or none: none is slower for large messages;
 *   - the base without EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST: no difference in streams
 *     and round trips, slower with one message per turn.
 *
 * What limits it is evbuffer_read(), which takes at most 4096 bytes per call in
 * libevent 2.1, with three system calls, whatever bufferevent_set_max_single_read()
 * says. Reading around it, straight from the socket into reserved space, doubles the
 * speed and more; bench_socket.c does that without the detour.
 *
 * `bufferevent-plain` is untuned: default limits, and two evbuffer_add() per message.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "pacer.h"
#include "process.h"
#include "transport.h"

#define SINGLE_MAX (1 << 20)
#define OUTPUT_HIGH (1u << 20)
#define OUTPUT_LOW (1u << 19)
#define PLAIN_OUTPUT (1u << 16)
#define HEADER 4u

typedef void (*take_fn)(void *arg, const void *data, size_t size);

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config &&
			event_config_set_flag(config,
					EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(config);
	if (!base)
		process_die("no event base");
	event_config_free(config);
	return base;
}

static struct bufferevent *make_bufferevent(struct event_base *base, int fd)
{
	struct bufferevent *bufferevent;

	bufferevent = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!bufferevent)
		process_die("no bufferevent");
	return bufferevent;
}

static void tune(struct bufferevent *bufferevent)
{
	transport_raise_buffers(bufferevent_getfd(bufferevent));
	if (bufferevent_set_max_single_read(bufferevent, SINGLE_MAX) < 0 ||
			bufferevent_set_max_single_write(bufferevent, SINGLE_MAX) < 0)
		process_die("bufferevent: no such limits");
}

/* ---- Frames ------------------------------------------------------------------ */

static inline void put_frame(unsigned char *at, const void *data, size_t size)
{
	uint32_t length = (uint32_t)size;

	memcpy(at, &length, HEADER);
	memcpy(at + HEADER, data, size);
}

static inline size_t frame_length(const unsigned char *at)
{
	uint32_t length;

	memcpy(&length, at, HEADER);
	return length;
}

/* Hands over the whole frames of one contiguous piece. How many bytes they took. */
static inline size_t take_frames(
		struct evbuffer *input, size_t available, take_fn take, void *arg)
{
	const unsigned char *at = evbuffer_pullup(input, (ev_ssize_t)available);
	size_t used = 0;

	while (available - used >= HEADER) {
		size_t length = frame_length(at + used);

		if (length > available - used - HEADER)
			break;
		take(arg, at + used + HEADER, length);
		used += HEADER + length;
	}
	return used;
}

/* Makes the first frame contiguous if it is complete. Whether it is. */
static bool join_first_frame(struct evbuffer *input)
{
	unsigned char header[HEADER];
	size_t length;

	if (evbuffer_copyout(input, header, HEADER) < (ev_ssize_t)HEADER)
		return false;
	length = HEADER + frame_length(header);
	if (length > evbuffer_get_length(input))
		return false;
	if (!evbuffer_pullup(input, (ev_ssize_t)length))
		process_die("no memory to join a frame");
	return true;
}

static inline void take_input(struct evbuffer *input, take_fn take, void *arg)
{
	size_t used;

	do {
		used = take_frames(
				input, evbuffer_get_contiguous_space(input), take, arg);
		evbuffer_drain(input, used);
	} while (used > 0 || join_first_frame(input));
}

/* ---- Sending ----------------------------------------------------------------- */

struct source {
	struct sender_task *task;
	struct event_base *base;
	void (*fill)(struct source *source, struct evbuffer *output);
	struct bufferevent *bufferevent;
};

/* Appends up to `room` bytes of frames, at least one. How many bytes that were. */
static size_t append_frames(
		struct evbuffer *output, struct sender_task *task, size_t room)
{
	struct payload *payload = &task->payload;
	size_t frame = HEADER + payload->size;
	unsigned messages = task->turn_messages;
	struct evbuffer_iovec space;
	size_t used = 0;

	if (messages == 1 || room < frame)
		room = frame;
	if (evbuffer_reserve_space(output, (ev_ssize_t)room, &space, 1) != 1)
		process_die("no memory for the output");
	do {
		put_frame((unsigned char *)space.iov_base + used, payload_next(payload),
				payload->size);
		payload_advance(payload);
		used += frame;
	} while (room - used >= frame && --messages > 0);
	space.iov_len = used;
	evbuffer_commit_space(output, &space, 1);
	return used;
}

static void fill_tuned(struct source *source, struct evbuffer *output)
{
	size_t length = evbuffer_get_length(output);

	do {
		length += append_frames(output, source->task, OUTPUT_HIGH - length);
	} while (length < OUTPUT_HIGH && source->task->turn_messages > 1);
}

static void fill_plain(struct source *source, struct evbuffer *output)
{
	struct payload *payload = &source->task->payload;
	uint32_t length = (uint32_t)payload->size;
	unsigned messages = source->task->turn_messages;

	do {
		evbuffer_add(output, &length, HEADER);
		evbuffer_add(output, payload_next(payload), payload->size);
		payload_advance(payload);
	} while (evbuffer_get_length(output) < PLAIN_OUTPUT && --messages > 0);
}

static void on_writable(struct bufferevent *bufferevent, void *arg)
{
	struct source *source = arg;

	if (source->task->pace_fd >= 0)
		return;

	source->fill(source, bufferevent_get_output(bufferevent));
}

/* Messages at a fixed rate. */
static void on_due(void *arg, unsigned messages)
{
	struct source *source = arg;
	struct evbuffer *output = bufferevent_get_output(source->bufferevent);

	for (unsigned i = 0; i < messages; i++) {
		payload_stamp(&source->task->payload);
		append_frames(output, source->task, 0);
	}
}

static void on_end(struct bufferevent *bufferevent, short what, void *arg)
{
	struct source *source = arg;

	(void)bufferevent;
	(void)what;
	event_base_loopbreak(source->base);
}

static void send_on(struct source *source, struct bufferevent *bufferevent)
{
	struct pacer pacer = { .event = NULL };

	bufferevent_setcb(bufferevent, NULL, on_writable, on_end, source);
	bufferevent_enable(bufferevent, EV_READ | EV_WRITE);
	source->bufferevent = bufferevent;
	if (source->task->pace_fd >= 0)
		pacer_start(&pacer, source->base, source->task->pace_fd, on_due, source);
	else
		on_writable(bufferevent, source);
	event_base_dispatch(source->base);
	pacer_stop(&pacer);
	bufferevent_free(bufferevent);
	event_base_free(source->base);
}

static void send_tuned(struct sender_task *task)
{
	struct source source = { .task = task, .base = make_base(), .fill = fill_tuned };
	struct bufferevent *bufferevent;

	bufferevent = make_bufferevent(source.base, transport_connect(task->address));
	tune(bufferevent);
	/* With one message per turn the output is written out before the next is made. */
	if (task->turn_messages > 1)
		bufferevent_setwatermark(bufferevent, EV_WRITE, OUTPUT_LOW, 0);
	send_on(&source, bufferevent);
}

static void send_plain(struct sender_task *task)
{
	struct source source = { .task = task, .base = make_base(), .fill = fill_plain };

	send_on(&source, make_bufferevent(source.base, transport_connect(task->address)));
}

/* ---- Receiving --------------------------------------------------------------- */

struct sink {
	struct receiver_task *task;
	struct event_base *base;
	bool is_tuned;
};

static inline void take_message(void *arg, const void *data, size_t size)
{
	struct sink *sink = arg;

	if (tally_message(&sink->task->tally, data, size))
		event_base_loopbreak(sink->base);
}

static void on_readable(struct bufferevent *bufferevent, void *arg)
{
	take_input(bufferevent_get_input(bufferevent), take_message, arg);
}

static void on_failure(struct bufferevent *bufferevent, short what, void *arg)
{
	struct sink *sink = arg;

	(void)bufferevent;
	if (!sink->task->tally.is_over)
		process_die("bufferevent: a connection ended (0x%x)", (unsigned)what);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
		struct sockaddr *address, int length, void *arg)
{
	struct sink *sink = arg;
	struct bufferevent *bufferevent;

	(void)listener;
	(void)address;
	(void)length;
	bufferevent = make_bufferevent(sink->base, fd);
	bufferevent_setcb(bufferevent, on_readable, NULL, on_failure, sink);
	if (sink->is_tuned) {
		tune(bufferevent);
		bufferevent_setwatermark(
				bufferevent, EV_READ, HEADER + sink->task->tally.size, 0);
	}
	bufferevent_enable(bufferevent, EV_READ);
	transport_arrived(sink->task->tally.board);
}

static void receive(struct receiver_task *task, bool is_tuned)
{
	struct sink sink = { .task = task, .base = make_base(), .is_tuned = is_tuned };
	struct evconnlistener *listener;

	listener = evconnlistener_new(sink.base, on_accepted, &sink,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
			transport_listen(task->address));
	if (!listener)
		process_die("evconnlistener_new");
	transport_ready(task->tally.board);
	event_base_dispatch(sink.base);
	/* The bufferevents end with the process. */
	evconnlistener_free(listener);
	event_base_free(sink.base);
}

static void receive_tuned(struct receiver_task *task)
{
	receive(task, true);
}

static void receive_plain(struct receiver_task *task)
{
	receive(task, false);
}

/* ---- Idle connections ---------------------------------------------------------- */

/* In one process. */
static void be_idle(struct idle_task *task)
{
	struct event_base *base = make_base();

	transport_connecting(task->board);
	for (unsigned i = 0; i < task->count; i++) {
		struct bufferevent *bufferevent =
				make_bufferevent(base, transport_connect(task->address));

		tune(bufferevent);
		bufferevent_enable(bufferevent, EV_READ | EV_WRITE);
	}
	event_base_dispatch(base);
}

/* ---- Round trips ------------------------------------------------------------- */

/* One connection carries both directions. */
struct end {
	struct echo_task *task;
	struct event_base *base;
	struct bufferevent *bufferevent;
};

static void echo_send(struct end *end, const void *data)
{
	unsigned char frame[HEADER + ECHO_SIZE_MAX];
	size_t size = end->task->echo.size;

	put_frame(frame, data, size);
	bufferevent_write(end->bufferevent, frame, HEADER + size);
}

static void take_echo(void *arg, const void *data, size_t size)
{
	struct end *end = arg;
	const void *next = echo_next(&end->task->echo, data, size);

	if (next)
		echo_send(end, next);
	else
		event_base_loopbreak(end->base);
}

static void on_echo(struct bufferevent *bufferevent, void *arg)
{
	take_input(bufferevent_get_input(bufferevent), take_echo, arg);
}

static void on_echo_failure(struct bufferevent *bufferevent, short what, void *arg)
{
	struct end *end = arg;

	(void)bufferevent;
	if (end->task->echo.asks)
		process_die("bufferevent: the connection ended (0x%x)", (unsigned)what);
	event_base_loopbreak(end->base);
}

static void echo_on(struct end *end, int fd)
{
	end->bufferevent = make_bufferevent(end->base, fd);
	tune(end->bufferevent);
	bufferevent_setcb(end->bufferevent, on_echo, NULL, on_echo_failure, end);
	bufferevent_enable(end->bufferevent, EV_READ | EV_WRITE);
}

static void on_answerer(struct evconnlistener *listener, evutil_socket_t fd,
		struct sockaddr *address, int length, void *arg)
{
	struct end *end = arg;

	(void)listener;
	(void)address;
	(void)length;
	echo_on(end, fd);
	echo_send(end, echo_begin(&end->task->echo));
}

static void echo(struct echo_task *task)
{
	struct end end = { .task = task, .base = make_base() };
	struct evconnlistener *listener = NULL;

	if (task->echo.asks) {
		listener = evconnlistener_new(end.base, on_answerer, &end,
				LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
				transport_listen(task->address));
		if (!listener)
			process_die("evconnlistener_new");
		transport_ready(task->echo.board);
	} else {
		echo_on(&end, transport_connect(task->address));
	}
	event_base_dispatch(end.base);
	if (end.bufferevent)
		bufferevent_free(end.bufferevent);
	if (listener)
		evconnlistener_free(listener);
	event_base_free(end.base);
}

const struct transport transport_bufferevent = {
	.name = "bufferevent",
	.send = send_tuned,
	.is_paced = true,
	.receive = receive_tuned,
	.idle = be_idle,
	.echo = echo,
};

const struct transport transport_bufferevent_plain = {
	.name = "bufferevent-plain",
	.is_extra = true,
	.send = send_plain,
	.receive = receive_plain,
};
