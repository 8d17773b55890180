/* SPDX-License-Identifier: MIT */
/* Messages that are not delivered: who is told what, what is counted, what becomes of the lane. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "typed_channel.h"

/* Numbers of types, as typed_channel.h gives them. */
enum {
	LEAF = 2,
	OPTIONAL = 3
};

static const uint8_t bad_leaf[] = { 0x08, 1, 0x0a, 0x7f };

static struct evchan_proto_stats stats_of(const struct typed_channel *channel,
		const ProtobufCMessageDescriptor *type)
{
	struct evchan_proto_stats stats = EVCHAN_PROTO_STATS_INIT;

	evchan_proto_get_stats(channel->receiving, type, &stats);
	assert_int_equal(stats.size, sizeof(stats));
	return stats;
}

static void send_raw(struct typed_channel *channel, uint32_t type, const void *bytes,
		size_t size)
{
	CHECK_EQUAL(evchan_send(channel->sender.sender, type, bytes, size, 0), 0);
	typed_channel_await(channel);
}

/* Bytes that are no message of their type are told with sender, type, place and reason, and the lane goes on. */
static void bad_message_is_told(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct typed_channel channel;
	char expected[200];

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	send_raw(&channel, LEAF, bad_leaf, sizeof(bad_leaf));
	assert_int_equal(channel.undecodable, 1);
	assert_int_equal(channel.result, -EBADMSG);
	assert_int_equal(channel.error, -EBADMSG);
	assert_int_equal(channel.offset, 3);
	assert_ptr_equal(channel.type, &evchan__test__leaf__descriptor);
	snprintf(expected, sizeof(expected),
			"sender pid %ld uid %lu: message type evchan.test.Leaf (2), "
			"byte 3: a field has another wire type",
			(long)getpid(), (unsigned long)getuid());
	assert_string_equal(channel.text, expected);
	typed_channel_send(&channel, &leaf.base);
	typed_channel_close(&channel);
}

/* Each limit has its error. */
static void limits_are_told(void **state)
{
	static const uint8_t text[] = { 0x12, 4, 'a', 0xff, 'b', 'c' };
	static const uint8_t deep[] = { 0x8a, 0x01, 2, 0x08, 1 };
	struct evchan_proto_receiver_options options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	struct typed_channel channel;
	uint8_t large[600] = { 0x12, 0xc8, 0x03 };

	(void)state;
	options.flags = EVCHAN_PROTO_CHECK_UTF8;
	options.max_depth = 1;
	options.max_bytes = 500;
	options.max_arena_bytes = 400;
	typed_channel_open(&channel, 65536, NULL, &options);
	send_raw(&channel, LEAF, text, sizeof(text));
	assert_int_equal(channel.error, -EILSEQ);
	send_raw(&channel, OPTIONAL, deep, sizeof(deep));
	assert_int_equal(channel.error, -ELOOP);
	send_raw(&channel, LEAF, large, 501);
	assert_int_equal(channel.error, -EMSGSIZE);
	memset(large + 3, 'x', 456);
	send_raw(&channel, LEAF, large, 459);
	assert_int_equal(channel.error, -ENOBUFS);
	assert_int_equal(channel.undecodable, 4);
	typed_channel_close(&channel);
}

/* If that is the policy, the lane ends, and its sender hears why. */
static void bad_message_evicts_if_asked_to(void **state)
{
	struct evchan_proto_receiver_options options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	struct typed_channel channel;

	(void)state;
	options.policy = EVCHAN_PROTO_EVICT_LANE;
	typed_channel_open(&channel, 65536, NULL, &options);
	CHECK_EQUAL(evchan_send(channel.sender.sender, LEAF, bad_leaf, sizeof(bad_leaf),
				    0),
			0);
	CHECK_EQUAL(evchan_send(channel.sender.sender, LEAF, NULL, 0, 0), 0);
	STAGE_UNTIL(&channel.stage,
			channel.receiver.calls[HEARD_LEFT] &&
					channel.sender.calls[TOLD_REFUSED]);
	assert_int_equal(channel.receiver.left_reason, EVCHAN_LEFT_EVICTED);
	assert_int_equal(channel.undecodable, 1);
	assert_int_equal(channel.decoded, 0);
	assert_non_null(strstr(channel.sender.text, "evchan.test.Leaf"));
	typed_channel_close(&channel);
}

/* ---- Types that do not fit ------------------------------------------------------------------ */

/* A second sender of types through the same lane, to which this descriptor travels under that number. */
struct other_sender {
	struct evchan_proto_types *types;
	struct evchan_proto_sender *sending;
};

static void open_other(struct other_sender *other, struct typed_channel *channel,
		const ProtobufCMessageDescriptor *type, uint32_t id)
{
	CHECK_EQUAL(evchan_proto_types_new(&other->types), 0);
	CHECK_EQUAL(evchan_proto_types_add(other->types, type, id), 0);
	CHECK_EQUAL(evchan_proto_sender_new(&other->sending, channel->sender.sender,
				    other->types),
			0);
}

static void close_other(struct other_sender *other)
{
	evchan_proto_sender_free(other->sending);
	evchan_proto_types_free(other->types);
}

