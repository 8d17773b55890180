/* SPDX-License-Identifier: MIT */
/*
 * P5: a full lane is never silent. The send says so at once, and the loop is told, once,
 * when there is room: at the low watermark, or when the refused message fits.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "scene.h"
#include "steered_receiver.h"

static unsigned writable(const struct steered *play)
{
	return play->sender.calls[TOLD_WRITABLE];
}

/* After any number of refused sends `writable` comes once, when the fill has come down
 * to the low watermark: neither before nor again. */
static void room_is_told_once_at_the_low_watermark(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 16 * STEERED_RECORD);
	CHECK_EQUAL(test_sender_fill(&play.sender, STEERED_PAYLOAD), STEERED_FIT);
	for (int i = 0; i < 10; i++)
		CHECK_EQUAL(steered_send(&play, 0), -EAGAIN);
	stage_look(&play.stage, STEERED_LOOKS);
	CHECK_EQUAL(writable(&play), 0);
	steered_take(&play, 47);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 17 * STEERED_RECORD);
	CHECK_EQUAL(writable(&play), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	steered_take(&play, 17);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	CHECK_EQUAL(writable(&play), 1);
	steered_close(&play);
}

/* Whoever was not refused is not told. */
static void room_is_not_told_unasked(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	for (unsigned i = 0; i < STEERED_FIT; i++)
		CHECK_EQUAL(steered_send(&play, 0), 0);
	steered_take(&play, STEERED_FIT);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	CHECK_EQUAL(writable(&play), 0);
	steered_close(&play);
}

/* Once told, a second refusal is answered by a second `writable`. */
static void each_round_of_refusals_is_answered(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	for (unsigned round = 1; round <= 5; round++) {
		CHECK(test_sender_fill(&play.sender, STEERED_PAYLOAD) >= STEERED_FIT / 2);
		steered_take(&play, STEERED_FIT / 2 - 1);
		CHECK_EQUAL(writable(&play), round - 1);
		steered_take(&play, 1);
		CHECK_EQUAL(writable(&play), round);
	}
	steered_close(&play);
}

/* A refused message that needs more room than the low watermark leaves is told of when
 * it fits. */
static void room_for_a_large_message_is_told_when_it_fits(void **state)
{
	static const char
			large[3000]; /* takes 3008: fits when the fill is at most 1088 */
	struct steered play;

	(void)state;
	steered_open(&play, 48 * STEERED_RECORD);
	for (unsigned i = 0; i < 40; i++)
		CHECK_EQUAL(steered_send(&play, 0), 0);
	CHECK_EQUAL(evchan_send(play.sender.sender, 0, large, sizeof(large), 0), -EAGAIN);
	stage_look(&play.stage, STEERED_LOOKS);
	steered_take(&play, 22);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 18 * STEERED_RECORD);
	CHECK_EQUAL(writable(&play), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(evchan_send(play.sender.sender, 0, large, sizeof(large), 0), 0);
	steered_close(&play);
}

/* A message as large as the ring is told of when the ring is empty, and can be
 * reserved as well as sent. */
static void largest_message_fits_when_told(void **state)
{
	struct evchan_span span;
	struct steered play;
	size_t most;

	(void)state;
	steered_open(&play, 0);
	most = evchan_sender_message_max(play.sender.sender);
	CHECK_EQUAL(most, STEERED_CAPACITY - 8);
	CHECK_EQUAL(evchan_reserve(&span, play.sender.sender, most + 1, most + 1),
			-EMSGSIZE);
	CHECK_EQUAL(steered_send(&play, 0), 0);
	CHECK_EQUAL(evchan_reserve(&span, play.sender.sender, most, most), -EAGAIN);
	CHECK_EQUAL(writable(&play), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(evchan_reserve(&span, play.sender.sender, most, most), 0);
	CHECK_EQUAL(span.size, most);
	memset(span.data, 'x', most);
	CHECK_EQUAL(evchan_commit(play.sender.sender, 0, most, 0), 0);
	steered_take(&play, 1);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	steered_close(&play);
}

/* Without a receiver the ring takes what fits, then says so, and the room the first
 * receiver makes is told. */
static void room_is_told_by_a_receiver_that_comes_later(void **state)
{
	struct steered play;

	(void)state;
	steered_open_sender(&play, 0);
	CHECK_EQUAL(test_sender_fill(&play.sender, STEERED_PAYLOAD), STEERED_FIT);
	stage_look(&play.stage, STEERED_LOOKS);
	CHECK_EQUAL(writable(&play), 0);
	steered_start_reader(&play);
	STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(writable(&play), 0);
	steered_take(&play, 32);
	CHECK_EQUAL(writable(&play), 1);
	steered_close(&play);
}

/* Both sides count how often the lane was full. */
static void full_is_counted(void **state)
{
	struct steered play;

	(void)state;
	steered_open(&play, 0);
	test_sender_fill(&play.sender, STEERED_PAYLOAD);
	CHECK_EQUAL(steered_send(&play, 0), -EAGAIN);
	CHECK_EQUAL(steered_send(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	CHECK_EQUAL(steered_stats(&play).times_full, 3);
	CHECK_EQUAL(steered_stats(&play).deepest_fill, STEERED_CAPACITY);
	steered_take(&play, 1);
	CHECK_EQUAL(play.reader->times_full, 3);
	steered_close(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(room_is_told_once_at_the_low_watermark),
		SCENE_TEST(room_is_not_told_unasked),
		SCENE_TEST(each_round_of_refusals_is_answered),
		SCENE_TEST(room_for_a_large_message_is_told_when_it_fits),
		SCENE_TEST(largest_message_fits_when_told),
		SCENE_TEST(room_is_told_by_a_receiver_that_comes_later),
		SCENE_TEST(full_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
