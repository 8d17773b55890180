/* SPDX-License-Identifier: MIT */
/*
 * Each callback checks that the receiver it comes from has not been freed, notes what it
 * was told, and acts last: after that nothing is touched.
 */

#include "test_receiver.h"

#include <stdio.h>

static void heard(struct evchan_receiver *receiver, struct test_receiver *test,
		enum heard what, struct evchan_lane *lane,
		const struct evchan_message *message)
{
	/* During evchan_receiver_new() the handle is not known yet; nothing is heard
	 * then. */
	CHECK(receiver && receiver == test->receiver);
	test->calls[what]++;
	if (lane) {
		test->lane = lane;
		test->peer = evchan_lane_peer(lane);
	}
	if (test->act)
		test->act(test, what, lane, message);
}

static void hear_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	heard(receiver, arg, HEARD_MESSAGE, message->lane, message);
}

static void hear_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	heard(receiver, arg, HEARD_JOINED, lane, NULL);
}

static void hear_hung_up(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct test_receiver *test = arg;

	test->hung_up_reason = reason;
	heard(receiver, test, HEARD_HUNG_UP, lane, NULL);
}

static void hear_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct test_receiver *test = arg;

	test->left_reason = reason;
	heard(receiver, test, HEARD_LEFT, lane, NULL);
}

static void hear_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	struct test_receiver *test = arg;

	CHECK(error < 0 && *text);
	test->error = error;
	snprintf(test->text, sizeof(test->text), "%s", text);
	heard(receiver, test, HEARD_ERROR, lane, NULL);
}

static int hear_authorize(struct evchan_receiver *receiver,
		const struct evchan_peer *peer, void *arg)
{
	struct test_receiver *test = arg;

	test->asking = *peer;
	heard(receiver, test, HEARD_AUTHORIZE, NULL, NULL);
	return test->answer;
}

static void hear_shut_down(struct evchan_receiver *receiver, void *arg)
{
	heard(receiver, arg, HEARD_SHUT_DOWN, NULL, NULL);
}

int test_receiver_try(struct test_receiver *test, struct stage *stage,
		const char *address, const struct evchan_receiver_options *options)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;

	callbacks.message = hear_message;
	callbacks.joined = hear_joined;
	callbacks.hung_up = hear_hung_up;
	callbacks.left = hear_left;
	callbacks.error = hear_error;
	callbacks.authorize = test->asks ? hear_authorize : NULL;
	callbacks.shut_down = hear_shut_down;
	return evchan_receiver_new(&test->receiver, stage ? stage->loop : NULL, address,
			options, &callbacks, test);
}

void test_receiver_open(struct test_receiver *test, struct stage *stage,
		const char *address, const struct evchan_receiver_options *options)
{
	CHECK_EQUAL(test_receiver_try(test, stage, address, options), 0);
}

void test_receiver_free(struct test_receiver *test)
{
	struct evchan_receiver *receiver = test->receiver;

	test->receiver = NULL;
	evchan_receiver_free(receiver);
}
