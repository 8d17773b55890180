/* SPDX-License-Identifier: MIT */
/*
 * What a shutdown does with the listener's queue: whoever is in it is admitted, a few at a
 * time, and nobody gets in behind them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile_peer.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define QUEUED 150u
#define STEP 64u /* SHUTDOWN_ACCEPT_STEP */

/* Senders that are gone before anybody has looked, with one message each. */
static void queue_senders(unsigned count)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.capacity = 4096;
	for (unsigned i = 0; i < count; i++) {
		struct test_sender sender = { 0 };

		test_sender_open(&sender, NULL, scene_address(), &options);
		CHECK_EQUAL(evchan_send(sender.sender, 0, "x", 1, 0), 0);
		test_sender_free(&sender);
	}
}

/* Runs the loop until the shutdown is complete; no turn may admit more than a step. */
static void await_end(struct stage *stage, const struct test_receiver *receiver)
{
	unsigned joined;

	while (!receiver->calls[HEARD_SHUT_DOWN]) {
		joined = receiver->calls[HEARD_JOINED];
		stage_turn(stage);
		CHECK(receiver->calls[HEARD_JOINED] - joined <= STEP);
	}
}

/* All that are queued when it begins are admitted and drained, in steps between which
 * other events have their turns; nobody gets in from then on. */
static void queue_is_admitted_in_steps(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender late = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	queue_senders(QUEUED);
	CHECK_EQUAL(evchan_receiver_shutdown(receiver.receiver), 0);
	CHECK_EQUAL(test_sender_try(&late, &stage, scene_address(), NULL), -ECONNREFUSED);
	await_end(&stage, &receiver);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], QUEUED);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], QUEUED);
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], QUEUED);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A listener that was handed in, and may be shared, is left open for the next receiver. */
static void shared_listener_stays_open(void **state)
{
	struct test_receiver receiver = { 0 };
	int listener = hostile_listen(scene_address()), own = dup(listener);
	struct stage stage;
	char address[32];

	(void)state;
	CHECK(own >= 0);
	snprintf(address, sizeof(address), "fd:%d", own);
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, address, NULL);
	queue_senders(10);
	CHECK_EQUAL(evchan_receiver_shutdown(receiver.receiver), 0);
	await_end(&stage, &receiver);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 10);
	test_receiver_free(&receiver);
	queue_senders(1);
	close(listener);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(queue_is_admitted_in_steps),
		SCENE_TEST(shared_listener_stays_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
