/* SPDX-License-Identifier: MIT */
/*
 * Typed records the way a libevent program sends them today: packed by protobuf-c behind a length of 4 bytes into the
 * output of a bufferevent on a UNIX stream socket, and unpacked from its input.
 *
 * Two ways. `stock` is as one writes it: each record is packed on the stack and added behind its length, with the
 * limits that a bufferevent has. `stock-tuned` is as bench_bufferevent.c has found it to be fastest, where the
 * reasons are: large socket buffers, an output of up to 1 MiB that is refilled before it runs dry, records packed
 * straight into it and unpacked where they lie.
 */

#include "bench_proto_channel.h"

#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "process.h"

#define HEADER 4u
#define OUTPUT_HIGH (1u << 20)
#define OUTPUT_LOW (1u << 19)
#define BATCH 8192u /* bytes that are reserved at a time */
#define PLAIN_HIGH (1u << 16)
#define RECORD_MAX 1024u

struct stock_end {
	struct channel_round *round;
	struct event_base *base;
	struct bufferevent *bufferevent;
	uint32_t number;
};

static void open_end(struct stock_end *end, struct channel_round *round, int fd)
{
	end->round = round;
	end->base = event_base_new();
	end->bufferevent = end->base ? bufferevent_socket_new(end->base, fd, 0) : NULL;
	if (!end->bufferevent)
		process_die("no bufferevent");
}

static void tune(struct stock_end *end)
{
	int fd = bufferevent_getfd(end->bufferevent), size = 4 << 20;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bufferevent_set_max_single_read(end->bufferevent, 1 << 20) < 0 ||
			bufferevent_set_max_single_write(end->bufferevent, 1 << 20) < 0)
		process_die("bufferevent: no such limits");
}

static void close_end(struct stock_end *end)
{
	bufferevent_free(end->bufferevent);
	event_base_free(end->base);
}

/* ---- Sending ---------------------------------------------------------------------------- */

static void add_plainly(struct stock_end *end, struct evbuffer *output)
{
	const ProtobufCMessage *record = &channel_record(end->number)->base;
	uint32_t size = (uint32_t)protobuf_c_message_get_packed_size(record);
	uint8_t bytes[RECORD_MAX];

	if (size > RECORD_MAX)
		process_die("too long a record");
	protobuf_c_message_pack(record, bytes);
	evbuffer_add(output, &size, HEADER);
	evbuffer_add(output, bytes, size);
	end->number++;
}

static void on_writable_plainly(struct bufferevent *bufferevent, void *arg)
{
	struct evbuffer *output = bufferevent_get_output(bufferevent);

	while (evbuffer_get_length(output) < PLAIN_HIGH)
		add_plainly(arg, output);
}

/* Packs as many records as fit. How many bytes they took. */
static size_t pack_records(struct stock_end *end, uint8_t *at, size_t room)
{
	size_t used = 0;

	for (;;) {
		const ProtobufCMessage *record = &channel_record(end->number)->base;
		uint32_t size = (uint32_t)protobuf_c_message_get_packed_size(record);

		if (HEADER + size > room - used)
			return used;
		memcpy(at + used, &size, HEADER);
		protobuf_c_message_pack(record, at + used + HEADER);
		used += HEADER + size;
		end->number++;
	}
}

static void on_writable(struct bufferevent *bufferevent, void *arg)
{
	struct evbuffer *output = bufferevent_get_output(bufferevent);
	struct evbuffer_iovec space;

	while (evbuffer_get_length(output) < OUTPUT_HIGH) {
		if (evbuffer_reserve_space(output, BATCH, &space, 1) != 1)
			process_die("no memory for the output");
		space.iov_len = pack_records(arg, space.iov_base, space.iov_len);
		evbuffer_commit_space(output, &space, 1);
	}
}

static void on_end(struct bufferevent *bufferevent, short what, void *arg)
{
	struct stock_end *end = arg;

	(void)bufferevent;
	(void)what;
	event_base_loopbreak(end->base);
}

static void send_on(struct stock_end *end, bufferevent_data_cb fill)
{
	bufferevent_setcb(end->bufferevent, NULL, fill, on_end, end);
	bufferevent_enable(end->bufferevent, EV_READ | EV_WRITE);
	fill(end->bufferevent, end);
	event_base_dispatch(end->base);
	close_end(end);
}

void channel_send_stock(struct channel_round *round)
{
	struct stock_end end = { 0 };

	open_end(&end, round, round->fds[1]);
	send_on(&end, on_writable_plainly);
}

