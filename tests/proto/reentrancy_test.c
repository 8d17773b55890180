/* SPDX-License-Identifier: MIT */
/* Callbacks may do anything: dispatch other messages, free the receiver they were called for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare_messages.h"
#include "typed_channel.h"

/* Two receivers on two bases, whose messages one typed receiver dispatches. */
struct pair {
	struct typed_channel channel;
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender sender;
	struct evchan_proto_sender *sending;
	unsigned depth;
	unsigned deepest;
	bool holds;
	const struct evchan_proto_message *held[8];
	unsigned held_count;
};

static void open_pair(struct pair *pair)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(pair, 0, sizeof(*pair));
	typed_channel_open(&pair->channel, 65536, NULL, NULL);
	pair->channel.arg = pair;
	scene_change_address();
	stage_open(&pair->stage, NULL);
	pair->receiver.act = typed_channel_dispatch;
	pair->receiver.arg = &pair->channel;
	test_receiver_open(&pair->receiver, &pair->stage, scene_address(), NULL);
	options.notes_size = 32768;
	test_sender_open(&pair->sender, &pair->stage, scene_address(), &options);
	STAGE_UNTIL(&pair->stage, pair->sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(evchan_proto_sender_new(&pair->sending, pair->sender.sender,
				    pair->channel.types),
			0);
}

static void close_pair(struct pair *pair)
{
	evchan_proto_sender_free(pair->sending);
	test_sender_free(&pair->sender);
	test_receiver_free(&pair->receiver);
	stage_close(&pair->stage);
	typed_channel_close(&pair->channel);
}

static void send_leaf(struct evchan_proto_sender *sending, int number)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;

	leaf.has_number = 1;
	leaf.number = number;
	leaf.text = (char[]){ "a string that is in the arena" };
	CHECK_EQUAL(evchan_proto_send(sending, &leaf.base, 0), 0);
}

/* Runs the other loop until its receiver's message has been dealt with, inside this callback. */
static void run_inside(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	const Evchan__Test__Leaf *leaf = (const Evchan__Test__Leaf *)message->message;
	struct pair *pair = channel->arg;
	unsigned before = channel->decoded;
	int number = leaf->number;

	pair->depth++;
	if (pair->depth > pair->deepest)
		pair->deepest = pair->depth;
	if (pair->depth == 1) {
		send_leaf(pair->sending, 1000 + number);
		STAGE_UNTIL(&pair->stage, channel->decoded > before);
	}
	if (pair->holds)
		CHECK_EQUAL(evchan_proto_hold(&pair->held[pair->held_count++],
					    channel->receiving, message),
				0);
	/* Nobody has touched it meanwhile. */
	CHECK_EQUAL(leaf->number, number);
	CHECK(strcmp(leaf->text, "a string that is in the arena") == 0);
	pair->depth--;
}

/* While a message is being dealt with another can be, and neither disturbs the other. */
static void dispatches_nest(void **state)
{
	struct pair pair;

	(void)state;
	open_pair(&pair);
	pair.channel.act = run_inside;
	for (int i = 0; i < 5; i++) {
		send_leaf(pair.channel.sending, i);
		typed_channel_await(&pair.channel);
	}
	assert_int_equal(pair.channel.decoded, 10);
	assert_int_equal(pair.deepest, 2);
	close_pair(&pair);
}

/* Both can be held. */
static void nested_messages_are_held(void **state)
{
	struct pair pair;

	(void)state;
	open_pair(&pair);
	pair.channel.act = run_inside;
	pair.holds = true;
	for (int i = 0; i < 3; i++) {
		send_leaf(pair.channel.sending, i);
		typed_channel_await(&pair.channel);
	}
	assert_int_equal(pair.held_count, 6);
	for (unsigned i = 0; i < 6; i++) {
		const Evchan__Test__Leaf *leaf =
				(const Evchan__Test__Leaf *)pair.held[i]->message;

		/* The inner one was held first. */
		assert_int_equal(leaf->number, (int)(i / 2) + (i % 2 ? 0 : 1000));
		evchan_proto_release(pair.held[i]);
	}
	close_pair(&pair);
}

/* ---- Freeing ----------------------------------------------------------------------------------- */

