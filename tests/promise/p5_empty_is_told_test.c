/* SPDX-License-Identifier: MIT */
/*
 * P5, the other end: a sender that wants to send only when nothing else is under way, or
 * to know when all it has sent is consumed, is told of that, too.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "scene.h"
#include "steered_receiver.h"

static unsigned writable(const struct steered *play)
{
	return play->sender.calls[TOLD_WRITABLE];
}

/* A message that is only to be sent if all before it was consumed is refused while it
 * is not, and `writable` comes when it is. */
static void emptiness_is_told(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_IF_EMPTY), 0);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	steered_take(&play, 1);
	CHECK_EQUAL(writable(&play), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_IF_EMPTY), 0);
	steered_close(&play);
}

/* `drained` comes once for each time it is asked for, on a later turn, when all is
 * consumed; at once if all is. */
static void drained_is_told_when_asked_for(void **state)
{
	unsigned *drained;
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	drained = &play.sender.calls[TOLD_DRAINED];
	CHECK_EQUAL(steered_send(&play, 0), 0);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(*drained, 0);
	steered_take(&play, 1);
	CHECK_EQUAL(*drained, 1);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(*drained, 1);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	CHECK_EQUAL(*drained, 1);
	stage_look(&play.stage, STEERED_LOOKS);
	CHECK_EQUAL(*drained, 2);
	CHECK_EQUAL(writable(&play), 0);
	steered_close(&play);
}

/* What is sent after `drained` was asked for does not delay it. */
static void drained_does_not_wait_for_later_messages(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 1);
	steered_close(&play);
}

/* Room, emptiness and `drained` can all be wanted at once, and each is told in its
 * time. */
static void several_wants_are_told_in_their_time(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	CHECK_EQUAL(test_sender_fill(&play.sender, STEERED_PAYLOAD), STEERED_FIT);
	CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	steered_take(&play, 32);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 0);
	steered_take(&play, 32);
	CHECK_EQUAL(writable(&play), 2);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 1);
	steered_close(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(emptiness_is_told),
		SCENE_TEST(drained_is_told_when_asked_for),
		SCENE_TEST(drained_does_not_wait_for_later_messages),
		SCENE_TEST(several_wants_are_told_in_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
