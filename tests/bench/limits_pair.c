/* SPDX-License-Identifier: MIT */
/*
 * Limits that two CPUs have between them. Both processes spin: nobody sleeps, so
 * nothing but the cache lines' way from one CPU to the other is measured.
 */

#include "limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "process.h"

#define TRIPS_PER_LOOK 1000
#define PATIENCE_SECONDS 20.0

/* Shared by both. `turn` is even when it is the first one's, odd when the other's. */
struct pair {
	_Alignas(128) _Atomic uint64_t turn;
	_Alignas(128) _Atomic bool is_over;
	double nanoseconds;
	double seconds;
	size_t size; /* of the buffer, which lies behind */
	volatile uint64_t sum;
};

static uint64_t *buffer_of(struct pair *pair)
{
	return (uint64_t *)(pair + 1);
}

/* Waits for the other one. Whether there is anything left to do. */
static bool await_turn(struct pair *pair, uint64_t turn)
{
	while (atomic_load_explicit(&pair->turn, memory_order_acquire) != turn)
		if (atomic_load_explicit(&pair->is_over, memory_order_relaxed))
			return false;
	return true;
}

static void write_buffer(struct pair *pair, uint64_t value)
{
	uint64_t *words = buffer_of(pair);

	for (size_t i = 0; i < pair->size / 8; i++)
		words[i] = value;
}

static void read_buffer(struct pair *pair)
{
	const uint64_t *words = buffer_of(pair);
	uint64_t sum = 0;

	for (size_t i = 0; i < pair->size / 8; i++)
		sum += words[i];
	pair->sum = sum;
}

/* Writes whenever it is its turn, what there is to write, and gives the turn back. */
static void answer(void *arg)
{
	struct pair *pair = arg;

	process_pin(PLACEMENT_APART, 1);
	for (uint64_t turn = 1; await_turn(pair, turn); turn += 2) {
		write_buffer(pair, turn);
		atomic_store_explicit(&pair->turn, turn + 1, memory_order_release);
	}
}

/* Round trips of the line that `turn` is in. */
static void ask(void *arg)
{
	struct pair *pair = arg;
	uint64_t begin, now, turn = 0;

	process_pin(PLACEMENT_APART, 0);
	begin = process_now_ns();
	do {
		for (int i = 0; i < TRIPS_PER_LOOK; i++, turn += 2) {
			(void)await_turn(pair, turn);
			atomic_store_explicit(
					&pair->turn, turn + 1, memory_order_release);
		}
		now = process_now_ns();
	} while ((double)(now - begin) < pair->seconds * 1e9);
	pair->nanoseconds = (double)(now - begin) / ((double)turn / 2);
	atomic_store(&pair->is_over, true);
}

/* Only the reading is timed. The first turns find memory that is not there yet. */
static void read_fresh(void *arg)
{
	struct pair *pair = arg;
	uint64_t begin, end = 0, start = process_now_ns(), spent = 0, turn = 0;
	unsigned times = 0;

	process_pin(PLACEMENT_APART, 0);
	while ((double)(end - start) < pair->seconds * 1e9 || times == 0 || turn < 8) {
		atomic_store_explicit(&pair->turn, turn + 1, memory_order_release);
		turn += 2;
		(void)await_turn(pair, turn);
		begin = process_now_ns();
		read_buffer(pair);
		end = process_now_ns();
		if (turn > 4) {
			spent += end - begin;
			times++;
		}
	}
	pair->nanoseconds = (double)spent / times;
	atomic_store(&pair->is_over, true);
}

static double run_pair(void (*first)(void *arg), size_t size, double seconds)
{
	size_t bytes = sizeof(struct pair) + size;
	struct pair *pair = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double nanoseconds;
	pid_t one, other;

	if (pair == MAP_FAILED)
		process_die("no memory for a limit");
	pair->size = size;
	pair->seconds = seconds;
	other = process_start(answer, pair);
	one = process_start(first, pair);
	if (!process_wait(one, seconds + PATIENCE_SECONDS) ||
			!process_wait(other, PATIENCE_SECONDS))
		process_die("a limit between two CPUs took too long");
	nanoseconds = pair->nanoseconds;
	munmap(pair, bytes);
	return nanoseconds;
}

double limit_line_ns(double seconds)
{
	return run_pair(ask, 0, seconds);
}

double limit_read_ns(size_t size, double seconds)
{
	return run_pair(read_fresh, size, seconds);
}