static void free_in_message(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	const Evchan__Test__Leaf *leaf = (const Evchan__Test__Leaf *)message->message;

	evchan_proto_receiver_free(channel->receiving);
	channel->receiving = NULL;
	/* The message is this callback's until it returns. */
	CHECK_EQUAL(leaf->number, 1);
	CHECK(strcmp(leaf->text, "a string that is in the arena") == 0);
	if (channel->arg) {
		test_receiver_free(&channel->receiver);
		CHECK(strcmp(leaf->text, "a string that is in the arena") == 0);
	}
}

/* The typed receiver may be freed by the callback of a message, alone or together with the receiver below it. */
static void message_frees_the_receiver(void **state)
{
	struct typed_channel channel;

	(void)state;
	for (unsigned both = 0; both < 2; both++) {
		typed_channel_open(&channel, 65536, NULL, NULL);
		channel.act = free_in_message;
		channel.arg = both ? &channel : NULL;
		send_leaf(channel.sending, 1);
		send_leaf(channel.sending, 2);
		STAGE_UNTIL(&channel.stage, channel.decoded);
		stage_look(&channel.stage, 3);
		assert_int_equal(channel.decoded, 1);
		typed_channel_close(&channel);
	}
}

/* What was held before that stays. */
static void hold_then_free(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	CHECK_EQUAL(evchan_proto_hold((const struct evchan_proto_message **)channel->arg,
				    channel->receiving, message),
			0);
	evchan_proto_receiver_free(channel->receiving);
	channel->receiving = NULL;
}

static void held_message_survives(void **state)
{
	const struct evchan_proto_message *held;
	struct typed_channel channel;

	(void)state;
	typed_channel_open(&channel, 65536, NULL, NULL);
	channel.act = hold_then_free;
	channel.arg = &held;
	send_leaf(channel.sending, 6);
	STAGE_UNTIL(&channel.stage, channel.decoded);
	assert_int_equal(((const Evchan__Test__Leaf *)held->message)->number, 6);
	evchan_proto_release(held);
	typed_channel_close(&channel);
}

/* ---- The other callbacks --------------------------------------------------------------------------- */

static void free_both(struct typed_channel *channel)
{
	evchan_proto_receiver_free(channel->receiving);
	channel->receiving = NULL;
	test_receiver_free(&channel->receiver);
	channel->unknown++;
}

static void on_unknown(const struct evchan_message *raw, void *arg)
{
	(void)raw;
	free_both(arg);
}

static void on_undecodable(const struct evchan_message *raw,
		const ProtobufCMessageDescriptor *type, int error, size_t offset,
		const char *text, void *arg)
{
	(void)raw;
	(void)type;
	(void)offset;
	CHECK_EQUAL(error, -EBADMSG);
	free_both(arg);
	CHECK(strstr(text, "evchan.test.Leaf"));
}

static void send_and_free(uint32_t type, uint32_t policy)
{
	struct evchan_proto_receiver_options options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;
	struct typed_channel channel;

	typed_channel_open(&channel, 65536, NULL, NULL);
	evchan_proto_receiver_free(channel.receiving);
	callbacks.unknown = on_unknown;
	callbacks.undecodable = on_undecodable;
	options.policy = policy;
	CHECK_EQUAL(evchan_proto_receiver_new(&channel.receiving, channel.types, &options,
				    &callbacks, &channel),
			0);
	CHECK_EQUAL(evchan_proto_on(channel.receiving, &evchan__test__leaf__descriptor,
				    typed_channel_on_message, &channel),
			0);
	CHECK_EQUAL(evchan_send(channel.sender.sender, type, "\x07", 1, 0), 0);
	STAGE_UNTIL(&channel.stage, channel.unknown);
	stage_look(&channel.stage, 3);
	typed_channel_close(&channel);
}

/* The callbacks for what is not delivered may free everything, too. */
static void refusals_free_the_receiver(void **state)
{
	(void)state;
	send_and_free(1000, EVCHAN_PROTO_KEEP_LANE);
	send_and_free(2, EVCHAN_PROTO_KEEP_LANE);
	send_and_free(2, EVCHAN_PROTO_EVICT_LANE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(dispatches_nest),
		SCENE_TEST(nested_messages_are_held),
		SCENE_TEST(message_frees_the_receiver),
		SCENE_TEST(held_message_survives),
		SCENE_TEST(refusals_free_the_receiver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
