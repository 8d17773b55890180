/* SPDX-License-Identifier: MIT */
/*
 * The counters of both sides say what is so: what was sent and delivered, how full the
 * ring is and was, what is held, how long it has been there.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "ring_format.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define CAPACITY 4096u
#define PAYLOAD 56u
#define RECORD (PAYLOAD + RING_RECORD_HEADER)
#define FIT (CAPACITY / RECORD)

struct play {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender sender;
	bool holds;
	const struct evchan_message *held;
	bool counts;
	unsigned wrong; /* messages in whose callbacks the counters were not as they should */
};

static bool are_counted(const struct test_receiver *receiver, uint64_t messages)
{
	struct evchan_receiver_stats all = EVCHAN_RECEIVER_STATS_INIT;
	struct evchan_lane_stats one = EVCHAN_LANE_STATS_INIT;

	evchan_receiver_get_stats(receiver->receiver, &all);
	evchan_lane_get_stats(receiver->lane, &one);
	return all.messages == messages && all.bytes == messages * PAYLOAD &&
			one.messages == messages && one.bytes == messages * PAYLOAD;
}

static void act(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct play *play = receiver->arg;

	(void)lane;
	if (heard == HEARD_MESSAGE && play->holds && !play->held)
		CHECK_EQUAL(evchan_message_hold(&play->held, message), 0);
	/* The one that is being delivered has been heard, and does not count yet. */
	if (heard == HEARD_MESSAGE && play->counts)
		play->wrong += !are_counted(receiver, receiver->calls[HEARD_MESSAGE] - 1);
}

static void open_play(struct play *play)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(play, 0, sizeof(*play));
	stage_open(&play->stage, NULL);
	play->receiver.act = act;
	play->receiver.arg = play;
	test_receiver_open(&play->receiver, &play->stage, scene_address(), NULL);
	options.capacity = CAPACITY;
	test_sender_open(&play->sender, &play->stage, scene_address(), &options);
	STAGE_UNTIL(&play->stage, play->sender.calls[TOLD_CONNECTED]);
	STAGE_UNTIL(&play->stage, play->receiver.lane);
}

static void close_play(struct play *play)
{
	test_sender_free(&play->sender);
	test_receiver_free(&play->receiver);
	stage_close(&play->stage);
}

static struct evchan_lane_stats lane_stats(const struct play *play)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	evchan_lane_get_stats(play->receiver.lane, &stats);
	return stats;
}

static struct evchan_lane_stats sender_stats(const struct play *play)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	evchan_sender_get_stats(play->sender.sender, &stats);
	return stats;
}

static struct evchan_receiver_stats receiver_stats(const struct play *play)
{
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;

	evchan_receiver_get_stats(play->receiver.receiver, &stats);
	return stats;
}

/* A ring that nobody reads is as full as its sender knows, on both sides, before the receiver has
 * looked into it; when it is read, it is empty, and how full it was is remembered. */
static void fill_and_its_peak_are_known_on_both_sides(void **state)
{
	struct play play;

	(void)state;
	open_play(&play);
	evchan_receiver_pause(play.receiver.receiver);
	CHECK_EQUAL(test_sender_fill(&play.sender, PAYLOAD), FIT);
	CHECK_EQUAL(sender_stats(&play).fill, CAPACITY);
	CHECK_EQUAL(sender_stats(&play).deepest_fill, CAPACITY);
	CHECK_EQUAL(lane_stats(&play).fill, CAPACITY);
	CHECK_EQUAL(lane_stats(&play).deepest_fill, CAPACITY);
	CHECK_EQUAL(lane_stats(&play).times_full, 1);
	CHECK_EQUAL(lane_stats(&play).messages, 0);

	evchan_receiver_resume(play.receiver.receiver);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_MESSAGE] == FIT);
	CHECK_EQUAL(lane_stats(&play).fill, 0);
	CHECK_EQUAL(sender_stats(&play).fill, 0);
	CHECK_EQUAL(lane_stats(&play).deepest_fill, CAPACITY);
	CHECK_EQUAL(sender_stats(&play).deepest_fill, CAPACITY);
	CHECK_EQUAL(lane_stats(&play).messages, FIT);
	CHECK_EQUAL(lane_stats(&play).bytes, FIT * PAYLOAD);
	CHECK_EQUAL(sender_stats(&play).messages, FIT);
	CHECK_EQUAL(receiver_stats(&play).messages, FIT);
	CHECK_EQUAL(receiver_stats(&play).times_full, 1);
	CHECK_EQUAL(receiver_stats(&play).ring_bytes, CAPACITY);
	close_play(&play);
}

/* What is held counts, in bytes and messages, and keeps its ring full. */
static void held_messages_are_counted(void **state)
{
	struct play play;

	(void)state;
	open_play(&play);
	play.holds = true;
	CHECK_EQUAL(evchan_send(play.sender.sender, 0, "x", 1, 0), 0);
	STAGE_UNTIL(&play.stage, play.held);
	CHECK_EQUAL(lane_stats(&play).held_messages, 1);
	CHECK_EQUAL(lane_stats(&play).held_bytes, 2 * RING_RECORD_HEADER);
	CHECK_EQUAL(lane_stats(&play).fill, 2 * RING_RECORD_HEADER);
	evchan_message_release(play.held);
	CHECK_EQUAL(lane_stats(&play).held_messages, 0);
	CHECK_EQUAL(lane_stats(&play).fill, 0);
	close_play(&play);
}

/* Totals are made up for many messages at a time, and yet whoever asks between two of them is told of each. */
static void counters_are_exact_in_each_callback(void **state)
{
	struct play play;
	unsigned sent;

	(void)state;
	open_play(&play);
	play.counts = true;
	sent = test_sender_fill(&play.sender, PAYLOAD);
	CHECK(sent >= FIT);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_MESSAGE] == sent);
	CHECK_EQUAL(play.wrong, 0);
	CHECK(are_counted(&play.receiver, sent));
	close_play(&play);
}

/* Ages grow with the clock: by more than no time, and by no more than what has passed. */
static void ages_grow(void **state)
{
	struct play play;

	(void)state;
	open_play(&play);
	while (!lane_stats(&play).age || !sender_stats(&play).age ||
			!receiver_stats(&play).age)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	CHECK(lane_stats(&play).age <= receiver_stats(&play).age);
	CHECK(receiver_stats(&play).age < 3600000);
	close_play(&play);
}

/* A caller that was compiled before there were these counters gets the ones it knows, and no byte behind them. */
static void an_older_caller_gets_what_it_knows(void **state)
{
	struct evchan_lane_stats stats;
	struct play play;

	(void)state;
	open_play(&play);
	memset(&stats, 0x55, sizeof(stats));
	stats.size = offsetof(struct evchan_lane_stats, held_messages);
	evchan_lane_get_stats(play.receiver.lane, &stats);
	CHECK_EQUAL(stats.size, offsetof(struct evchan_lane_stats, held_messages));
	CHECK_EQUAL(stats.held_bytes, 0);
	CHECK_EQUAL(stats.held_messages, UINT64_C(0x5555555555555555));
	close_play(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(fill_and_its_peak_are_known_on_both_sides),
		SCENE_TEST(held_messages_are_counted),
		SCENE_TEST(counters_are_exact_in_each_callback),
		SCENE_TEST(ages_grow),
		SCENE_TEST(an_older_caller_gets_what_it_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
