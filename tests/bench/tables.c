/* SPDX-License-Identifier: MIT */
/*
 * Running the plan. Each kind of table is a file of its own, table_KIND.c.
 *
 * All is measured once, then all a second time, and so on: a run that is cut off has
 * fewer rounds of everything instead of nothing of the rest, and a machine that becomes
 * slower for minutes does so for some rounds of all figures and not for all rounds of
 * some. Within a case the lines take turns, so that ratios stand even where figures
 * wander. Medians, because the disturbances are one-sided.
 *
 * What was measured so far is written every few seconds; tables are printed in the end.
 */

#include "tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "limits.h"
#include "report.h"
#include "table.h"

#define SAVE_SECONDS 5
#define SHOW_SECONDS 10
#define LINE_SECONDS 0.0005

/* ---- Progress ---------------------------------------------------------------- */

struct progress {
	struct plan *plan;
	uint64_t begun_ns;
	uint64_t saved_ns;
	uint64_t shown_ns;
	unsigned done;
	unsigned total;
};

/* Before the first pass is over, one round is taken to last as long as another. */
static double seconds_left(const struct progress *progress, uint64_t now)
{
	double spent = (double)(now - progress->begun_ns) / 1e9;

	return progress->done == 0
			? 0
			: spent / progress->done * (progress->total - progress->done);
}

/* One line that is written over on a terminal; elsewhere one now and then. */
static void show_progress(struct progress *progress, const char *name)
{
	uint64_t now = process_now_ns();
	double left = seconds_left(progress, now);
	bool is_terminal = isatty(STDERR_FILENO);

	if (!is_terminal && now - progress->shown_ns < (uint64_t)(SHOW_SECONDS * 1e9))
		return;
	progress->shown_ns = now;
	fprintf(stderr, "%s[%u/%u, %.0f:%02.0f to go] %s%s",
			is_terminal ? "\r\033[K" : "", progress->done, progress->total,
			(double)(unsigned)(left / 60), (double)((unsigned)left % 60),
			name, is_terminal ? "" : "\n");
	fflush(stderr);
}

static void hide_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

static void save(struct progress *progress)
{
	const char *path = progress->plan->options->json;

	report_fact("measured", "%u of %u rounds", progress->done, progress->total);
	if (path)
		report_write_json(path);
	progress->saved_ns = process_now_ns();
}

static void round_is_done(struct progress *progress)
{
	progress->done++;
	if (process_now_ns() - progress->saved_ns > (uint64_t)(SAVE_SECONDS * 1e9))
		save(progress);
}

/* ---- Rounds ------------------------------------------------------------------ */

static struct round_setup setup_of(const struct options *options,
		const struct plan_case *plan_case, const struct plan_entry *entry)
{
	return (struct round_setup){
		.transport = entry->transport,
		.placement = plan_case->placement,
		.size = plan_case->size,
		.senders = entry->senders,
		.idle = entry->idle,
		.rate = plan_case->rate,
		.capacity = options_capacity(options, plan_case->size),
		.touch_all = plan_case->kind == PLAN_TOUCH,
		.one_per_turn = plan_case->kind == PLAN_SINGLE,
		.warm_up = options->warm_up,
		.seconds = options->seconds,
	};
}

/* At a low rate a round takes longer, or there would be too few messages for
 * percentiles. */
static void stretch(struct round_setup *setup)
{
	double least = 300 / setup->rate;

	if (setup->rate > 0 && setup->seconds < least)
		setup->seconds = least;
}

static const struct table *const tables[] = {
	[PLAN_STREAM] = &table_stream,
	[PLAN_TOUCH] = &table_stream,
	[PLAN_SINGLE] = &table_stream,
	[PLAN_MANY] = &table_stream,
	[PLAN_CROWD] = &table_stream,
	[PLAN_FRAME] = &table_stream,
	[PLAN_RATE] = &table_rate,
	[PLAN_ECHO] = &table_echo,
	[PLAN_IDLE] = &table_idle,
};

/* On a virtual machine two CPUs may be near each other now and far in a second, which
 * changes what a stream costs more than anything else: so it is looked at before each round. */
static void look_how_far(const struct plan_case *plan_case, const char *name)
{
	if (tables[plan_case->kind] == &table_stream && process_cpu_count() > 1)
		report_sample(name, "line", "ns", limit_line_ns(LINE_SECONDS));
}

