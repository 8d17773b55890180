/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_STEP_TRACE_H
#define EVCHAN_TESTS_STEP_TRACE_H

/*
 * Where a process went, step by step, a step being an instruction; and how another one
 * that goes the same way is brought to a place on it with few stops.
 *
 * A place is told by the step that is next there, or by the system calls that have
 * returned before it and the steps since the last of them.
 */

#include <stdbool.h>
#include <stdint.h>

struct step_place {
	unsigned calls;
	unsigned steps;
};

struct step_traced {
	uintptr_t address;
	bool is_call;
};

/* All zero at first. */
struct step_trace {
	struct step_traced *steps;
	unsigned count, room;
	unsigned calls;
};

void step_trace_append(struct step_trace *trace, uintptr_t address, bool is_call);
void step_trace_free(struct step_trace *trace);

struct step_place step_trace_place(const struct step_trace *trace, unsigned step);

/* The next place to look at: `stride` steps further, but each system call is looked at
 * before and after it. */
unsigned step_trace_next(const struct step_trace *trace, unsigned step, unsigned stride);

/* A process that has returned from `calls` calls comes by `address`, and when it is
 * there for the `hits`th time it has `left` steps to go. */
struct step_shortcut {
	unsigned calls;
	uintptr_t address;
	unsigned hits;
	unsigned left;
};

/* Whether there is one that saves anything. */
bool step_trace_shortcut(const struct step_trace *trace, unsigned step,
		struct step_shortcut *shortcut);

#endif
