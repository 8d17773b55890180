/* SPDX-License-Identifier: MIT */
/*
 * Frames through a lane whose ring has room for some of them: with the protobuf layer, in place or packed once, and
 * with protobuf-c's own pack and unpack.
 */

#include "bench_proto_channel.h"

#include <errno.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/proto.h>

#include "process.h"

#define CAPACITY (64u << 20)
#define FIELD_ROOM 256u /* for all but the planes */
#define STOCK_TYPE 1u

struct frame_end {
	struct channel_round *round;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_proto_types *types;
	struct evchan_sender *sender;
	struct evchan_proto_sender *typed_sender;
	struct evchan_proto_receiver *typed_receiver;
	int (*send)(struct frame_end *end);
	uint32_t number;
};

static void must(int r, const char *what)
{
	if (r < 0)
		process_die("%s: %s", what, evchan_strerror(r));
}

static void open_end(struct frame_end *end, struct channel_round *round)
{
	*end = (struct frame_end){ .round = round, .base = event_base_new() };
	if (!end->base)
		process_die("no event base");
	must(evchan_libevent_loop_new(&end->loop, end->base), "loop");
	must(evchan_proto_types_new(&end->types), "types");
	must(evchan_proto_types_add(
			     end->types, &evchan__example__video_frame__descriptor, 0),
			"type");
}

static void close_end(struct frame_end *end)
{
	evchan_proto_types_free(end->types);
	evchan_libevent_loop_free(end->loop);
	event_base_free(end->base);
}

/* ---- Sending ---------------------------------------------------------------------------- */

static void write_plane(struct evchan_proto_writer *writer, uint32_t field, size_t size,
		uint32_t number)
{
	struct evchan_span plane;

	must(evchan_proto_writer_open(&plane, writer, field, size, 64), "open");
	frame_fill(plane.data, size, number);
	must(evchan_proto_writer_close(writer, size), "close");
}

static int send_in_place(struct frame_end *end)
{
	Evchan__Example__VideoFrame frame = EVCHAN__EXAMPLE__VIDEO_FRAME__INIT;
	struct evchan_proto_writer writer;
	int r;

	r = evchan_proto_writer_begin(&writer, end->typed_sender,
			&evchan__example__video_frame__descriptor,
			FRAME_BYTES + FIELD_ROOM);
	if (r < 0)
		return r;
	frame.number = end->number;
	frame.width = FRAME_WIDTH;
	frame.height = FRAME_HEIGHT;
	must(evchan_proto_writer_fields(&writer, &frame.base), "fields");
	write_plane(&writer, 4, FRAME_Y_BYTES, end->number);
	write_plane(&writer, 5, FRAME_Y_BYTES / 4, end->number);
	write_plane(&writer, 6, FRAME_Y_BYTES / 4, end->number);
	return evchan_proto_writer_commit(&writer, 0);
}

/* Whether the lane takes another frame: the camera does not run for nothing. */
static int has_room(struct frame_end *end)
{
	struct evchan_span span;
	int r;

	r = evchan_reserve(&span, end->sender, FRAME_BYTES + FIELD_ROOM,
			FRAME_BYTES + FIELD_ROOM);
	if (r == 0)
		evchan_abort(end->sender);
	return r;
}

static int send_packed(struct frame_end *end)
{
	int r = has_room(end);

	if (r < 0)
		return r;
	return evchan_proto_send(
			end->typed_sender, &frame_in_memory(end->number)->base, 0);
}

static int send_stock_packed(struct frame_end *end)
{
	const ProtobufCMessage *frame;
	struct evchan_span span;
	size_t size;
	int r;

	r = has_room(end);
	if (r < 0)
		return r;
	frame = &frame_in_memory(end->number)->base;
	size = protobuf_c_message_get_packed_size(frame);
	r = evchan_reserve(&span, end->sender, size, size);
	if (r < 0)
		return r;
	protobuf_c_message_pack(frame, span.data);
	return evchan_commit(end->sender, STOCK_TYPE, size, 0);
}

/* All that the ring takes. */
static void fill_ring(struct frame_end *end)
{
	int r;

	while ((r = end->send(end)) == 0)
		end->number++;
	if (r != -EAGAIN)
		must(r, "send");
}

static void on_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	(void)sender;
	(void)resumed;
	fill_ring(arg);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	fill_ring(arg);
}

static void on_disconnected(struct evchan_sender *sender, int error, void *arg)
{
	struct frame_end *end = arg;

	(void)sender;
	(void)error;
	event_base_loopbreak(end->base);
}

static void send_frames(struct channel_round *round, int (*send)(struct frame_end *end))
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct frame_end end;

	open_end(&end, round);
	end.send = send;
	options.capacity = CAPACITY;
	callbacks.connected = on_connected;
	callbacks.writable = on_writable;
	callbacks.disconnected = on_disconnected;
	must(evchan_sender_new(&end.sender, end.loop, round->address, &options,
			     &callbacks, &end),
			"sender");
	must(evchan_proto_sender_new(&end.typed_sender, end.sender, end.types),
			"typed sender");
	event_base_dispatch(end.base);
	evchan_proto_sender_free(end.typed_sender);
	evchan_sender_free(end.sender);
	close_end(&end);
}

void frame_send_in_place(struct channel_round *round)
{
	send_frames(round, send_in_place);
}

void frame_send_packed(struct channel_round *round)
{
	send_frames(round, send_packed);
}

void frame_send_stock_packed(struct channel_round *round)
{
	send_frames(round, send_stock_packed);
}

/* ---- Receiving --------------------------------------------------------------------------- */

static void on_frame(const struct evchan_proto_message *message, void *arg)
{
	struct frame_end *end = arg;

	if (frame_read(end->round, (const Evchan__Example__VideoFrame *)message->message))
		event_base_loopbreak(end->base);
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct frame_end *end = arg;

	(void)receiver;
	must(evchan_proto_dispatch(end->typed_receiver, message), "dispatch");
}

static void on_stock_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	Evchan__Example__VideoFrame *frame = evchan__example__video_frame__unpack(
			NULL, message->size, message->data);
	struct frame_end *end = arg;

	(void)receiver;
	if (!frame)
		process_die("protobuf-c cannot unpack");
	if (frame_read(end->round, frame))
		event_base_loopbreak(end->base);
	evchan__example__video_frame__free_unpacked(frame, NULL);
}

static void receive_frames(struct channel_round *round, bool is_typed)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver *receiver;
	struct frame_end end;

	open_end(&end, round);
	must(evchan_proto_receiver_new(&end.typed_receiver, end.types, NULL, NULL, &end),
			"typed receiver");
	must(evchan_proto_on(end.typed_receiver,
			     &evchan__example__video_frame__descriptor, on_frame, &end),
			"callback");
	callbacks.message = is_typed ? on_message : on_stock_message;
	must(evchan_receiver_new(
			     &receiver, end.loop, round->address, NULL, &callbacks, &end),
			"receiver");
	atomic_store(&round->is_open, true);
	event_base_dispatch(end.base);
	evchan_receiver_free(receiver);
	evchan_proto_receiver_free(end.typed_receiver);
	close_end(&end);
}

void frame_receive_in_place(struct channel_round *round)
{
	receive_frames(round, true);
}

void frame_receive_stock_unpacked(struct channel_round *round)
{
	receive_frames(round, false);
}
