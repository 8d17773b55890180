/* SPDX-License-Identifier: MIT */
/*
 * P4 with wake_interval_ms: while messages flow nobody is woken for them, they arrive within the interval all the same, and a
 * silence, many bytes, and the end of either side are noticed as without it.
 *
 * The interval here is so long that it is not over between two statements. Should the machine stand still for that long, the
 * case is played again.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "scene.h"
#include "stream.h"

#define INTERVAL_MS 1000u
#define WAKE_BYTES 1024u
#define TRIES 5

/* Both ends of one channel, on one base. */
struct pair {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender sender;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pair_open(struct pair *pair)
{
	struct evchan_receiver_options receiver = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_sender_options sender = EVCHAN_SENDER_OPTIONS_INIT;

	*pair = (struct pair){ 0 };
	receiver.wake_interval_ms = INTERVAL_MS;
	receiver.wake_bytes = WAKE_BYTES;
	sender.capacity = 16384;
	stage_open(&pair->stage, NULL);
	scene_change_address();
	test_receiver_open(&pair->receiver, &pair->stage, scene_address(), &receiver);
	test_sender_open(&pair->sender, &pair->stage, scene_address(), &sender);
	STAGE_UNTIL(&pair->stage, pair->sender.calls[TOLD_CONNECTED]);
}

static void pair_close(struct pair *pair)
{
	test_sender_free(&pair->sender);
	test_receiver_free(&pair->receiver);
	stage_close(&pair->stage);
}

static void pair_send(struct pair *pair, size_t size)
{
	static const char bytes[2 * WAKE_BYTES];

	CHECK_EQUAL(evchan_send(pair->sender.sender, 0, bytes, size, 0), 0);
}

static unsigned pair_delivered(const struct pair *pair)
{
	return pair->receiver.calls[HEARD_MESSAGE];
}

static uint64_t pair_rings(const struct pair *pair)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	evchan_sender_get_stats(pair->sender.sender, &stats);
	return stats.bells_rung;
}

static uint64_t pair_turns(const struct pair *pair)
{
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;

	evchan_receiver_get_stats(pair->receiver.receiver, &stats);
	return stats.turns;
}

/* A message is delivered, after which the lane rests. Returns when that was at the earliest. */
static uint64_t pair_flow(struct pair *pair)
{
	unsigned before = pair_delivered(pair);
	uint64_t start = now_ms();

	pair_send(pair, 8);
	STAGE_UNTIL(&pair->stage, pair_delivered(pair) > before);
	stage_look(&pair->stage, 2);
	return start;
}

/* Whether the lane that has begun to rest after `start` rests still. */
static bool is_resting_since(uint64_t start)
{
	return now_ms() - start < INTERVAL_MS;
}

/* Plays a case, which says whether the machine was fast enough for it. */
static void play(bool (*scene)(struct pair *pair))
{
	struct pair pair;
	bool is_played = false;

	for (int i = 0; i < TRIES && !is_played; i++) {
		pair_open(&pair);
		is_played = scene(&pair);
		pair_close(&pair);
	}
	if (!is_played)
		skip();
}

static bool message_in_flow(struct pair *pair)
{
	uint64_t start = pair_flow(pair), rings = pair_rings(pair);
	bool was_in_time;

	pair_send(pair, 8);
	stage_look(&pair->stage, 3);
	was_in_time = is_resting_since(start);
	if (was_in_time) {
		CHECK_EQUAL(pair_rings(pair), rings);
		CHECK_EQUAL(pair_delivered(pair), 1);
	}
	STAGE_UNTIL(&pair->stage, pair_delivered(pair) == 2);
	if (was_in_time)
		CHECK_EQUAL(pair_rings(pair), rings);
	return was_in_time;
}

/* It is not rung for, and arrives with the next look. */
static void message_in_flow_rings_nobody(void **state)
{
	(void)state;
	play(message_in_flow);
}