static void run_round(struct progress *progress, const struct plan_case *plan_case,
		unsigned line, bool counts_calls)
{
	struct round_setup setup = setup_of(
			progress->plan->options, plan_case, &plan_case->entries[line]);
	char name[PLAN_NAME_MAX];

	stretch(&setup);
	setup.counts_calls = counts_calls;
	plan_name(name, plan_case, &plan_case->entries[line]);
	show_progress(progress, name);
	if (!counts_calls)
		look_how_far(plan_case, name);
	tables[plan_case->kind]->keep(plan_case, line, &setup);
	round_is_done(progress);
}

static void run_limit(struct progress *progress, const struct plan_limit *limit)
{
	show_progress(progress, limit->name);
	report_sample(limit->name, "", "ns",
			plan_limit_ns(limit, progress->plan->options));
	round_is_done(progress);
}

static void run_pass(struct progress *progress, bool counts_calls)
{
	const struct plan *plan = progress->plan;

	for (unsigned i = 0; i < plan->limit_count && !counts_calls; i++)
		run_limit(progress, &plan->limits[i]);
	for (unsigned i = 0; i < plan->case_count; i++) {
		const struct plan_case *plan_case = &plan->cases[i];

		if (counts_calls && !plan_counts_calls(plan_case))
			continue;
		for (unsigned j = 0; j < plan_case->entry_count; j++)
			if (!counts_calls || !plan_case->entries[j].transport->limit_ns)
				run_round(progress, plan_case, j, counts_calls);
	}
}

void tables_measure(struct plan *plan)
{
	struct progress progress = { .plan = plan, .total = plan->round_count };

	progress.begun_ns = process_now_ns();
	progress.saved_ns = progress.begun_ns;
	run_pass(&progress, false);
	run_pass(&progress, true);
	for (unsigned i = 1; i < plan->options->repeat; i++)
		run_pass(&progress, false);
	hide_progress();
	save(&progress);
}

/* ---- Tables ------------------------------------------------------------------ */

/* Cases that share a heading. */
static bool same_table(const struct plan_case *a, const struct plan_case *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == PLAN_ECHO || a->kind == PLAN_RATE || a->kind == PLAN_CROWD ||
			a->kind == PLAN_FRAME)
		return true;
	return a->entries[0].senders == b->entries[0].senders &&
			a->placement == b->placement;
}

static void print_limits(const struct plan *plan)
{
	if (plan->limit_count == 0)
		return;
	printf("\nLimits of this machine; memcpy into shared memory that nobody reads\n"
	       "%-24s %12s %12s %12s %14s\n",
			"", "median ns", "min", "max", "thousand/s");
	for (unsigned i = 0; i < plan->limit_count; i++) {
		struct summary summary = report_summary(plan->limits[i].name, "");

		printf("%-24s %12.1f %12.1f %12.1f %14.2f", plan->limits[i].name,
				summary.median, summary.min, summary.max,
				1e6 / summary.median);
		if (plan->limits[i].size)
			printf(" %8.1f GB/s",
					(double)plan->limits[i].size / summary.median);
		printf("\n");
	}
}

void tables_print(const struct plan *plan)
{
	print_limits(plan);
	for (unsigned i = 0; i < plan->case_count; i++) {
		const struct plan_case *plan_case = &plan->cases[i];
		const struct table *table = tables[plan_case->kind];

		if (i == 0 || !same_table(plan_case, plan_case - 1))
			table->print_header(plan_case);
		table->print(plan_case);
	}
}

static void print_added(const char *added)
{
	const char *value = strchr(added, '=') + 1;
	char name[PLAN_NAME_MAX];

	snprintf(name, sizeof(name), "%.*s", (int)(value - 1 - added), added);
	printf("%-44s %16.6f %22.1f\n", name, strtod(value, NULL),
			1 / strtod(value, NULL));
}

void tables_keep_added(const struct options *options)
{
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < options->added_count; i++) {
		const char *value = strchr(options->added[i], '=') + 1;

		snprintf(name, sizeof(name), "%.*s", (int)(value - 1 - options->added[i]),
				options->added[i]);
		report_sample(name, "", "calls/message", strtod(value, NULL));
	}
}

void tables_print_added(const struct options *options)
{
	if (options->added_count)
		printf("\nMeasured apart: system calls of all processes, start and end "
		       "included\n"
		       "%-44s %16s %22s\n",
				"", "calls/message", "messages/call");
	for (unsigned i = 0; i < options->added_count; i++)
		print_added(options->added[i]);
}
