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

#include "compare_messages.h"
#include "random_wire.h"
#include "typed_channel.h"

static void compare(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	CHECK(messages_are_equal(message->message, channel->arg));
}

/* Sends one, and expects another. */
static void send_and_compare(struct typed_channel *channel,
		const ProtobufCMessage *message, ProtobufCMessage *expected)
{
	channel->act = compare;
	channel->arg = expected;
	typed_channel_send(channel, message);
	channel->act = NULL;
	channel->arg = NULL;
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
static void send_random(struct typed_channel *channel, struct random_wire *wire)
{
	const ProtobufCMessageDescriptor *descriptor =
			all_schemas[random_below(wire, SCHEMA_COUNT)];
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
		send_and_compare(channel, message, again);
		protobuf_c_message_free_unpacked(again, NULL);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

/* Any message of any type arrives as protobuf-c would deliver it. */
static void every_type_arrives(void **state)
{
	struct random_wire wire = { .state = 1, .room = 2000 };
	unsigned count = scene_scaled(2000);
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	wire.bytes = malloc(wire.room);
	for (unsigned i = 0; i < count; i++)
		send_random(&channel, &wire);
	assert_true(channel.decoded > count / 3);
	free(wire.bytes);
	typed_channel_close(&channel);
}

/* Also if the receiver copies messages before it delivers them, and bytes again. */
static void copies_arrive_alike(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_proto_receiver_options proto_options =
			EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	struct random_wire wire = { .state = 2, .room = 2000 };
	struct typed_channel channel;

	(void)state;
	options.flags = EVCHAN_RECEIVER_COPY;
	proto_options.flags = EVCHAN_PROTO_COPY_BYTES;
	typed_channel_open(&channel, 65536, &options, &proto_options);
	wire.bytes = malloc(wire.room);
	for (unsigned i = 0; i < scene_scaled(300); i++)
		send_random(&channel, &wire);
	free(wire.bytes);
	typed_channel_close(&channel);
}

/* Raw messages, and types the receiver does not know, go through the same lane. */
static void raw_messages_go_along(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	for (unsigned i = 1; i <= 5; i++) {
		CHECK_EQUAL(evchan_send(channel.sender.sender, 77777, "raw", 3, 0), 0);
		typed_channel_await(&channel);
		assert_int_equal(channel.result, -ENOENT);
		send_and_compare(&channel, &leaf.base, &leaf.base);
		assert_int_equal(channel.result, 0);
		assert_int_equal(channel.unknown, i);
		assert_int_equal(channel.decoded, i);
	}
	typed_channel_close(&channel);
}

/* A type that is known but has no callback is an unknown one, as long as that is so. */
static void type_without_callback_is_unknown(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	const ProtobufCMessageDescriptor *type = &evchan__test__leaf__descriptor;
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	CHECK_EQUAL(evchan_proto_on(channel.receiving, type, NULL, NULL), 0);
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 0), 0);
	typed_channel_await(&channel);
	assert_int_equal(channel.unknown, 1);
	CHECK_EQUAL(evchan_proto_on(channel.receiving, type, typed_channel_on_message,
				    &channel),
			0);
	typed_channel_send(&channel, &leaf.base);
	typed_channel_close(&channel);
}

static void check_number(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	const Evchan__Test__Leaf *leaf = (const Evchan__Test__Leaf *)message->message;

	CHECK_EQUAL(leaf->number, channel->decoded - 1);
}

/* A batch is published all at once, and comes in order. */
static void batch_comes_in_order(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	channel.act = check_number;
	leaf.has_number = 1;
	evchan_cork(channel.sender.sender);
	for (leaf.number = 0; leaf.number < 100; leaf.number++)
		CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 0), 0);
	stage_look(&channel.stage, 5);
	assert_int_equal(channel.decoded, 0);
	evchan_uncork(channel.sender.sender);
	STAGE_UNTIL(&channel.stage, channel.decoded == 100);
	typed_channel_close(&channel);
}

