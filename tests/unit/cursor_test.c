/* SPDX-License-Identifier: MIT */
/*
 * The two steps that all waking rests on: publish and arm. First what each does alone;
 * then, with two threads that take their steps at the same moment, the one thing that
 * must never happen: that the publisher sees no wish and the sleeper no position.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cursor.h"
#include "process.h"

#define HANG_SECONDS 60
/* Where others want the processors too a duel ends after so long. */
#define DUEL_MS 1000
/* Turns of a waiting thread before it lets the other one have its processor. */
#define SPINS 2000

/* One cursor with both its words, as a publisher and a sleeper share them. */
struct shared {
	alignas(RING_LINE) ring_word position;
	alignas(RING_LINE) ring_word wish;
};

static struct cursor publisher_of(struct shared *shared)
{
	memset(shared, 0, sizeof(*shared));
	return (struct cursor){ &shared->position, &shared->wish, 0 };
}

static uint64_t random_number(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static bool one_in(uint64_t *seed, uint64_t many)
{
	return random_number(seed) % many == 0;
}

/* Published is what the peer observes, both ways of publishing. */
static void published_position_is_seen(void **state)
{
	struct shared shared;
	struct cursor cursor = publisher_of(&shared);

	(void)state;
	assert_int_equal(cursor_observe(&shared.position), 0);
	assert_false(cursor_publish(&cursor, 8));
	assert_int_equal(cursor_observe(&shared.position), 8);
	cursor_publish_quietly(&cursor, UINT64_C(0x123456789abcdef8));
	assert_int_equal(cursor_observe(&shared.position), UINT64_C(0x123456789abcdef8));
}

/* Whether publishing this rings; in any case it counts as checked then. */
static void expect_ring(uint64_t checked, uint64_t position, uint64_t wish, bool rings)
{
	struct shared shared;
	struct cursor cursor = publisher_of(&shared);

	cursor.checked = checked;
	cursor_set(&shared.wish, wish);
	assert_int_equal(cursor_publish(&cursor, position), rings);
	assert_int_equal(cursor.checked, position);
}

/* A ring is due if and only if the wish lies behind the last position that was checked,
 * and not behind the new one; whatever the wish is, the position counts as checked after
 * that. */
static void rings_if_and_only_if_crossed(void **state)
{
	static const uint64_t bases[] = { 0, UINT64_C(0xfffffff8),
		RING_POSITION_LIMIT - 8 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		for (uint64_t checked = 0; checked < 5; checked++) {
			for (uint64_t position = checked; position < 7; position++) {
				for (uint64_t wish = 0; wish < 9; wish++) {
					expect_ring(bases[i] + checked,
							bases[i] + position,
							bases[i] + wish,
							wish > checked &&
									wish <= position);
				}
			}
		}
	}
}

/* A wish is the peer's word and may be anything: what lies behind every position rings
 * never. */
static void absurd_wishes_never_ring(void **state)
{
	static const uint64_t wishes[] = { 0, RING_POSITION_LIMIT, UINT64_C(1) << 63,
		UINT64_MAX };
	struct shared shared;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct cursor cursor = publisher_of(&shared);

		cursor_set(&shared.wish, wishes[i]);
		for (uint64_t position = 8; position < RING_POSITION_LIMIT; position *= 2)
			assert_false(cursor_publish(&cursor, position));
	}
}

/* However the publisher steps, and in whatever way it publishes, each wish that is
 * reached is rung once, no later than by the next full look, and nothing has to be
 * cleared for that. */
static void each_wish_rings_once(void **state)
{
	struct shared shared;
	struct cursor cursor = publisher_of(&shared);
	uint64_t seed = 1, position = 0, wish = 0;
	unsigned rings = 0, reached = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		if (rings == reached && wish <= position && one_in(&seed, 4)) {
			wish = position + 1 + random_number(&seed) % 200;
			assert_true(cursor_arm(&shared.wish, wish, &shared.position) <
					wish);
		}
		reached += position < wish && position + 8 >= wish;
		position += 8;
		if (one_in(&seed, 3)) {
			cursor_publish_quietly(&cursor, position);
		} else if (one_in(&seed, 2)) {
			rings += cursor_publish_lazily(&cursor, position);
		} else {
			rings += cursor_publish(&cursor, position);
			assert_int_equal(rings, reached);
		}
		assert_true(rings <= reached);
	}
	assert_true(rings > 1000);
}

/* A lazy look rings for what it sees, once; where it sees nothing the full look is still
 * owed, for a wish that it may just have missed. */
