/* SPDX-License-Identifier: MIT */
/*
 * P6 and P7 across fork(2): a child that lives on hides neither its parent's death nor
 * keeps its address taken, though it has inherited everything.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

struct forker {
	const char *address;
	int ready; /* its child lives */
	int end;   /* of that child */
};

/* Forks a child that keeps all it has inherited and lives on, then waits to be killed. */
static void fork_and_wait(const struct forker *forker)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		/* Not with its parent: that is the point. */
		scene_open_gate(forker->ready);
		scene_pass_gate(forker->end);
		_exit(0);
	}
	for (;;)
		pause();
}

static void forking_sender(void *arg)
{
	struct forker *forker = arg;
	struct test_sender sender = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_sender_open(&sender, &stage, forker->address, NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(evchan_send(sender.sender, 0, "last", 4, 0), 0);
	fork_and_wait(forker);
}

/* A sender that is killed while a child of its lives is told of all the same, and what
 * it sent arrives. */
static void death_of_a_forking_sender_is_told(void **state)
{
	struct forker forker = { scene_address(), scene_gate(), scene_gate() };
	struct test_receiver receiver = { 0 };
	struct stage stage;
	pid_t process;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	process = scene_start(forking_sender, &forker);
	stage_pass_gate(&stage, forker.ready);
	CHECK_EQUAL(receiver.calls[HEARD_HUNG_UP], 0);
	scene_kill(process);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CRASHED);
	CHECK_EQUAL(receiver.peer.pid, process);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 1);
	scene_open_gate(forker.end);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void forking_receiver(void *arg)
{
	struct forker *forker = arg;
	struct test_receiver receiver = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, forker->address, NULL);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_JOINED]);
	evchan_receiver_pause(receiver.receiver);
	fork_and_wait(forker);
}

/* A receiver that is killed while a child of its lives: its senders hear of it, its
 * path is free, and the next receiver gets everything. */
static void death_of_a_forking_receiver_is_told(void **state)
{
	struct forker forker = { scene_path("socket"), scene_gate(), scene_gate() };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	pid_t process;

	(void)state;
	stage_open(&stage, NULL);
	options.flags = EVCHAN_SENDER_WAIT;
	options.reconnect_max_ms = 10;
	process = scene_start(forking_receiver, &forker);
	test_sender_open(&sender, &stage, forker.address, &options);
	stage_pass_gate(&stage, forker.ready);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(test_receiver_try(&receiver, &stage, forker.address, NULL),
			-EADDRINUSE);
	CHECK_EQUAL(evchan_send(sender.sender, 0, "not read by the first", 21, 0), 0);
	scene_kill(process);
	STAGE_UNTIL(&stage, sender.calls[TOLD_DISCONNECTED]);
	CHECK_EQUAL(sender.disconnect_error, -ECONNRESET);
	test_receiver_open(&receiver, &stage, forker.address, NULL);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_MESSAGE] == 1);
	scene_open_gate(forker.end);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(death_of_a_forking_sender_is_told),
		SCENE_TEST(death_of_a_forking_receiver_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
