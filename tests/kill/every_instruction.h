/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_EVERY_INSTRUCTION_H
#define EVCHAN_TESTS_EVERY_INSTRUCTION_H

/*
 * A part that is played again and again, by a new process each time, which is killed
 * after one instruction more than the last one.
 *
 * In the short form not after each: right after and right before every system call, and
 * between two of them after every so many instructions. EVCHAN_KILL_STRIDE says how
 * many; 1 is the long form, all of them. EVCHAN_KILL_PART names the only part to play.
 */

#include <stdbool.h>
#include <sys/types.h>

struct kill_plan {
	const char *name;
	/* Starts the process, and returns when it is at, or on its way to, its first
	 * mark. */
	pid_t (*start)(void *arg);
	/* It stands still and will never run again. May be NULL. */
	void (*look)(void *arg);
	/* It is dead. `is_done`: it had come to its second mark. */
	void (*check)(void *arg, bool is_done);
	void *arg;
	unsigned points; /* about so many in the short form, besides those at calls */
};

/* Plays it until the part is done, and says how many processes were killed. */
void kill_everywhere(const struct kill_plan *plan);

#endif