static void lazy_publications_leave_the_look_owed(void **state)
{
	struct shared shared;
	struct cursor cursor = publisher_of(&shared);

	(void)state;
	assert_false(cursor_publish_lazily(&cursor, 8));
	assert_int_equal(cursor_observe(&shared.position), 8);
	assert_int_equal(cursor.checked, 0);
	cursor_set(&shared.wish, 5); /* as if stored after that look */
	assert_true(cursor_publish(&cursor, 8));
	cursor_set(&shared.wish, 17);
	assert_false(cursor_publish_lazily(&cursor, 16));
	assert_true(cursor_publish_lazily(&cursor, 24));
	assert_false(cursor_publish_lazily(&cursor, 32));
	assert_false(cursor_publish(&cursor, 32));
	cursor.peer_wish = NULL;
	assert_false(cursor_publish_lazily(&cursor, 40));
	assert_int_equal(cursor.checked, 32);
}

/* What is published quietly stays to be checked, and the next look rings for all of it,
 * once. */
static void quiet_publications_are_made_up_for(void **state)
{
	struct shared shared;
	struct cursor cursor = publisher_of(&shared);

	(void)state;
	cursor_set(&shared.wish, 9);
	assert_false(cursor_publish(&cursor, 8));
	for (uint64_t position = 16; position <= 64; position += 8)
		cursor_publish_quietly(&cursor, position);
	assert_int_equal(cursor.checked, 8);
	assert_true(cursor_publish(&cursor, 64));
	assert_false(cursor_publish(&cursor, 64));
	assert_false(cursor_publish(&cursor, 72));
}

/* While there is nobody to be rung, nothing counts as checked: the first look at a wish
 * covers all that was published before there was one. */
static void first_look_covers_all(void **state)
{
	struct shared shared;
	struct cursor cursor = publisher_of(&shared);

	(void)state;
	cursor.peer_wish = NULL;
	cursor_set(&shared.wish, 1);
	for (uint64_t position = 8; position <= 64; position += 8)
		assert_false(cursor_publish(&cursor, position));
	assert_int_equal(cursor_observe(&shared.position), 64);
	assert_int_equal(cursor.checked, 0);
	cursor.peer_wish = &shared.wish;
	assert_true(cursor_crossed(&cursor, 64));
	assert_false(cursor_crossed(&cursor, 64));
}

/* Arming leaves the wish and tells where the peer is: already there, or not. */
static void arm_leaves_the_wish_and_looks(void **state)
{
	struct shared shared;
	struct cursor cursor = publisher_of(&shared);

	(void)state;
	assert_int_equal(cursor_arm(&shared.wish, 9, &shared.position), 0);
	assert_int_equal(cursor_get(&shared.wish), 9);
	cursor_publish(&cursor, 16);
	assert_int_equal(cursor_arm(&shared.wish, 17, &shared.position), 16);
	assert_int_equal(cursor_get(&shared.wish), 17);
	assert_int_equal(cursor_arm(&shared.wish, 16, &shared.position), 16);
	assert_false(cursor_publish(&cursor, 16));
}

/* A record's two words keep all their bits and lie where the format says. */
static void record_words_are_kept(void **state)
{
	static const uint32_t values[] = { 0, 1, 0x01020304, 0x80000000, UINT32_MAX };
	struct ring_record record;
	uint32_t words[2], size, type;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			cursor_record_store(&record, values[i], values[j]);
			memcpy(words, &record, sizeof(words));
			assert_int_equal(words[0], values[i]);
			assert_int_equal(words[1], values[j]);
			cursor_record_load(&record, &size, &type);
			assert_int_equal(size, values[i]);
			assert_int_equal(type, values[j]);
		}
	}
}

/* ---- Both sides at once ------------------------------------------------ */

/* Round r: one thread publishes position r, the other arms at r. */
struct duel {
	struct shared shared;
	alignas(RING_LINE) _Atomic unsigned publisher_round;
	alignas(RING_LINE) _Atomic unsigned sleeper_round;
	alignas(RING_LINE) _Atomic unsigned rounds;
	bool is_lazy;
	bool *rang; /* by round, the publisher's */
	bool *saw;  /* the sleeper's */
};

/* Begins a round together with the other thread, give or take a few instructions. */
static void meet(_Atomic unsigned *own, _Atomic unsigned *other, unsigned round,
		uint64_t *seed)
{
	unsigned spins = 0;

	atomic_store_explicit(own, round, memory_order_release);
	while (atomic_load_explicit(other, memory_order_acquire) < round)
		if (++spins % SPINS == 0)
			sched_yield();
	/* Who waited hears late that the other has come. With this some rounds in a
	 * thousand are a dead heat. */
	for (spins = random_number(seed) % 512; spins > 0; spins--)
		atomic_signal_fence(memory_order_seq_cst);
}

