/* SPDX-License-Identifier: MIT */
/*
 * Typed messages, with each call in making types, decoding, copying, sending and receiving them failing in turn.
 */

#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "compare_messages.h"
#include "random_wire.h"
#include "schemas.h"

#define WIRE_MAX 1024
#define DESCRIPTION_MAX 8192
#define HOLDS_MAX 4u
#define TYPE_SENT 6 /* one that has others in it */

/* ---- Types ----------------------------------------------------------------------------------- */

static struct evchan_proto_types *new_types(void)
{
	struct evchan_proto_types *types = UNTOUCHED;
	int r;

	while (scenario_result(EVCHAN_PROTO_TYPES_NEW, evchan_proto_types_new(&types)) <
			0)
		CHECK(types == UNTOUCHED);
	for (size_t i = 0; i < SCHEMA_COUNT; i++) {
		do
			r = evchan_proto_types_add(
					types, all_schemas[i], (uint32_t)i + 1);
		while (scenario_result(EVCHAN_PROTO_TYPES_ADD, r) < 0);
		CHECK_EQUAL(evchan_proto_types_id(types, all_schemas[i]), i + 1);
	}
	return types;
}

static void describe_and_compare(struct evchan_proto_types *types)
{
	static unsigned char description[DESCRIPTION_MAX];
	enum evchan_proto_match match;
	size_t size;
	int r;

	for (size_t i = 0; i < SCHEMA_COUNT; i++) {
		do {
			size = sizeof(description);
			r = evchan_proto_describe(
					types, all_schemas[i], description, &size);
		} while (scenario_result(EVCHAN_PROTO_DESCRIBE, r) < 0);
		do {
			match = EVCHAN_PROTO_INCOMPATIBLE;
			r = evchan_proto_compare(&match, types, all_schemas[i],
					description, size, NULL, 0);
		} while (scenario_result(EVCHAN_PROTO_COMPARE, r) < 0);
		CHECK_EQUAL(match, EVCHAN_PROTO_IDENTICAL);
	}
}

static void types(void)
{
	struct evchan_proto_types *made;

	faults_begin();
	made = new_types();
	describe_and_compare(made);
	evchan_proto_types_free(made);
	faults_end();
}

/* ---- Decoding -------------------------------------------------------------------------------- */

/* A message of each type as it comes. Found once, because it takes many tries, and by all processes that play. */
static struct wire_message {
	uint8_t bytes[WIRE_MAX];
	size_t size;
} wires[SCHEMA_COUNT];

static bool is_valid(const ProtobufCMessageDescriptor *descriptor,
		const struct random_wire *wire)
{
	ProtobufCMessage *message;

	if (has_message_twice(descriptor, wire->bytes, wire->size))
		return false;
	message = protobuf_c_message_unpack(descriptor, NULL, wire->size, wire->bytes);
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
	return message != NULL;
}

__attribute__((constructor)) static void find_messages(void)
{
	for (size_t i = 0; i < SCHEMA_COUNT; i++) {
		struct random_wire wire;
		uint64_t seed = i;

		do {
			wire = (struct random_wire){
				.state = seed, .bytes = wires[i].bytes, .room = WIRE_MAX
			};
			random_message(&wire, all_schemas[i], 3);
			seed += SCHEMA_COUNT;
		} while (!is_valid(all_schemas[i], &wire));
		wires[i].size = wire.size;
	}
}

/* So that what protobuf-c gives back was counted, too. */
static void *counted_alloc(void *data, size_t size)
{
	(void)data;
	return malloc(size);
}

static void counted_free(void *data, void *memory)
{
	(void)data;
	free(memory);
}

static void detach(const ProtobufCMessage *message)
{
	ProtobufCAllocator allocator = { counted_alloc, counted_free, NULL };
	ProtobufCMessage *copy = UNTOUCHED;

	while (scenario_result(EVCHAN_PROTO_DETACH,
			       evchan_proto_detach(&copy, message, &allocator)) < 0)
		CHECK(copy == UNTOUCHED);
	CHECK(messages_are_equal(copy, message));
	protobuf_c_message_free_unpacked(copy, &allocator);
}