void channel_send_tuned(struct channel_round *round)
{
	struct stock_end end = { 0 };

	open_end(&end, round, round->fds[1]);
	tune(&end);
	bufferevent_setwatermark(end.bufferevent, EV_WRITE, OUTPUT_LOW, 0);
	send_on(&end, on_writable);
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static void take_record(struct stock_end *end, const uint8_t *bytes, size_t size)
{
	Evchan__Example__LogRecord *record =
			evchan__example__log_record__unpack(NULL, size, bytes);

	if (!record)
		process_die("protobuf-c cannot unpack");
	channel_read(end->round, record);
	evchan__example__log_record__free_unpacked(record, NULL);
	if (channel_count(end->round))
		event_base_loopbreak(end->base);
}

static uint32_t length_at(const uint8_t *at)
{
	uint32_t length;

	memcpy(&length, at, HEADER);
	return length;
}

/* Takes the whole frames of the first piece of the input. How many bytes they took. */
static size_t take_frames(struct stock_end *end, struct evbuffer *input)
{
	size_t available = evbuffer_get_contiguous_space(input), used = 0;
	const uint8_t *at = evbuffer_pullup(input, (ev_ssize_t)available);

	while (available - used >= HEADER &&
			length_at(at + used) <= available - used - HEADER) {
		uint32_t length = length_at(at + used);

		take_record(end, at + used + HEADER, length);
		used += HEADER + length;
	}
	return used;
}

/* Makes the first frame one piece, if all of it is there. Whether it is. */
static bool join_frame(struct evbuffer *input)
{
	uint8_t header[HEADER];

	if (evbuffer_copyout(input, header, HEADER) < (ev_ssize_t)HEADER)
		return false;
	if (HEADER + length_at(header) > evbuffer_get_length(input))
		return false;
	return evbuffer_pullup(input, (ev_ssize_t)(HEADER + length_at(header)));
}

static void on_readable_plainly(struct bufferevent *bufferevent, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bufferevent);
	struct stock_end *end = arg;
	uint32_t length;

	while (join_frame(input)) {
		evbuffer_remove(input, &length, HEADER);
		take_record(end, evbuffer_pullup(input, (ev_ssize_t)length), length);
		evbuffer_drain(input, length);
	}
}

static void on_readable(struct bufferevent *bufferevent, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bufferevent);
	size_t used;

	do {
		used = take_frames(arg, input);
		evbuffer_drain(input, used);
	} while (used > 0 || join_frame(input));
}

static void receive_on(struct stock_end *end, bufferevent_data_cb take)
{
	bufferevent_setcb(end->bufferevent, take, NULL, on_end, end);
	bufferevent_enable(end->bufferevent, EV_READ);
	atomic_store(&end->round->is_open, true);
	event_base_dispatch(end->base);
	close_end(end);
}

void channel_receive_stock(struct channel_round *round)
{
	struct stock_end end = { 0 };

	open_end(&end, round, round->fds[0]);
	receive_on(&end, on_readable_plainly);
}

void channel_receive_tuned(struct channel_round *round)
{
	struct stock_end end = { 0 };

	open_end(&end, round, round->fds[0]);
	tune(&end);
	receive_on(&end, on_readable);
}

/* ---- Frames, tuned ------------------------------------------------------------------------------ */

/* Packed straight into the output, in one piece. */
static void add_frame(struct stock_end *end, struct evbuffer *output)
{
	const ProtobufCMessage *frame = &frame_in_memory(end->number++)->base;
	uint32_t size = (uint32_t)protobuf_c_message_get_packed_size(frame);
	struct evbuffer_iovec space;

	if (evbuffer_reserve_space(output, (ev_ssize_t)(HEADER + size), &space, 1) != 1)
		process_die("no memory for the output");
	memcpy(space.iov_base, &size, HEADER);
	protobuf_c_message_pack(frame, (uint8_t *)space.iov_base + HEADER);
	space.iov_len = HEADER + size;
	evbuffer_commit_space(output, &space, 1);
}

static void on_writable_frames(struct bufferevent *bufferevent, void *arg)
{
	struct evbuffer *output = bufferevent_get_output(bufferevent);

	while (evbuffer_get_length(output) < FRAME_BYTES)
		add_frame(arg, output);
}

/* Room in one piece for the frame that has begun, or joining its pieces would copy it once more. */
static void expect_frame(struct evbuffer *input)
{
	uint8_t header[HEADER];
	size_t have = evbuffer_get_length(input);

	if (evbuffer_copyout(input, header, HEADER) == (ev_ssize_t)HEADER &&
			HEADER + length_at(header) > have)
		(void)evbuffer_expand(input, HEADER + length_at(header) - have);
}

static void on_readable_frames(struct bufferevent *bufferevent, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bufferevent);
	struct stock_end *end = arg;
	uint8_t *bytes;
	uint32_t length;

	while (join_frame(input)) {
		Evchan__Example__VideoFrame *frame;

		bytes = evbuffer_pullup(input, (ev_ssize_t)HEADER);
		length = length_at(bytes);
		bytes = evbuffer_pullup(input, (ev_ssize_t)(HEADER + length));
		frame = evchan__example__video_frame__unpack(
				NULL, length, bytes + HEADER);
		if (!frame)
			process_die("protobuf-c cannot unpack");
		if (frame_read(end->round, frame))
			event_base_loopbreak(end->base);
		evchan__example__video_frame__free_unpacked(frame, NULL);
		evbuffer_drain(input, HEADER + length);
	}
	expect_frame(input);
}

void frame_send_socket(struct channel_round *round)
{
	struct stock_end end = { 0 };

	open_end(&end, round, round->fds[1]);
	tune(&end);
	bufferevent_setwatermark(end.bufferevent, EV_WRITE, OUTPUT_LOW, 0);
	send_on(&end, on_writable_frames);
}

void frame_receive_socket(struct channel_round *round)
{
	struct stock_end end = { 0 };

	open_end(&end, round, round->fds[0]);
	tune(&end);
	receive_on(&end, on_readable_frames);
}