/* Two threads on one processor would never be in the middle of a round together. */
static void stay_on_processor(int which)
{
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return;
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &allowed) || which-- > 0)
			continue;
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void *publish_each_round(void *arg)
{
	struct duel *duel = arg;
	struct cursor cursor = { &duel->shared.position, &duel->shared.wish, 0 };
	uint64_t seed = 1, begun = clock_milliseconds();

	stay_on_processor(0);
	for (unsigned round = 1; round <= duel->rounds; round++) {
		/* Heard by the other thread when they meet. */
		if (round % 256 == 0 && clock_milliseconds() - begun >= DUEL_MS)
			duel->rounds = round;
		meet(&duel->publisher_round, &duel->sleeper_round, round, &seed);
		duel->rang[round] =
				duel->is_lazy && cursor_publish_lazily(&cursor, round);
		duel->rang[round] |= cursor_publish(&cursor, round);
	}
	return NULL;
}

static void *arm_each_round(void *arg)
{
	struct duel *duel = arg;
	uint64_t seed = 2;

	stay_on_processor(1);
	for (unsigned round = 1; round <= duel->rounds; round++) {
		meet(&duel->sleeper_round, &duel->publisher_round, round, &seed);
		duel->saw[round] = cursor_arm(&duel->shared.wish, round,
						   &duel->shared.position) >= round;
	}
	return NULL;
}

static unsigned duel_rounds(void)
{
	const char *slowdown = getenv("EVCHAN_TEST_SLOWDOWN");
	unsigned factor = slowdown && atoi(slowdown) > 1 ? (unsigned)atoi(slowdown) : 1;

	/* There threads take turns, and every meeting is one. */
	return is_under_valgrind() ? 2000 : 1000000 / factor;
}

/* Runs all rounds. Returns in how many both missed. */
static unsigned run_duel(struct duel *duel)
{
	unsigned lost = 0, only_rang = 0, only_saw = 0;
	pthread_t threads[2];

	assert_int_equal(pthread_create(&threads[0], NULL, publish_each_round, duel), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, arm_each_round, duel), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	for (unsigned round = 1; round <= duel->rounds; round++) {
		lost += !duel->rang[round] && !duel->saw[round];
		only_rang += duel->rang[round] && !duel->saw[round];
		only_saw += !duel->rang[round] && duel->saw[round];
	}
	print_message("%u rounds: %u only rang, %u only saw\n", duel->rounds, only_rang,
			only_saw);
	return lost;
}

/* In every round the publisher sees the wish and rings, or the sleeper sees the position
 * and stays awake. With anything weaker than sequential consistency there are rounds
 * where both miss, also on x86. */
static void no_wake_up_is_lost(void **state)
{
	assert_int_equal(run_duel(*state), 0);
}

/* Nor is one lost if the publisher takes a lazy look first, and then makes up for it. */
static void no_wake_up_is_lost_by_a_lazy_look(void **state)
{
	struct duel *duel = *state;

	duel->is_lazy = true;
	assert_int_equal(run_duel(duel), 0);
}

static int begin_duel(void **state)
{
	static struct duel duel;

	memset(&duel, 0, sizeof(duel));
	duel.rounds = duel_rounds();
	duel.rang = calloc(duel.rounds + 1, sizeof(*duel.rang));
	duel.saw = calloc(duel.rounds + 1, sizeof(*duel.saw));
	*state = &duel;
	alarm(HANG_SECONDS);
	return duel.rang && duel.saw ? 0 : -1;
}

static int end_duel(void **state)
{
	struct duel *duel = *state;

	alarm(0);
	free(duel->rang);
	free(duel->saw);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_position_is_seen),
		cmocka_unit_test(rings_if_and_only_if_crossed),
		cmocka_unit_test(absurd_wishes_never_ring),
		cmocka_unit_test(each_wish_rings_once),
		cmocka_unit_test(lazy_publications_leave_the_look_owed),
		cmocka_unit_test(quiet_publications_are_made_up_for),
		cmocka_unit_test(first_look_covers_all),
		cmocka_unit_test(arm_leaves_the_wish_and_looks),
		cmocka_unit_test(record_words_are_kept),
		cmocka_unit_test_setup_teardown(no_wake_up_is_lost, begin_duel, end_duel),
		cmocka_unit_test_setup_teardown(
				no_wake_up_is_lost_by_a_lazy_look, begin_duel, end_duel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