static void decode_one(const ProtobufCMessageDescriptor *descriptor,
		const struct wire_message *wire, struct evchan_proto_types *known,
		struct evchan_proto_arena *arena)
{
	const ProtobufCMessage *message = UNTOUCHED;
	int r;

	do {
		evchan_proto_arena_reset(arena);
		r = evchan_proto_decode(&message, arena, known, descriptor, wire->bytes,
				wire->size, NULL, NULL);
		CHECK((r < 0) == (message == UNTOUCHED));
	} while (scenario_result(EVCHAN_PROTO_DECODE, r) < 0);
	detach(message);
}

static struct evchan_proto_arena *new_arena(void)
{
	struct evchan_proto_arena *arena = UNTOUCHED;

	while (scenario_result(EVCHAN_PROTO_ARENA_NEW,
			       evchan_proto_arena_new(&arena, 0)) < 0)
		CHECK(arena == UNTOUCHED);
	return arena;
}

/* Of types that are known, and of those that are not, whose plans have to be made. */
static void decode(void)
{
	struct evchan_proto_types *known = new_types(), *empty;
	struct evchan_proto_arena *arena;

	CHECK_EQUAL(evchan_proto_types_new(&empty), 0);
	faults_begin();
	arena = new_arena();
	for (size_t i = 0; i < SCHEMA_COUNT; i++) {
		decode_one(all_schemas[i], &wires[i], known, arena);
		decode_one(all_schemas[i], &wires[i], empty, arena);
	}
	evchan_proto_arena_free(arena);
	evchan_proto_types_free(empty);
	evchan_proto_types_free(known);
	faults_end();
}

/* ---- Channels -------------------------------------------------------------------------------- */

struct channel {
	struct world world; /* first: callbacks get it */
	struct evchan_proto_types *types;
	struct evchan_proto_sender *sending;
	struct evchan_proto_receiver *receiving;
	ProtobufCMessage *message; /* what is sent */
	unsigned decoded, undecodable;
	const struct evchan_proto_message *held[HOLDS_MAX];
	unsigned held_count;
};

static void on_message(const struct evchan_proto_message *message, void *arg)
{
	struct channel *channel = arg;
	const struct evchan_proto_message *held = UNTOUCHED;
	int r;

	channel->decoded++;
	CHECK(messages_are_equal(message->message, channel->message));
	if (channel->held_count == HOLDS_MAX)
		return;
	r = scenario_result(EVCHAN_PROTO_HOLD,
			evchan_proto_hold(&held, channel->receiving, message));
	CHECK((r < 0) == (held == UNTOUCHED));
	if (r == 0)
		channel->held[channel->held_count++] = held;
}

static void on_undecodable(const struct evchan_message *raw,
		const ProtobufCMessageDescriptor *type, int error, size_t offset,
		const char *text, void *arg)
{
	struct channel *channel = arg;

	(void)type;
	(void)offset;
	CHECK(error < 0 && *text);
	/* It was not evicted already. In one kind of receiver only: in the other its messages go on. */
	if (error == -ENOMEM &&
			(channel->world.receiver_options.flags & EVCHAN_RECEIVER_COPY))
		CHECK_EQUAL(evchan_lane_evict(raw->lane, "to see whether it could be"),
				0);
	scenario_told();
	channel->undecodable++;
}

static void dispatch(struct world *world, const struct evchan_message *message)
{
	struct channel *channel = (struct channel *)world;

	(void)scenario_result(EVCHAN_PROTO_DISPATCH,
			evchan_proto_dispatch(channel->receiving, message));
}

static void release_held(struct channel *channel)
{
	while (channel->held_count)
		evchan_proto_release(channel->held[--channel->held_count]);
}