/* Without a wake-up a message waits for the sender's next turn. */
static void message_need_not_wake(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, EVCHAN_SEND_NO_WAKE),
			0);
	STAGE_UNTIL(&channel.stage, channel.decoded == 1);
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, EVCHAN_SEND_IF_EMPTY),
			-EINVAL);
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 1 << 7), -EINVAL);
	typed_channel_close(&channel);
}

/* ---- Sizes ------------------------------------------------------------------------------- */

/* A message larger than any before is measured, and arrives; one that can never fit is refused. */
static void sizes_are_found_out(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	char *text = malloc(70000);
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	for (size_t length = 1; length < 60000; length = length * 2 + 1) {
		memset(text, 'x', length);
		text[length] = '\0';
		leaf.text = text;
		send_and_compare(&channel, &leaf.base, &leaf.base);
		leaf.text = (char[]){ "small" };
		send_and_compare(&channel, &leaf.base, &leaf.base);
	}
	memset(text, 'x', 66000);
	text[66000] = '\0';
	leaf.text = text;
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 0), -EMSGSIZE);
	leaf.text = (char[]){ "small" };
	send_and_compare(&channel, &leaf.base, &leaf.base);
	free(text);
	typed_channel_close(&channel);
}

/* The largest message there can be fits, exactly, and one byte more does not. */
static void largest_message_fits(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct typed_channel channel;
	size_t most;

	(void)state;
	typed_channel_open(&channel, 4096, NULL, NULL);
	most = evchan_sender_message_max(channel.sender.sender);
	leaf.text = malloc(most + 1);
	memset(leaf.text, 'x', most);
	/* Tag, and a length of two bytes. */
	leaf.text[most - 3] = '\0';
	send_and_compare(&channel, &leaf.base, &leaf.base);
	leaf.text[most - 3] = 'x';
	leaf.text[most - 2] = '\0';
	CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 0), -EMSGSIZE);
	free(leaf.text);
	typed_channel_close(&channel);
}

/* Wherever the ring ends, and however much of it is free: the message is told to wait, or it arrives whole. */
static void full_lane_is_told(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct typed_channel channel;
	unsigned sent = 0;
	char text[1000];

	(void)state;
	typed_channel_open(&channel, 4096, NULL, NULL);
	leaf.text = text;
	for (size_t length = 1; length < sizeof(text); length += 13) {
		int r;

		memset(text, 'y', length);
		text[length] = '\0';
		while ((r = evchan_proto_send(channel.sending, &leaf.base, 0)) == 0)
			sent++;
		CHECK_EQUAL(r, -EAGAIN);
		channel.sender.calls[TOLD_WRITABLE] = 0;
		STAGE_UNTIL(&channel.stage, channel.sender.calls[TOLD_WRITABLE]);
		CHECK_EQUAL(evchan_proto_send(channel.sending, &leaf.base, 0), 0);
		sent++;
		STAGE_UNTIL(&channel.stage, channel.decoded == sent);
	}
	typed_channel_close(&channel);
}

/* A lane whose notes are full cannot take a new type, and says so; types that were described go on. */
static void full_notes_are_told(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	Evchan__Test__Empty empty = EVCHAN__TEST__EMPTY__INIT;
	struct typed_channel channel;
	uint32_t key = 1000000;

	(void)state;
	typed_channel_open(&channel, 4096, NULL, NULL);
	typed_channel_send(&channel, &leaf.base);
	for (size_t size = 16384; size; size /= 2) {
		void *note = calloc(1, size);

		while (evchan_sender_add_note(channel.sender.sender, key, note, size) ==
				0)
			key++;
		free(note);
	}
	CHECK_EQUAL(evchan_proto_send(channel.sending, &empty.base, 0), -ENOSPC);
	typed_channel_send(&channel, &leaf.base);
	typed_channel_close(&channel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(every_type_arrives),
		SCENE_TEST(copies_arrive_alike),
		SCENE_TEST(raw_messages_go_along),
		SCENE_TEST(type_without_callback_is_unknown),
		SCENE_TEST(batch_comes_in_order),
		SCENE_TEST(message_need_not_wake),
		SCENE_TEST(sizes_are_found_out),
		SCENE_TEST(largest_message_fits),
		SCENE_TEST(full_lane_is_told),
		SCENE_TEST(full_notes_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
