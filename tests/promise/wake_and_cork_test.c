/* SPDX-License-Identifier: MIT */
/*
 * When the receiver is woken: once for many messages, later for NO_WAKE, and once for all
 * that was corked.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "scene.h"
#include "steered_receiver.h"

static unsigned writable(const struct steered *play)
{
	return play->sender.calls[TOLD_WRITABLE];
}

/* NO_WAKE leaves a sleeping receiver asleep until the sender's next turn. */
static void no_wake_waits_for_the_next_turn(void **state)
{
	struct steered play;
	uint64_t rung;

	(void)state;
	steered_open(&play, 0);
	steered_wait(&play, 3);
	rung = steered_stats(&play).bells_rung;
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_NO_WAKE), 0);
	CHECK_EQUAL(steered_stats(&play).bells_rung, rung);
	CHECK_EQUAL(play.reader->credit, 3);
	stage_look(&play.stage, 2);
	CHECK_EQUAL(steered_stats(&play).bells_rung, rung + 1);
	scene_pass_gate(play.reader->done);
	steered_close(&play);
}

/* ... or until it is told to wake it. */
static void wake_makes_up_for_no_wake(void **state)
{
	struct steered play;
	uint64_t rung;

	(void)state;
	steered_open(&play, 0);
	steered_wait(&play, 1);
	rung = steered_stats(&play).bells_rung;
	CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_NO_WAKE), 0);
	evchan_sender_wake(play.sender.sender);
	CHECK_EQUAL(steered_stats(&play).bells_rung, rung + 1);
	scene_pass_gate(play.reader->done);
	evchan_sender_wake(play.sender.sender);
	CHECK_EQUAL(steered_stats(&play).bells_rung, rung + 1);
	steered_close(&play);
}

/* Nobody is woken who is awake: of many messages to a sleeping receiver only the first
 * rings. */
static void receiver_is_woken_once(void **state)
{
	struct steered play;
	uint64_t rung;

	(void)state;
	steered_open(&play, 0);
	scene_stop(play.process);
	rung = steered_stats(&play).bells_rung;
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQUAL(steered_send(&play, 0), 0);
	CHECK(steered_stats(&play).bells_rung <= rung + 1);
	CHECK_EQUAL(kill(play.process, SIGCONT), 0);
	steered_take(&play, 50);
	steered_close(&play);
}

/* Corked messages arrive together when the last cork is drawn, with one ring. */
static void corked_messages_arrive_together(void **state)
{
	struct steered play;
	uint64_t rung;

	(void)state;
	steered_open(&play, 0);
	steered_wait(&play, 10);
	rung = steered_stats(&play).bells_rung;
	evchan_cork(play.sender.sender);
	evchan_cork(play.sender.sender);
	for (int i = 0; i < 10; i++)
		CHECK_EQUAL(steered_send(&play, 0), 0);
	evchan_uncork(play.sender.sender);
	stage_look(&play.stage, STEERED_LOOKS);
	CHECK_EQUAL(steered_stats(&play).bells_rung, rung);
	CHECK_EQUAL(play.reader->credit, 10);
	evchan_uncork(play.sender.sender);
	CHECK_EQUAL(steered_stats(&play).bells_rung, rung + 1);
	scene_pass_gate(play.reader->done);
	stage_look(&play.stage, STEERED_LOOKS);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	steered_close(&play);
}

/* A corked sender that finds no room publishes what it has, or nobody could ever make
 * any. */
static void full_ring_is_published_though_corked(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	evchan_cork(play.sender.sender);
	CHECK_EQUAL(test_sender_fill(&play.sender, STEERED_PAYLOAD), STEERED_FIT);
	steered_take(&play, 32);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	/* Nothing that is only written counts as consumed. */
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	steered_take(&play, 32);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), STEERED_RECORD);
	evchan_uncork(play.sender.sender);
	steered_take(&play, 1);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 1);
	steered_close(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(no_wake_waits_for_the_next_turn),
		SCENE_TEST(wake_makes_up_for_no_wake),
		SCENE_TEST(receiver_is_woken_once),
		SCENE_TEST(corked_messages_arrive_together),
		SCENE_TEST(full_ring_is_published_though_corked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