/* As long as something of it is held, a ring does not get in again. */
static void forget(struct world *world, struct evchan_lane *lane)
{
	struct channel *channel = (struct channel *)world;

	release_held(channel);
	evchan_proto_left(channel->receiving, lane);
}

static void make_receiving(struct channel *channel)
{
	struct evchan_proto_receiver_options options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;
	int r;

	/* Not for a lack of memory here, or nothing more would come. */
	options.policy = EVCHAN_PROTO_EVICT_LANE;
	callbacks.undecodable = on_undecodable;
	channel->receiving = UNTOUCHED;
	do {
		r = evchan_proto_receiver_new(&channel->receiving, channel->types,
				&options, &callbacks, channel);
		CHECK((r < 0) == (channel->receiving == UNTOUCHED));
	} while (scenario_result(EVCHAN_PROTO_RECEIVER_NEW, r) < 0);
	do
		r = evchan_proto_on(channel->receiving, channel->message->descriptor,
				on_message, channel);
	while (scenario_result(EVCHAN_PROTO_ON, r) < 0);
}

static void make_sending(struct channel *channel)
{
	int r;

	channel->sending = UNTOUCHED;
	do {
		r = evchan_proto_sender_new(
				&channel->sending, channel->world.sender, channel->types);
		CHECK((r < 0) == (channel->sending == UNTOUCHED));
	} while (scenario_result(EVCHAN_PROTO_SENDER_NEW, r) < 0);
}

/* One message more has come, or somebody was told that it will not. */
static void send_and_receive(struct channel *channel)
{
	unsigned before = channel->decoded + channel->undecodable;
	uint32_t generation = channel->world.generation;

	while (scenario_result(EVCHAN_PROTO_SEND,
			       evchan_proto_send(channel->sending, channel->message, 0)) <
			0)
		;
	WORLD_UNTIL(&channel->world,
			channel->decoded + channel->undecodable > before ||
					channel->world.generation != generation);
}

static void open_channel(struct channel *channel, uint32_t flags)
{
	memset(channel, 0, sizeof(*channel));
	world_init(&channel->world);
	channel->world.is_raw = true;
	channel->world.message = dispatch;
	channel->world.gone = forget;
	channel->world.sender_options.capacity = 1 << 16;
	channel->world.receiver_options.flags = flags;
	channel->types = new_types();
	channel->message = protobuf_c_message_unpack(all_schemas[TYPE_SENT], NULL,
			wires[TYPE_SENT].size, wires[TYPE_SENT].bytes);
	CHECK(channel->message);
	world_open(&channel->world);
}

static void close_channel(struct channel *channel)
{
	release_held(channel);
	evchan_proto_sender_free(channel->sending);
	world_close(&channel->world);
	evchan_proto_receiver_free(channel->receiving);
	evchan_proto_types_free(channel->types);
	faults_end();
	protobuf_c_message_free_unpacked(channel->message, NULL);
}

static void exchange(uint32_t flags)
{
	struct channel channel;

	open_channel(&channel, flags);
	faults_begin();
	make_receiving(&channel);
	make_sending(&channel);
	/* A sender that is over has taken the typed one with it. */
	for (unsigned i = 0; i < 2 * HOLDS_MAX && channel.world.generation == 1; i++)
		send_and_receive(&channel);
	CHECK(channel.decoded >= 2 * HOLDS_MAX || channel.undecodable > 0 ||
			channel.world.generation > 1);
	close_channel(&channel);
}

static void channel_in_the_ring(void)
{
	exchange(0);
}

static void channel_of_copies(void)
{
	exchange(EVCHAN_RECEIVER_COPY);
}

SCENARIOS({ .name = "types", .play = types }, { .name = "decode", .play = decode },
		{ .name = "channel_in_the_ring", .play = channel_in_the_ring },
		{ .name = "channel_of_copies", .play = channel_of_copies })
