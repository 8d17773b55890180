/* SPDX-License-Identifier: MIT */
/*
 * P4 with spin_us: what is published while the receiver watches is delivered without waking anybody, and nothing is lost
 * when it has watched in vain. However soon the next message comes each time, the loop has its turn.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "scene.h"
#include "stream.h"

#define SPIN_US 1000u

/* What a process sends when the receiver's callback lets it: message after message, each while the receiver is busy watching
 * or asleep, as the scheduler will have it. */
struct play {
	int go; /* opened for each message that has arrived */
	unsigned messages;
};

static void answerer(void *arg)
{
	struct play *play = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	options.flags = EVCHAN_SENDER_WAIT;
	test_sender_open(&sender, &stage, scene_address(), &options);
	for (unsigned i = 0; i < play->messages; i++) {
		CHECK_EQUAL(evchan_send(sender.sender, 0, "again", 5, 0), 0);
		stage_pass_gate(&stage, play->go);
	}
	test_sender_free(&sender);
	stage_close(&stage);
}

static void let_go(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct play *play = receiver->arg;

	(void)lane;
	(void)message;
	if (heard == HEARD_MESSAGE)
		scene_open_gate(play->go);
}

/* One message at a time, each sent when the one before has arrived: all arrive, of some the receiver needs not be told, and
 * nobody is told an error. */
static void each_message_arrives(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;
	struct play play = { scene_gate(), scene_scaled(2000) };
	struct test_receiver receiver = { .act = let_go, .arg = &play };
	struct stage stage;
	pid_t process;

	(void)state;
	options.spin_us = SPIN_US;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	process = scene_start(answerer, &play);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], play.messages);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	evchan_receiver_get_stats(receiver.receiver, &stats);
	/* Where the other process is too slow for that there is nothing to see. */
	if (scene_slowdown() == 1)
		CHECK(stats.wakeups < play.messages);
	scene_join(process);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static uint64_t thread_cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Watching is most of the processor time that it takes to receive so, and a turn has no more than SPIN_US of it: so there
 * are as many turns, though one would have room for all messages. */
static void loop_has_its_turn(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;
	struct play play = { scene_gate(), scene_scaled(5000) };
	struct test_receiver receiver = { .act = let_go, .arg = &play };
	struct stage stage;
	uint64_t begun;
	pid_t process;

	(void)state;
	options.spin_us = SPIN_US;
	options.turn_messages = options.turn_total_messages = 1000000;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	begun = thread_cpu_us();
	process = scene_start(answerer, &play);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], play.messages);
	evchan_receiver_get_stats(receiver.receiver, &stats);
	if (scene_slowdown() == 1)
		CHECK(stats.turns >= (thread_cpu_us() - begun) / (2 * SPIN_US));
	scene_join(process);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(each_message_arrives),
		SCENE_TEST(loop_has_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
