/* SPDX-License-Identifier: MIT */
/*
 * Typed messages over a channel, both ends on one base: what is sent is what the callback gets, whatever else goes
 * through the same lane.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "compare_messages.h"
#include "random_wire.h"
#include "scene.h"
#include "schemas.h"
#include "test_receiver.h"
#include "test_sender.h"

struct channel {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender sender;
	struct evchan_proto_types *types;
	struct evchan_proto_sender *sending;
	struct evchan_proto_receiver *receiving;
	/* what came */
	unsigned decoded;
	unsigned unknown;
	unsigned undecodable;
	int error;
	char text[512];
	const ProtobufCMessage *expected; /* NULL: not compared */
	const struct evchan_proto_message *held[64];
	unsigned held_count;
	bool holds;
};

static void on_message(const struct evchan_proto_message *message, void *arg)
{
	struct channel *channel = arg;

	channel->decoded++;
	if (channel->expected)
		CHECK(messages_are_equal(message->message, channel->expected));
	if (channel->holds)
		CHECK_EQUAL(evchan_proto_hold(&channel->held[channel->held_count++],
					    channel->receiving, message),
				0);
}

static void on_unknown(const struct evchan_message *raw, void *arg)
{
	struct channel *channel = arg;

	(void)raw;
	channel->unknown++;
}

static void on_undecodable(const struct evchan_message *raw, const ProtobufCMessageDescriptor *type,
		int error, size_t offset, const char *text, void *arg)
{
	struct channel *channel = arg;

	(void)raw;
	(void)type;
	(void)offset;
	channel->undecodable++;
	channel->error = error;
	strncpy(channel->text, text, sizeof(channel->text) - 1);
}

static void dispatch(struct test_receiver *receiver, enum heard heard, struct evchan_lane *lane,
		const struct evchan_message *message)
{
	struct channel *channel = receiver->arg;

	if (heard == HEARD_MESSAGE)
		evchan_proto_dispatch(channel->receiving, message);
	if (heard == HEARD_LEFT)
		evchan_proto_left(channel->receiving, lane);
}

/* The types `first` to `last` of schemas.h, under their places. */
static struct evchan_proto_types *make_types(size_t first, size_t last)
{
	struct evchan_proto_types *types;

	CHECK_EQUAL(evchan_proto_types_new(&types), 0);
	for (size_t i = first; i <= last; i++)
		CHECK_EQUAL(evchan_proto_types_add(types, all_schemas[i], (uint32_t)i + 1), 0);
	return types;
}

static void open_ends(struct channel *channel, uint64_t capacity)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.capacity = capacity;
	options.notes_size = 32768;
	stage_open(&channel->stage, NULL);
	channel->receiver.act = dispatch;
	channel->receiver.arg = channel;
	test_receiver_open(&channel->receiver, &channel->stage, scene_address(), NULL);
	test_sender_open(&channel->sender, &channel->stage, scene_address(), &options);
	STAGE_UNTIL(&channel->stage, channel->sender.calls[TOLD_CONNECTED]);
}

static void open_channel(struct channel *channel, uint64_t capacity,
		const struct evchan_proto_receiver_options *options)
{
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;

	memset(channel, 0, sizeof(*channel));
	callbacks.unknown = on_unknown;
	callbacks.undecodable = on_undecodable;
	open_ends(channel, capacity);
	channel->types = make_types(0, SCHEMA_COUNT - 1);
	CHECK_EQUAL(evchan_proto_sender_new(&channel->sending, channel->sender.sender, channel->types),
			0);
	CHECK_EQUAL(evchan_proto_receiver_new(&channel->receiving, channel->types, options, &callbacks,
				    channel),
			0);
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		CHECK_EQUAL(evchan_proto_on(channel->receiving, all_schemas[i], on_message, channel), 0);
}

static void close_channel(struct channel *channel)
{
	test_sender_free(&channel->sender);
	test_receiver_free(&channel->receiver);
	evchan_proto_sender_free(channel->sending);
	evchan_proto_receiver_free(channel->receiving);
	evchan_proto_types_free(channel->types);
	stage_close(&channel->stage);
}

static void send_and_await(struct channel *channel, const ProtobufCMessage *message,
		const ProtobufCMessage *expected)
{
	unsigned before = channel->decoded;

	channel->expected = expected;
	CHECK_EQUAL(evchan_proto_send(channel->sending, message, 0), 0);
	STAGE_UNTIL(&channel->stage, channel->decoded + channel->undecodable > before);
	check_context = channel->text;
	CHECK_EQUAL(channel->undecodable, 0);
	check_context = NULL;
}

