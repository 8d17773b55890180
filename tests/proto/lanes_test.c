/* SPDX-License-Identifier: MIT */
/* Many lanes, each with its own idea of the types: what was found out about one is never taken for another. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolution.pb-c.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#include <evchan/proto.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MANY 60
#define NUMBER 5u /* of the type, in all sets */

struct typed_sender {
	struct test_sender sender;
	struct evchan_proto_types *types;
	struct evchan_proto_sender *sending;
	bool fits;
};

struct crowd {
	struct stage stage;
	struct test_receiver receiver;
	struct evchan_proto_types *types;
	struct evchan_proto_receiver *receiving;
	struct typed_sender senders[MANY];
	unsigned decoded;
	unsigned refused;
	bool tells_of_ends;
};

static void on_message(const struct evchan_proto_message *message, void *arg)
{
	struct crowd *crowd = arg;

	(void)message;
	crowd->decoded++;
}

static void on_undecodable(const struct evchan_message *raw,
		const ProtobufCMessageDescriptor *type, int error, size_t offset,
		const char *text, void *arg)
{
	struct crowd *crowd = arg;

	(void)raw;
	(void)type;
	(void)offset;
	CHECK_EQUAL(error, -EPROTOTYPE);
	CHECK(strstr(text, "OneInteger.f"));
	crowd->refused++;
}

static void dispatch(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct crowd *crowd = receiver->arg;

	if (heard == HEARD_MESSAGE)
		(void)evchan_proto_dispatch(crowd->receiving, message);
	if (heard == HEARD_LEFT && crowd->tells_of_ends)
		evchan_proto_left(crowd->receiving, lane);
}

static int set_up(void **state)
{
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	scene_set_up(state);
	stage_open(&crowd->stage, NULL);
	crowd->receiver.act = dispatch;
	crowd->receiver.arg = crowd;
	crowd->tells_of_ends = true;
	test_receiver_open(&crowd->receiver, &crowd->stage, scene_address(), NULL);
	callbacks.undecodable = on_undecodable;
	CHECK_EQUAL(evchan_proto_types_new(&crowd->types), 0);
	CHECK_EQUAL(evchan_proto_types_add(crowd->types,
				    &evchan__evolution__one_integer__descriptor, NUMBER),
			0);
	CHECK_EQUAL(evchan_proto_receiver_new(&crowd->receiving, crowd->types, NULL,
				    &callbacks, crowd),
			0);
	CHECK_EQUAL(evchan_proto_on(crowd->receiving,
				    &evchan__evolution__one_integer__descriptor,
				    on_message, crowd),
			0);
	*state = crowd;
	return 0;
}

static void close_sender(struct typed_sender *sender)
{
	evchan_proto_sender_free(sender->sending);
	evchan_proto_types_free(sender->types);
	test_sender_free(&sender->sender);
	memset(sender, 0, sizeof(*sender));
}

static int tear_down(void **state)
{
	struct crowd *crowd = *state;

	for (unsigned i = 0; i < MANY; i++)
		close_sender(&crowd->senders[i]);
	test_receiver_free(&crowd->receiver);
	evchan_proto_receiver_free(crowd->receiving);
	evchan_proto_types_free(crowd->types);
	stage_close(&crowd->stage);
	free(crowd);
	return scene_tear_down(state);
}

static void open_sender(struct crowd *crowd, struct typed_sender *sender, bool fits)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	sender->fits = fits;
	options.capacity = 4096;
	test_sender_open(&sender->sender, &crowd->stage, scene_address(), &options);
	STAGE_UNTIL(&crowd->stage, sender->sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(evchan_proto_types_new(&sender->types), 0);
	CHECK_EQUAL(evchan_proto_types_add(sender->types,
				    fits ? &evchan__evolution__one_integer__descriptor
					 : &evchan__evolution__one_float__descriptor,
				    NUMBER),
			0);
	CHECK_EQUAL(evchan_proto_sender_new(&sender->sending, sender->sender.sender,
				    sender->types),
			0);
}

/* One message, which is decoded or refused as it must be. */
static void send_one(struct crowd *crowd, struct typed_sender *sender)
{
	Evchan__Evolution__OneInteger good = EVCHAN__EVOLUTION__ONE_INTEGER__INIT;
	Evchan__Evolution__OneFloat bad = EVCHAN__EVOLUTION__ONE_FLOAT__INIT;
	unsigned decoded = crowd->decoded + sender->fits,
		 refused = crowd->refused + !sender->fits;
	unsigned all = crowd->receiver.calls[HEARD_MESSAGE] + 1;

	CHECK_EQUAL(evchan_proto_send(sender->sending,
				    sender->fits ? &good.base : &bad.base, 0),
			0);
	STAGE_UNTIL(&crowd->stage, crowd->receiver.calls[HEARD_MESSAGE] == all);
	CHECK_EQUAL(crowd->decoded, decoded);
	CHECK_EQUAL(crowd->refused, refused);
}

/* Whoever sends, and in whatever order. */
static void lanes_are_told_apart(void **state)
{
	struct crowd *crowd = *state;

	for (unsigned i = 0; i < MANY; i++)
		open_sender(crowd, &crowd->senders[i], i % 3 != 0);
	for (unsigned i = 0; i < 4 * MANY; i++)
		send_one(crowd, &crowd->senders[i * 7 % MANY]);
}

/* What was known of a lane ends with it. */
static void lanes_are_forgotten(void **state)
{
	struct crowd *crowd = *state;

	for (unsigned i = 0; i < MANY; i++) {
		unsigned left = crowd->receiver.calls[HEARD_LEFT];

		open_sender(crowd, &crowd->senders[0], i % 2);
		send_one(crowd, &crowd->senders[0]);
		close_sender(&crowd->senders[0]);
		STAGE_UNTIL(&crowd->stage, crowd->receiver.calls[HEARD_LEFT] > left);
	}
}

/* Also if nobody says that it has ended, and another lane comes to lie in its place. */
static void lane_in_the_place_of_another_is_another(void **state)
{
	struct crowd *crowd = *state;

	crowd->tells_of_ends = false;
	lanes_are_forgotten(state);
}

#define CROWD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CROWD_TEST(lanes_are_told_apart),
		CROWD_TEST(lanes_are_forgotten),
		CROWD_TEST(lane_in_the_place_of_another_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
