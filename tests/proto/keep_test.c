/* SPDX-License-Identifier: MIT */
/* Messages that stay after their callback: held in the ring, or detached from everything. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "compare_messages.h"
#include "typed_channel.h"

#define MANY 40

struct keeping {
	struct typed_channel channel;
	const struct evchan_proto_message *held[MANY];
	ProtobufCMessage *detached[MANY];
	unsigned count;
	char words[20];
	Evchan__Test__Text text;
};

static int set_up(void **state)
{
	struct keeping *keeping = calloc(1, sizeof(*keeping));

	scene_set_up(state);
	typed_channel_open(&keeping->channel, 65536, NULL, NULL);
	keeping->channel.arg = keeping;
	*state = keeping;
	return 0;
}

static int set_up_copying(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct keeping *keeping = calloc(1, sizeof(*keeping));

	options.flags = EVCHAN_RECEIVER_COPY;
	scene_set_up(state);
	typed_channel_open(&keeping->channel, 65536, &options, NULL);
	keeping->channel.arg = keeping;
	*state = keeping;
	return 0;
}

static int tear_down(void **state)
{
	struct keeping *keeping = *state;

	typed_channel_close(&keeping->channel);
	free(keeping);
	return scene_tear_down(state);
}

/* The message with this number. */
static const ProtobufCMessage *make_text(struct keeping *keeping, unsigned number)
{
	snprintf(keeping->words, sizeof(keeping->words), "number %u", number);
	evchan__test__text__init(&keeping->text);
	keeping->text.as_text = keeping->words;
	keeping->text.has_as_bytes = 1;
	keeping->text.as_bytes.data = (uint8_t *)keeping->words;
	keeping->text.as_bytes.len = 8;
	return &keeping->text.base;
}

static void assert_number(
		struct keeping *keeping, const ProtobufCMessage *message, unsigned number)
{
	CHECK(messages_are_equal(message, make_text(keeping, number)));
}

static void hold(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct keeping *keeping = channel->arg;

	CHECK_EQUAL(evchan_proto_hold(&keeping->held[keeping->count], channel->receiving,
				    message),
			0);
	/* The same message, and the same bytes. */
	CHECK(keeping->held[keeping->count]->message == message->message);
	CHECK(keeping->held[keeping->count]->raw->data == message->raw->data);
	keeping->count++;
}

static void detach(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct keeping *keeping = channel->arg;

	CHECK_EQUAL(evchan_proto_detach(&keeping->detached[keeping->count++],
				    message->message, NULL),
			0);
}

static void send_many(struct keeping *keeping)
{
	for (unsigned i = 0; i < MANY; i++)
		typed_channel_send(&keeping->channel, make_text(keeping, i));
	CHECK_EQUAL(keeping->count, MANY);
}

/* Held messages stay whole, in any number, and are given back in any order, while others come. */
static void held_messages_stay(void **state)
{
	struct keeping *keeping = *state;
	uint64_t held_bytes;

	keeping->channel.act = hold;
	send_many(keeping);
	keeping->channel.act = NULL;
	for (unsigned i = 0; i < MANY; i++) {
		unsigned place = (i * 7) % MANY;

		assert_number(keeping, keeping->held[place]->message, place);
		evchan_proto_release(keeping->held[place]);
		typed_channel_send(&keeping->channel, make_text(keeping, 99));
	}
	evchan_proto_release(NULL);
	held_bytes = test_sender_unconsumed(&keeping->channel.sender);
	assert_int_equal(held_bytes, 0);
}

static void hold_copied(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct keeping *keeping = channel->arg;

	CHECK_EQUAL(evchan_proto_hold(&keeping->held[keeping->count], channel->receiving,
				    message),
			0);
	/* What the callback has stays as it is until it returns. */
	assert_number(keeping, message->message, keeping->count);
	keeping->count++;
}

/* A receiver that copies messages uses one buffer for all of them: what is held must not point there. */
static void held_messages_of_a_copying_receiver_stay(void **state)
{
	struct keeping *keeping = *state;

	keeping->channel.act = hold_copied;
	send_many(keeping);
	for (unsigned i = 0; i < MANY; i++) {
		assert_number(keeping, keeping->held[i]->message, i);
		evchan_proto_release(keeping->held[i]);
	}
}