/* A sender that means another thing by the same number is told with the field, at each message. */
static void incompatible_type_is_told(void **state)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;
	struct typed_channel channel;
	struct other_sender other;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	/* Field 1 of both is an integer, 2 a string here and a zigzag integer there. */
	open_other(&other, &channel, &evchan__test__optional__descriptor, LEAF);
	for (unsigned i = 1; i <= 3; i++) {
		memset(channel.text, 0, sizeof(channel.text));
		CHECK_EQUAL(evchan_proto_send(other.sending, &optional.base, 0), 0);
		typed_channel_await(&channel);
		assert_int_equal(channel.undecodable, i);
		assert_int_equal(channel.result, -EPROTOTYPE);
		assert_int_equal(channel.error, -EPROTOTYPE);
		assert_non_null(strstr(channel.text,
				"field evchan.test.Leaf.text (2) is a string or bytes "
		                "here and a zigzag "
				"integer there"));
		assert_int_equal(stats_of(&channel, &evchan__test__leaf__descriptor)
						 .incompatible,
				i);
	}
	/* Other types of the same lane are not concerned. */
	typed_channel_send(&channel, &optional.base);
	close_other(&other);
	typed_channel_close(&channel);
}

/* A type that was not described is taken at its word. */
static void undescribed_type_is_tried(void **state)
{
	static const uint8_t leaf[] = { 0x08, 5 };
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	send_raw(&channel, LEAF, leaf, sizeof(leaf));
	assert_int_equal(channel.decoded, 1);
	typed_channel_close(&channel);
}

/* So is one about which there is a note that is no description. */
static void strange_note_is_no_obstacle(void **state)
{
	static const uint8_t leaf[] = { 0x08, 5 };
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	CHECK_EQUAL(evchan_sender_add_note(
				    channel.sender.sender, LEAF, "no description", 14),
			0);
	CHECK_EQUAL(evchan_sender_add_note(channel.sender.sender, OPTIONAL, "", 0), 0);
	send_raw(&channel, LEAF, leaf, sizeof(leaf));
	send_raw(&channel, OPTIONAL, leaf, sizeof(leaf));
	assert_int_equal(channel.decoded, 2);
	typed_channel_close(&channel);
}

/* ---- Counting ---------------------------------------------------------------------------------- */

/* All messages are counted once, with their type and in all. */
static void everything_is_counted(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	Evchan__Test__Empty empty = EVCHAN__TEST__EMPTY__INIT;
	struct typed_channel channel;
	struct evchan_proto_stats stats;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	CHECK_EQUAL(evchan_proto_on(channel.receiving,
				    &evchan__test__optional__descriptor, NULL, NULL),
			0);
	typed_channel_send(&channel, &leaf.base);
	typed_channel_send(&channel, &leaf.base);
	typed_channel_send(&channel, &empty.base);
	send_raw(&channel, LEAF, bad_leaf, sizeof(bad_leaf));
	send_raw(&channel, OPTIONAL, NULL, 0);
	send_raw(&channel, 4711, NULL, 0);
	stats = stats_of(&channel, NULL);
	assert_int_equal(stats.decoded, 3);
	assert_int_equal(stats.undecodable, 1);
	assert_int_equal(stats.unknown, 2);
	assert_int_equal(stats.incompatible, 0);
	stats = stats_of(&channel, &evchan__test__leaf__descriptor);
	assert_int_equal(stats.decoded, 2);
	assert_int_equal(stats.undecodable, 1);
	assert_int_equal(stats.unknown, 0);
	stats = stats_of(&channel, &evchan__test__optional__descriptor);
	assert_int_equal(stats.decoded, 0);
	assert_int_equal(stats.unknown, 1);
	typed_channel_close(&channel);
}

/* A smaller struct is filled as far as it goes. */
static void old_stats_are_filled(void **state)
{
	Evchan__Test__Empty empty = EVCHAN__TEST__EMPTY__INIT;
	struct evchan_proto_stats stats = { .unknown = 99 };
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	typed_channel_send(&channel, &empty.base);
	stats.size = offsetof(struct evchan_proto_stats, unknown);
	evchan_proto_get_stats(channel.receiving, NULL, &stats);
	assert_int_equal(stats.decoded, 1);
	assert_int_equal(stats.unknown, 99);
	assert_int_equal(stats.size, offsetof(struct evchan_proto_stats, unknown));
	typed_channel_close(&channel);
}

/* ---- Options --------------------------------------------------------------------------------------- */

static int make_receiver(const struct evchan_proto_receiver_options *options,
		const struct evchan_proto_callbacks *callbacks)
{
	struct evchan_proto_types *types = typed_channel_make_types();
	struct evchan_proto_receiver *receiver = NULL;
	int r = evchan_proto_receiver_new(&receiver, types, options, callbacks, NULL);

	evchan_proto_receiver_free(receiver);
	evchan_proto_types_free(types);
	return r;
}

/* What cannot be understood is refused. */
static void options_are_checked(void **state)
{
	struct evchan_proto_receiver_options options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	struct {
		struct evchan_proto_callbacks known;
		void *more;
	} callbacks = { EVCHAN_PROTO_CALLBACKS_INIT, NULL };

	(void)state;
	CHECK_EQUAL(make_receiver(NULL, NULL), 0);
	options.flags = 1 << 3;
	CHECK_EQUAL(make_receiver(&options, NULL), -EINVAL);
	options.flags = 0;
	options.policy = 2;
	CHECK_EQUAL(make_receiver(&options, NULL), -EINVAL);
	options.policy = 0;
	options.size = 5000;
	CHECK_EQUAL(make_receiver(&options, NULL), -E2BIG);
	callbacks.known.size = sizeof(callbacks);
	CHECK_EQUAL(make_receiver(NULL, &callbacks.known), 0);
	callbacks.more = &callbacks;
	CHECK_EQUAL(make_receiver(NULL, &callbacks.known), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(bad_message_is_told),
		SCENE_TEST(limits_are_told),
		SCENE_TEST(bad_message_evicts_if_asked_to),
		SCENE_TEST(incompatible_type_is_told),
		SCENE_TEST(undescribed_type_is_tried),
		SCENE_TEST(strange_note_is_no_obstacle),
		SCENE_TEST(everything_is_counted),
		SCENE_TEST(old_stats_are_filled),
		SCENE_TEST(options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
