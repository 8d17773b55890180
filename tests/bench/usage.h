/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_USAGE_H
#define EVCHAN_BENCH_USAGE_H

/* What a process has used up to now: CPU time, how often it went to sleep, system
 * calls, memory, descriptors. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define USAGE_COUNTERS_MAX 256

/* Counters of system calls, of any number of processes together. */
struct call_counters {
	int fds[USAGE_COUNTERS_MAX];
	unsigned count;
	bool has_failed; /* not to be had here */
};

struct usage {
	uint64_t cpu_ns;
	uint64_t sleeps; /* voluntary context switches: each is followed by a wake-up */
	uint64_t system_calls; /* 0 without counters */
};

/* Begins to count the system calls of a process, its threads, and those it makes
 * later. */
void call_counters_add(struct call_counters *counters, pid_t pid);
void call_counters_deinit(struct call_counters *counters);

/* Adds what a live process has used. */
void usage_add(struct usage *usage, pid_t pid);

/* Adds what was counted. */
void usage_add_calls(struct usage *usage, const struct call_counters *counters);

/* What was used between the two. */
struct usage usage_since(const struct usage *begin, const struct usage *end);

/* Bytes of physical memory of a live process; what it shares with others counts in
 * part (Pss, proc(5)). */
uint64_t usage_memory(pid_t pid);

unsigned usage_descriptors(pid_t pid);

#endif