static void hold_copied_and_release(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct keeping *keeping = channel->arg;
	const struct evchan_proto_message *held;

	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQUAL(evchan_proto_hold(&held, channel->receiving, message), 0);
		evchan_proto_release(held);
	}
	assert_number(keeping, message->message, keeping->count++);
}

/* The callback's own message outlives the hold. */
static void released_messages_of_a_copying_receiver_stay_for_the_callback(void **state)
{
	struct keeping *keeping = *state;

	keeping->channel.act = hold_copied_and_release;
	send_many(keeping);
}

/* Detached messages depend on nothing, and the generated function frees them. */
static void detached_messages_stay(void **state)
{
	struct keeping *keeping = *state;

	keeping->channel.act = detach;
	send_many(keeping);
	test_sender_free(&keeping->channel.sender);
	STAGE_UNTIL(&keeping->channel.stage, keeping->channel.receiver.calls[HEARD_LEFT]);
	evchan_proto_sender_free(keeping->channel.sending);
	keeping->channel.sending = NULL;
	test_receiver_free(&keeping->channel.receiver);
	evchan_proto_receiver_free(keeping->channel.receiving);
	keeping->channel.receiving = NULL;
	for (unsigned i = 0; i < MANY; i++) {
		assert_number(keeping, keeping->detached[i], i);
		evchan__test__text__free_unpacked(
				(Evchan__Test__Text *)keeping->detached[i], NULL);
	}
}

/* Both, of the same message. */
static void hold_and_detach(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct keeping *keeping = channel->arg;

	hold(channel, message);
	CHECK_EQUAL(evchan_proto_detach(&keeping->detached[keeping->count - 1],
				    message->message, NULL),
			0);
}

