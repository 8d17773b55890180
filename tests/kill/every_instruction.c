/* SPDX-License-Identifier: MIT */
/*
 * Which instructions a process is killed after. The first one is stepped to its end, to
 * know how many there are, and where; after that nothing relies on every process doing
 * the same: a place that one of them does not come to is replaced by the next that it
 * does.
 */

#include "every_instruction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "process.h"
#include "scene.h"
#include "single_step.h"

#define PATIENCE_SECONDS 30u /* of one process; times the slowdown */

static char context[512]; /* what is said with a failure */

static pid_t begin(const struct kill_plan *plan)
{
	pid_t process;

	alarm(PATIENCE_SECONDS * scene_slowdown());
	process = plan->start(plan->arg);
	step_await(process);
	return process;
}

static void end(const struct kill_plan *plan, pid_t process, bool is_done)
{
	if (plan->look)
		plan->look(plan->arg);
	kill(process, SIGKILL);
	CHECK_EQUAL(scene_wait(process), -SIGKILL);
	plan->check(plan->arg, is_done);
}

static void measure(const struct kill_plan *plan, struct step_trace *trace)
{
	pid_t process;

	snprintf(context, sizeof(context), "%s, killed when it is done:", plan->name);
	process = begin(plan);
	step_through(process, trace);
	end(plan, process, true);
}

/* Kills one before this step, or at the next place that it comes to. */
static enum step_end kill_one(const struct kill_plan *plan,
		const struct step_trace *trace, unsigned step,
		enum step_end (*go)(pid_t, const struct step_trace *, unsigned))
{
	enum step_end where;
	pid_t process;

	snprintf(context, sizeof(context), "%s, on the way to step %u:", plan->name,
			step);
	process = begin(plan);
	where = go(process, trace, step);
	snprintf(context, sizeof(context), "%s, killed at step %u (%s):", plan->name,
			step, step_describe(process));
	end(plan, process, where == STEP_DONE);
	return where;
}

static unsigned stride_for(const struct kill_plan *plan, unsigned instructions)
{
	const char *text = getenv("EVCHAN_KILL_STRIDE");
	int stride = text ? atoi(text) : 0;

	return stride > 0 ? (unsigned)stride : 1 + instructions / plan->points;
}

/* Whether this part is wanted. */
static bool is_wanted(const struct kill_plan *plan)
{
	const char *only = getenv("EVCHAN_KILL_PART");

	return !only || strcmp(only, plan->name) == 0;
}

/* Returns how many were killed before they were done. */
static unsigned kill_all(const struct kill_plan *plan, const struct step_trace *trace)
{
	unsigned stride = stride_for(plan, trace->count);
	unsigned killed = 0;

	for (unsigned step = 0; step < trace->count;
			step = step_trace_next(trace, step, stride)) {
		enum step_end where = kill_one(plan, trace, step, step_shortly_to);

		/* The shortcut may have led past the place: once more, step by step. */
		if (where != STEP_THERE)
			where = kill_one(plan, trace, step, step_to);
		killed += where != STEP_DONE;
	}
	return killed;
}

void kill_everywhere(const struct kill_plan *plan)
{
	struct step_trace trace = { 0 };
	unsigned killed;

	if (!is_wanted(plan))
		return;
	check_context = context;
	measure(plan, &trace);
	killed = kill_all(plan, &trace);
	print_message("%s: killed at %u points of %u instructions (%u system calls)\n",
			plan->name, killed, trace.count, trace.calls);
	step_trace_free(&trace);
	check_context = NULL;
}