static bool many_bytes(struct pair *pair)
{
	uint64_t start = pair_flow(pair), rings = pair_rings(pair);
	bool was_in_time;

	pair_send(pair, 2 * WAKE_BYTES);
	stage_look(&pair->stage, 3);
	was_in_time = is_resting_since(start);
	if (was_in_time)
		CHECK_EQUAL(pair_delivered(pair), 2);
	STAGE_UNTIL(&pair->stage, pair_delivered(pair) == 2);
	CHECK_EQUAL(pair_rings(pair), rings + 1);
	return was_in_time;
}

static void many_bytes_wake_at_once(void **state)
{
	(void)state;
	play(many_bytes);
}

/* When a look finds nothing the lane sleeps as any other: the next message rings. */
static void message_after_a_silence_rings(void **state)
{
	struct pair pair;
	uint64_t rings, turns;

	(void)state;
	pair_open(&pair);
	pair_flow(&pair);
	turns = pair_turns(&pair);
	STAGE_UNTIL(&pair.stage, pair_turns(&pair) > turns);
	rings = pair_rings(&pair);
	pair_send(&pair, 8);
	CHECK_EQUAL(pair_rings(&pair), rings + 1);
	stage_look(&pair.stage, 3);
	CHECK_EQUAL(pair_delivered(&pair), 2);
	pair_close(&pair);
}

static bool end_of_the_sender(struct pair *pair)
{
	uint64_t start = pair_flow(pair);

	pair_send(pair, 8);
	test_sender_free(&pair->sender);
	stage_look(&pair->stage, 4);
	if (!is_resting_since(start))
		return false;
	CHECK_EQUAL(pair_delivered(pair), 2);
	CHECK_EQUAL(pair->receiver.calls[HEARD_LEFT], 1);
	/* The timer finds no lane. */
	stage_turn(&pair->stage);
	return true;
}

/* Its last messages and its end do not wait for the interval. */
static void end_of_the_sender_is_seen_at_once(void **state)
{
	(void)state;
	play(end_of_the_sender);
}

static bool free_while_resting(struct pair *pair)
{
	uint64_t start = pair_flow(pair);

	test_receiver_free(&pair->receiver);
	return is_resting_since(start);
}

static void receiver_is_freed_while_a_lane_rests(void **state)
{
	(void)state;
	play(free_while_resting);
}

static bool shut_down_while_resting(struct pair *pair)
{
	uint64_t start = pair_flow(pair);

	pair_send(pair, 8);
	CHECK_EQUAL(evchan_receiver_shutdown(pair->receiver.receiver), 0);
	while (!pair->receiver.calls[HEARD_SHUT_DOWN] && is_resting_since(start))
		stage_look(&pair->stage, 1);
	if (!is_resting_since(start))
		return false;
	CHECK_EQUAL(pair_delivered(pair), 2);
	return true;
}

/* A shutdown delivers what is there and does not wait for the interval. */
static void shutdown_does_not_rest(void **state)
{
	(void)state;
	play(shut_down_while_resting);
}

/* A process streams through a small ring, whose half is full sooner than the interval is over. */
static void stream_with_an_interval(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct stream_sink sink = { 0 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct stream_role role = { .options.capacity = 8192 };
	struct stage stage;
	pid_t process;

	(void)state;
	options.wake_interval_ms = 1;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	role.address = scene_address();
	role.stream = (struct stream){ .count = scene_scaled(100000), .most = 3000 };
	process = scene_start(stream_role, &role);
	STAGE_UNTIL(&stage, sink.next[0] == role.stream.count);
	stage_join(&stage, process);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(message_in_flow_rings_nobody),
		SCENE_TEST(many_bytes_wake_at_once),
		SCENE_TEST(message_after_a_silence_rings),
		SCENE_TEST(end_of_the_sender_is_seen_at_once),
		SCENE_TEST(receiver_is_freed_while_a_lane_rests),
		SCENE_TEST(shutdown_does_not_rest),
		SCENE_TEST(stream_with_an_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