static void held_and_detached_at_once(void **state)
{
	struct keeping *keeping = *state;

	keeping->channel.act = hold_and_detach;
	send_many(keeping);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(messages_are_equal(
				keeping->held[i]->message, keeping->detached[i]));
		evchan_proto_release(keeping->held[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_number(keeping, keeping->detached[i], i);
		protobuf_c_message_free_unpacked(keeping->detached[i], NULL);
	}
}

/* A held message can be detached later. */
static void held_message_is_detached_later(void **state)
{
	struct keeping *keeping = *state;
	ProtobufCMessage *copy;

	keeping->channel.act = hold;
	typed_channel_send(&keeping->channel, make_text(keeping, 5));
	CHECK_EQUAL(evchan_proto_detach(&copy, keeping->held[0]->message, NULL), 0);
	evchan_proto_release(keeping->held[0]);
	assert_number(keeping, copy, 5);
	protobuf_c_message_free_unpacked(copy, NULL);
}

/* After its receivers are gone a hold's structs are still there, and it is still to be released. */
static void hold_outlives_its_receivers(void **state)
{
	struct keeping *keeping = *state;

	keeping->channel.act = hold;
	typed_channel_send(&keeping->channel, make_text(keeping, 7));
	typed_channel_send(&keeping->channel, make_text(keeping, 8));
	evchan_proto_receiver_free(keeping->channel.receiving);
	keeping->channel.receiving = NULL;
	assert_number(keeping, keeping->held[0]->message, 7);
	test_receiver_free(&keeping->channel.receiver);
	assert_string_equal(
			((const Evchan__Test__Text *)keeping->held[1]->message)->as_text,
			"number 8");
	evchan_proto_release(keeping->held[1]);
	evchan_proto_release(keeping->held[0]);
}

/* So after its sender is gone, bytes included. */
static void hold_outlives_its_sender(void **state)
{
	struct keeping *keeping = *state;

	keeping->channel.act = hold;
	typed_channel_send(&keeping->channel, make_text(keeping, 3));
	evchan_proto_sender_free(keeping->channel.sending);
	keeping->channel.sending = NULL;
	test_sender_free(&keeping->channel.sender);
	STAGE_UNTIL(&keeping->channel.stage, keeping->channel.receiver.calls[HEARD_LEFT]);
	assert_number(keeping, keeping->held[0]->message, 3);
	evchan_proto_release(keeping->held[0]);
}

/* ---- Refused holds ------------------------------------------------------------------------- */

static void hold_twice(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct evchan_proto_message copy = *message;
	struct keeping *keeping = channel->arg;
	const struct evchan_proto_message *again;

	CHECK_EQUAL(evchan_proto_hold(&again, channel->receiving, &copy), -EINVAL);
	hold(channel, message);
	CHECK_EQUAL(evchan_proto_hold(&again, channel->receiving, message), -EALREADY);
	CHECK_EQUAL(evchan_proto_hold(&again, channel->receiving, keeping->held[0]),
			-EINVAL);
}

/* A message is held once, by itself and not by a copy, and during its callback only. */
static void impossible_holds_are_refused(void **state)
{
	const struct evchan_proto_message *again;
	struct keeping *keeping = *state;

	keeping->channel.act = hold_twice;
	typed_channel_send(&keeping->channel, make_text(keeping, 1));
	CHECK_EQUAL(evchan_proto_hold(
				    &again, keeping->channel.receiving, keeping->held[0]),
			-EINVAL);
	assert_number(keeping, keeping->held[0]->message, 1);
	evchan_proto_release(keeping->held[0]);
}

static void hold_what_is_allowed(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct keeping *keeping = channel->arg;
	int r = evchan_proto_hold(
			&keeping->held[keeping->count], channel->receiving, message);

	CHECK(r == 0 || r == -ENOBUFS);
	keeping->count += r == 0;
}

/* Beyond the lane's limit a hold is refused, and the message is delivered all the same. */
static void limit_of_holds_is_told(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct keeping *keeping = *state;

	typed_channel_close(&keeping->channel);
	options.max_held_bytes = 400;
	typed_channel_open(&keeping->channel, 65536, &options, NULL);
	keeping->channel.arg = keeping;
	keeping->channel.act = hold_what_is_allowed;
	for (unsigned i = 0; i < MANY; i++)
		typed_channel_send(&keeping->channel, make_text(keeping, i));
	assert_in_range(keeping->count, 5, 15);
	for (unsigned i = 0; i < keeping->count; i++) {
		assert_number(keeping, keeping->held[i]->message, i);
		evchan_proto_release(keeping->held[i]);
	}
}

static void hold_and_release(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct keeping *keeping = channel->arg;

	hold(channel, message);
	evchan_proto_release(keeping->held[--keeping->count]);
	/* It is still this callback's. */
	assert_number(keeping, message->message, 4);
	hold(channel, message);
	evchan_proto_release(keeping->held[--keeping->count]);
	assert_number(keeping, message->message, 4);
}

/* A hold can end before the callback does, and begin again. */
static void hold_ends_in_its_callback(void **state)
{
	struct keeping *keeping = *state;

	keeping->channel.act = hold_and_release;
	for (unsigned i = 0; i < 3; i++)
		typed_channel_send(&keeping->channel, make_text(keeping, 4));
	assert_int_equal(test_sender_unconsumed(&keeping->channel.sender), 0);
}

#define KEEPING_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST(held_messages_stay),
		cmocka_unit_test_setup_teardown(held_messages_of_a_copying_receiver_stay,
				set_up_copying, tear_down),
		cmocka_unit_test_setup_teardown(
				released_messages_of_a_copying_receiver_stay_for_the_callback,
				set_up_copying, tear_down),
		KEEPING_TEST(detached_messages_stay),
		KEEPING_TEST(held_and_detached_at_once),
		KEEPING_TEST(held_message_is_detached_later),
		KEEPING_TEST(hold_outlives_its_receivers),
		KEEPING_TEST(hold_outlives_its_sender),
		KEEPING_TEST(impossible_holds_are_refused),
		KEEPING_TEST(limit_of_holds_is_told),
		KEEPING_TEST(hold_ends_in_its_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