/* ---- Round trips --------------------------------------------------------------------- */

/* What protobuf-c makes of its own packing: not always the same (minus zero, bytes behind a NUL), and NULL where an unknown
 * field has the number 0. */
static ProtobufCMessage *pack_and_unpack(const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(size + 1);
	ProtobufCMessage *again;

	protobuf_c_message_pack(message, bytes);
	again = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
	free(bytes);
	return again;
}

/* One message at random, if it is a valid one. */
static void send_random(struct channel *channel, struct random_wire *wire)
{
	const ProtobufCMessageDescriptor *descriptor = all_schemas[random_below(wire, SCHEMA_COUNT)];
	ProtobufCMessage *message, *again;

	wire->size = 0;
	random_message(wire, descriptor, 3);
	if (has_message_twice(descriptor, wire->bytes, wire->size))
		return;
	message = protobuf_c_message_unpack(descriptor, NULL, wire->size, wire->bytes);
	if (!message)
		return;
	again = pack_and_unpack(message);
	if (again) {
		send_and_await(channel, message, again);
		protobuf_c_message_free_unpacked(again, NULL);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

/* Any message of any type arrives as protobuf-c would deliver it. */
static void every_type_arrives(void **state)
{
	struct random_wire wire = { .state = 1, .room = 2000 };
	unsigned count = scene_scaled(2000);
	struct channel channel;

	(void)state;
	open_channel(&channel, 65536, NULL);
	wire.bytes = malloc(wire.room);
	for (unsigned i = 0; i < count; i++)
		send_random(&channel, &wire);
	assert_true(channel.decoded > count / 3);
	free(wire.bytes);
	close_channel(&channel);
}

/* Raw messages and unknown types go through the same lane. */
static void raw_messages_go_along(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct channel channel;

	(void)state;
	open_channel(&channel, 65536, NULL);
	CHECK_EQUAL(evchan_send(channel.sender.sender, 77777, "raw", 3, 0), 0);
	send_and_await(&channel, &leaf.base, &leaf.base);
	assert_int_equal(channel.unknown, 1);
	assert_int_equal(channel.decoded, 1);
	close_channel(&channel);
}

/* ---- Sizes ------------------------------------------------------------------------------- */

/* A message larger than any before is measured, and arrives; one that can never fit is refused. */
static void sizes_are_found_out(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	char *text = malloc(70000);
	struct channel channel;

	(void)state;
	open_channel(&channel, 65536, NULL);
	for (size_t length = 1; length < 60000; length = length * 2 + 1) {
		memset(text, 'x', length);
		text[length] = '\0';
		leaf.text = text;
		send_and_await(&channel, &leaf.base, &leaf.base);
		leaf.text = (char[]){ "small" };
		send_and_await(&channel, &leaf.base, &leaf.base);
	}
	memset(text, 'x', 66000);
	text[66000] = '\0';
	leaf.text = text;
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 0), -EMSGSIZE);
	leaf.text = (char[]){ "small" };
	send_and_await(&channel, &leaf.base, &leaf.base);
	free(text);
	close_channel(&channel);
}

/* A full lane says so, and `writable` comes when the refused message fits. */
static void full_lane_is_told(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct channel channel;
	char text[1000];
	int r;

	(void)state;
	open_channel(&channel, 4096, NULL);
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	leaf.text = text;
	channel.expected = &leaf.base;
	do
		r = evchan_proto_send(channel.sending, &leaf.base, 0);
	while (r == 0);
	CHECK_EQUAL(r, -EAGAIN);
	STAGE_UNTIL(&channel.stage, channel.sender.calls[TOLD_WRITABLE]);
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 0), 0);
	close_channel(&channel);
}

/* ---- What does not fit together ---------------------------------------------------------- */

/* Bytes that are no message of their type are told with sender, type and reason, and the lane goes on. */
static void bad_message_is_told(void **state)
{
	static const uint8_t bad[] = { 0x0a, 0x7f };
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct channel channel;

	(void)state;
	open_channel(&channel, 65536, NULL);
	CHECK_EQUAL(evchan_send(channel.sender.sender, 2, bad, sizeof(bad), 0), 0);
	STAGE_UNTIL(&channel.stage, channel.undecodable == 1);
	assert_int_equal(channel.error, -EBADMSG);
	assert_non_null(strstr(channel.text, "evchan.test.Leaf"));
	assert_non_null(strstr(channel.text, "pid"));
	channel.undecodable = 0;
	send_and_await(&channel, &leaf.base, &leaf.base);
	close_channel(&channel);
}

