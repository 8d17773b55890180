/* SPDX-License-Identifier: MIT */
/*
 * The cost of a way to a place is its number of stops: two for each system call that is
 * passed, one for each hit of a breakpoint, and one for each step from there on. The
 * breakpoint can count its hits from the first mark on, or, for instructions that are
 * run often, from the last system call before the place.
 */

#include "step_trace.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

void step_trace_append(struct step_trace *trace, uintptr_t address, bool is_call)
{
	if (trace->count == trace->room) {
		trace->room = trace->room ? 2 * trace->room : 1024;
		trace->steps = realloc(trace->steps, trace->room * sizeof(*trace->steps));
		CHECK(trace->steps);
	}
	trace->steps[trace->count++] = (struct step_traced){ address, is_call };
	trace->calls += is_call;
}

void step_trace_free(struct step_trace *trace)
{
	free(trace->steps);
	memset(trace, 0, sizeof(*trace));
}

struct step_place step_trace_place(const struct step_trace *trace, unsigned step)
{
	struct step_place place = { 0, 0 };

	for (unsigned i = 0; i < step; i++) {
		place.steps++;
		if (trace->steps[i].is_call)
			place = (struct step_place){ place.calls + 1, 0 };
	}
	return place;
}

unsigned step_trace_next(const struct step_trace *trace, unsigned step, unsigned stride)
{
	for (unsigned i = step + 1; i < step + stride && i < trace->count; i++)
		if (trace->steps[i].is_call || trace->steps[i - 1].is_call)
			return i;
	return step + stride;
}

/* How often a process is at the same instruction as at step `last`, from `first` to
 * there. */
static unsigned count_hits(const struct step_trace *trace, unsigned first, unsigned last)
{
	unsigned hits = 0;

	for (unsigned i = first; i <= last; i++)
		hits += trace->steps[i].address == trace->steps[last].address;
	return hits;
}

static unsigned cost_of(const struct step_shortcut *shortcut)
{
	return 2 * shortcut->calls + shortcut->hits + shortcut->left;
}

static void take_cheaper(struct step_shortcut *best, struct step_shortcut other)
{
	if (cost_of(&other) < cost_of(best))
		*best = other;
}

bool step_trace_shortcut(const struct step_trace *trace, unsigned step,
		struct step_shortcut *shortcut)
{
	const struct step_place place = step_trace_place(trace, step);
	const struct step_shortcut none = { place.calls, 0, 0, place.steps };

	*shortcut = none;
	for (unsigned left = 0; left <= place.steps && left < cost_of(shortcut); left++) {
		uintptr_t address = trace->steps[step - left].address;
		unsigned hits = count_hits(trace, 0, step - left);
		unsigned late = count_hits(trace, step - place.steps, step - left);

		take_cheaper(shortcut, (struct step_shortcut){ 0, address, hits, left });
		take_cheaper(shortcut,
				(struct step_shortcut){
						place.calls, address, late, left });
	}
	return cost_of(shortcut) < cost_of(&none);
}
