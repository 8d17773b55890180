/* SPDX-License-Identifier: MIT */
/*
 * Counting calls, and making the planned ones fail.
 *
 * A call is counted in the thread that has said faults_begin(), so that what the disposal thread does meanwhile changes no
 * numbers; where that thread itself is to fail, the plan says so, and the scenario lets one thread work at
 * a time.
 */

#include "faults.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

static struct fault_plan plan;
static struct fault_report own_report;
static struct fault_report *report = &own_report;
static _Thread_local bool is_counted_here;
static atomic_bool is_counted;

void faults_plan(const struct fault_plan *new_plan, struct fault_report *new_report)
{
	plan = *new_plan;
	report = new_report;
}

void faults_begin(void)
{
	is_counted_here = true;
	atomic_store(&is_counted, true);
}

void faults_end(void)
{
	is_counted_here = false;
	atomic_store(&is_counted, false);
}

bool faults_struck(void)
{
	return report->struck > 0;
}

struct fault_report *faults_report(void)
{
	return report;
}

static void note_first(const char *function, const int *errors)
{
	while (errors[report->variants])
		report->variants++;
	snprintf(report->function, sizeof(report->function), "%s", function);
	report->error = errors[plan.variant % report->variants];
}

bool fault(enum fault_calls kind, const char *function, const int *errors)
{
	unsigned number;

	if (!(plan.in_all_threads ? atomic_load(&is_counted) : is_counted_here))
		return false;
	if (!(plan.calls & kind) || !errors[0])
		return false;
	number = ++report->calls;
	if (plan.first == 0 || number < plan.first || number - plan.first >= plan.row)
		return false;
	report->kinds |= kind;
	if (report->struck++ == 0) {
		note_first(function, errors);
		errno = report->error;
	} else {
		errno = errors[0];
	}
	return true;
}