/* If that is the policy, the lane ends, and its sender hears why. */
static void bad_message_evicts_if_asked_to(void **state)
{
	struct evchan_proto_receiver_options options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	static const uint8_t bad[] = { 0x0a, 0x7f };
	struct channel channel;

	(void)state;
	options.policy = EVCHAN_PROTO_EVICT_LANE;
	open_channel(&channel, 65536, &options);
	CHECK_EQUAL(evchan_send(channel.sender.sender, 2, bad, sizeof(bad), 0), 0);
	STAGE_UNTIL(&channel.stage,
			channel.receiver.calls[HEARD_LEFT] && channel.sender.calls[TOLD_REFUSED]);
	assert_int_equal(channel.receiver.left_reason, EVCHAN_LEFT_EVICTED);
	assert_int_equal(channel.undecodable, 1);
	assert_non_null(strstr(channel.sender.text, "evchan.test.Leaf"));
	close_channel(&channel);
}

/* A sender that means another thing by the same number is told with the field, at each message. */
static void incompatible_type_is_told(void **state)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;
	struct evchan_proto_types *theirs;
	struct evchan_proto_sender *sending;
	struct evchan_proto_stats stats = EVCHAN_PROTO_STATS_INIT;
	struct channel channel;

	(void)state;
	open_channel(&channel, 65536, NULL);
	/* Its number is the leaf's here. Field 1 of both is an integer, 2 a string here and a zigzag integer there. */
	CHECK_EQUAL(evchan_proto_types_new(&theirs), 0);
	CHECK_EQUAL(evchan_proto_types_add(theirs, &evchan__test__optional__descriptor, 2), 0);
	CHECK_EQUAL(evchan_proto_sender_new(&sending, channel.sender.sender, theirs), 0);
	CHECK_EQUAL(evchan_proto_send(sending, &optional.base, 0), 0);
	CHECK_EQUAL(evchan_proto_send(sending, &optional.base, 0), 0);
	STAGE_UNTIL(&channel.stage, channel.undecodable == 2);
	assert_int_equal(channel.error, -EPROTOTYPE);
	assert_non_null(strstr(channel.text, "text (2)"));
	evchan_proto_get_stats(channel.receiving, &evchan__test__leaf__descriptor, &stats);
	assert_int_equal(stats.incompatible, 2);
	evchan_proto_sender_free(sending);
	evchan_proto_types_free(theirs);
	close_channel(&channel);
}

/* ---- Keeping ------------------------------------------------------------------------------- */

/* Held messages stay whole, in any number and order, while others come. */
static void held_messages_stay(void **state)
{
	Evchan__Test__Text text = EVCHAN__TEST__TEXT__INIT;
	struct channel channel;
	char words[20];

	(void)state;
	open_channel(&channel, 65536, NULL);
	channel.holds = true;
	text.as_text = words;
	text.has_as_bytes = 1;
	text.as_bytes.data = (uint8_t *)words;
	text.as_bytes.len = 8;
	for (unsigned i = 0; i < 40; i++) {
		snprintf(words, sizeof(words), "number %u", i);
		send_and_await(&channel, &text.base, &text.base);
	}
	for (unsigned i = 0; i < 40; i++) {
		const Evchan__Test__Text *kept =
				(const Evchan__Test__Text *)channel.held[i]->message;

		snprintf(words, sizeof(words), "number %u", i);
		CHECK(strcmp(kept->as_text, words) == 0);
		CHECK(memcmp(kept->as_bytes.data, words, 8) == 0);
	}
	for (unsigned i = 0; i < 40; i++)
		evchan_proto_release(channel.held[(i * 7) % 40]);
	evchan_proto_release(NULL);
	close_channel(&channel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(every_type_arrives),
		SCENE_TEST(raw_messages_go_along),
		SCENE_TEST(sizes_are_found_out),
		SCENE_TEST(full_lane_is_told),
		SCENE_TEST(bad_message_is_told),
		SCENE_TEST(bad_message_evicts_if_asked_to),
		SCENE_TEST(incompatible_type_is_told),
		SCENE_TEST(held_messages_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
