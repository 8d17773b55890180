/* SPDX-License-Identifier: MIT */
/*
 * Records through a lane: typed, typed in batches that are published together, and as raw bytes, which are only
 * counted: what the lane itself can do.
 */

#include "bench_proto_channel.h"

#include <errno.h>
#include <string.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/proto.h>

#include "process.h"

#define CAPACITY (1u << 20)
#define RAW_TYPE 1u
#define BATCH 32u

struct evchan_end {
	struct channel_round *round;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_proto_types *types; /* NULL: raw */
	unsigned batch;                   /* records that are published together */
	struct evchan_sender *sender;
	struct evchan_proto_sender *typed_sender;
	struct evchan_proto_receiver *typed_receiver;
	uint8_t raw[256];
	size_t raw_size;
	uint32_t number;
};

static void must(int r, const char *what)
{
	if (r < 0)
		process_die("%s: %s", what, evchan_strerror(r));
}

static void open_evchan(
		struct evchan_end *end, struct channel_round *round, bool is_typed)
{
	memset(end, 0, sizeof(*end));
	end->round = round;
	end->base = event_base_new();
	if (!end->base)
		process_die("no event base");
	must(evchan_libevent_loop_new(&end->loop, end->base), "loop");
	if (!is_typed)
		return;
	must(evchan_proto_types_new(&end->types), "types");
	must(evchan_proto_types_add(
			     end->types, &evchan__example__log_record__descriptor, 0),
			"type");
}

static void close_evchan(struct evchan_end *end)
{
	evchan_proto_types_free(end->types);
	evchan_libevent_loop_free(end->loop);
	event_base_free(end->base);
}

static int send_one(struct evchan_end *end)
{
	int r;

	if (end->types)
		r = evchan_proto_send(
				end->typed_sender, &channel_record(end->number)->base, 0);
	else
		r = evchan_send(end->sender, RAW_TYPE, end->raw, end->raw_size, 0);
	if (r == 0)
		end->number++;
	return r;
}

static int send_batch(struct evchan_end *end)
{
	int r = 0;

	evchan_cork(end->sender);
	for (unsigned i = 0; i < end->batch && r == 0; i++)
		r = send_one(end);
	evchan_uncork(end->sender);
	return r;
}

/* All that the ring takes. */
static void fill_ring(struct evchan_end *end)
{
	int r = 0;

	while (r == 0)
		r = end->batch > 1 ? send_batch(end) : send_one(end);
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
	struct evchan_end *end = arg;

	(void)sender;
	(void)error;
	event_base_loopbreak(end->base);
}

static void send_evchan(struct channel_round *round, bool is_typed, unsigned batch)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_end end;

	open_evchan(&end, round, is_typed);
	end.batch = batch;
	end.raw_size = protobuf_c_message_pack(&channel_record(1000)->base, end.raw);
	options.capacity = CAPACITY;
	callbacks.connected = on_connected;
	callbacks.writable = on_writable;
	callbacks.disconnected = on_disconnected;
	must(evchan_sender_new(&end.sender, end.loop, round->address, &options,
			     &callbacks, &end),
			"sender");
	if (is_typed)
		must(evchan_proto_sender_new(&end.typed_sender, end.sender, end.types),
				"typed sender");
	event_base_dispatch(end.base);
	evchan_proto_sender_free(end.typed_sender);
	evchan_sender_free(end.sender);
	close_evchan(&end);
}

static void on_record(const struct evchan_proto_message *message, void *arg)
{
	struct evchan_end *end = arg;

	channel_read(end->round, (const Evchan__Example__LogRecord *)message->message);
	if (channel_count(end->round))
		event_base_loopbreak(end->base);
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct evchan_end *end = arg;
	const uint8_t *bytes = message->data;

	(void)receiver;
	if (end->types) {
		must(evchan_proto_dispatch(end->typed_receiver, message), "dispatch");
		return;
	}
	end->round->sum += bytes[0] + bytes[message->size - 1];
	if (channel_count(end->round))
		event_base_loopbreak(end->base);
}

static void receive_evchan(struct channel_round *round, bool is_typed)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver *receiver;
	struct evchan_end end;

	open_evchan(&end, round, is_typed);
	if (is_typed) {
		must(evchan_proto_receiver_new(
				     &end.typed_receiver, end.types, NULL, NULL, &end),
				"typed receiver");
		must(evchan_proto_on(end.typed_receiver,
				     &evchan__example__log_record__descriptor, on_record,
				     &end),
				"callback");
	}
	callbacks.message = on_message;
	must(evchan_receiver_new(
			     &receiver, end.loop, round->address, NULL, &callbacks, &end),
			"receiver");
	atomic_store(&round->is_open, true);
	event_base_dispatch(end.base);
	evchan_receiver_free(receiver);
	evchan_proto_receiver_free(end.typed_receiver);
	close_evchan(&end);
}

void channel_send_typed(struct channel_round *round)
{
	send_evchan(round, true, 1);
}

void channel_send_batches(struct channel_round *round)
{
	send_evchan(round, true, BATCH);
}

void channel_receive_typed(struct channel_round *round)
{
	receive_evchan(round, true);
}

void channel_send_raw(struct channel_round *round)
{
	send_evchan(round, false, 1);
}

void channel_receive_raw(struct channel_round *round)
{
	receive_evchan(round, false);
}
