/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_RING_HOSTILE_H
#define EVCHAN_TESTS_RING_HOSTILE_H

/*
 * A thread that writes whatever it likes into its own object of a lane, constants,
 * positions and records alike, all the time, while the honest end reads them. It is right
 * most of the time: pure noise would never get beyond the first check.
 *
 * What the honest end is allowed to do is little: to touch nothing outside the ring, and
 * to say -EPROTO or go on. Payloads are read while they are written, on purpose. That is
 * a data race if both are threads of one program, so there is nothing here for
 * ThreadSanitizer to judge.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "clock.h"
#include "cursor.h"
#include "descriptor.h"
#include "process.h"
#include "shared_memory.h"

#define HANG_SECONDS 240
#define RING_BYTES (4 * page_size())

static const uint8_t hostile_lane_id[16] = { 7 };

/* The hostile end's thread, and the object that it may write. */
struct hostile {
	pthread_t thread;
	bool is_running;
	_Atomic bool is_over;
	uint64_t seed;
	struct shared_memory memory;
	const ring_word *peer_position; /* of the honest end */
	uint64_t position;              /* the last of its own that could be right */
};

static inline uint64_t random_number(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static inline bool one_in(uint64_t *seed, uint64_t many)
{
	return random_number(seed) % many == 0;
}

/* Numbers at which checks go wrong. */
static inline uint64_t nasty_number(uint64_t *seed)
{
	static const uint64_t numbers[] = { 0, 1, 7, 8, 9, 4088, 4096, 0x7fffffff,
		0x80000000, 0xfffffff0, 0xfffffff8, 0xfffffff9, 0xffffffff,
		UINT64_C(0x100000000), RING_POSITION_LIMIT - 8, RING_POSITION_LIMIT,
		UINT64_C(1) << 63, UINT64_MAX - 7, UINT64_MAX };

	if (one_in(seed, 4))
		return random_number(seed);
	return numbers[random_number(seed) % (sizeof(numbers) / sizeof(numbers[0]))];
}

static inline size_t page_size(void)
{
	return shared_memory_page_size();
}

/* Where the honest end is. */
static inline uint64_t peer_position(const struct hostile *hostile)
{
	return cursor_observe(hostile->peer_position);
}

/* Where both ends have one processor, each gets it now and then, whatever has just been
 * written. */
static inline void rest(uint64_t *seed)
{
	if (one_in(seed, 64))
		sched_yield();
}

static inline void start(struct hostile *hostile, void *(*run)(void *arg))
{
	alarm(HANG_SECONDS);
	assert_int_equal(pthread_create(&hostile->thread, NULL, run, hostile), 0);
	hostile->is_running = true;
}

static inline void stop(struct hostile *hostile)
{
	if (!hostile->is_running)
		return;
	hostile->is_running = false;
	atomic_store(&hostile->is_over, true);
	pthread_join(hostile->thread, NULL);
	alarm(0);
}

/* Whether a test has seen enough: so many records and errors, or, where others want the
 * processors too, so much time. */
static inline bool is_enough(uint64_t begun, uint64_t seen)
{
	return seen >= 500000 || clock_milliseconds() - begun >= 2000;
}

static inline void need_races(void)
{
	const char *reason = NULL;

	if (HAS_THREAD_SANITIZER)
		reason = "the races here are on purpose: nothing for ThreadSanitizer";
	else if (is_under_valgrind())
		reason = "valgrind runs one thread at a time: nothing changes while it "
			 "is read";
	if (!reason)
		return;
	print_message("%s\n", reason);
	skip();
}

#endif
