/* SPDX-License-Identifier: MIT */
/*
 * The limits. memcpy is through a pointer that the compiler cannot see through: each
 * message is copied from the same buffer, as in the streams, by a call into the C
 * library.
 */

#include "limits.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload.h"
#include "process.h"

#define CALLS_PER_LOOK 1000

/* Runs once(arg) until the time is over; nanoseconds for each of the `count` things it
 * does. */
static double repeat(void (*once)(void *arg), void *arg, double count, double seconds)
{
	uint64_t begin = process_now_ns();
	uint64_t end = begin + (uint64_t)(seconds * 1e9);
	uint64_t now;
	double done = 0;

	do {
		once(arg);
		done += count;
		now = process_now_ns();
	} while (now < end);
	return (double)(now - begin) / done;
}

struct copy {
	unsigned char *ring;
	size_t capacity;
	struct payload payload;
	void *(*volatile copy)(void *to, const void *from, size_t size);
};

static void copy_once_around(void *arg)
{
	struct copy *copy = arg;
	size_t size = copy->payload.size;

	for (size_t at = 0; at + size <= copy->capacity; at += size) {
		copy->copy(copy->ring + at, payload_next(&copy->payload), size);
		payload_advance(&copy->payload);
	}
}

double limit_memcpy_ns(size_t size, uint64_t capacity, double seconds)
{
	struct copy copy = { .capacity = (size_t)capacity, .copy = memcpy };
	double nanoseconds;

	copy.ring = mmap(NULL, copy.capacity, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (copy.ring == MAP_FAILED)
		process_die("no memory for the memcpy limit");
	payload_init(&copy.payload, 0, size);
	copy_once_around(&copy);
	nanoseconds = repeat(copy_once_around, &copy, (double)(capacity / size), seconds);
	payload_deinit(&copy.payload);
	munmap(copy.ring, copy.capacity);
	return nanoseconds;
}

static void call_system(void *arg)
{
	(void)arg;
	for (int i = 0; i < CALLS_PER_LOOK; i++)
		syscall(SYS_getppid);
}

double limit_system_call_ns(double seconds)
{
	return repeat(call_system, NULL, CALLS_PER_LOOK, seconds);
}
