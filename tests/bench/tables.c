/* SPDX-License-Identifier: MIT */
/*
 * Running the plan. Each kind of table is a file of its own, table_KIND.c.
 *
 * The rounds of a case take turns (A B C A B C ...), so that a machine that becomes
 * slower for a while does so for all lines of a table, and ratios stand even where
 * figures wander. Medians, because the disturbances are one-sided.
 */

#include "tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"
#include "report.h"
#include "table.h"

/* ---- Progress ---------------------------------------------------------------- */

/* One line that is written over on a terminal; elsewhere one line per case. */
static void show_progress(const struct plan *plan, const char *name, unsigned repeat)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K[%u/%u] %s", plan->rounds_done,
				plan->round_count, name);
	else if (repeat == 0)
		fprintf(stderr, "[%u/%u] %s\n", plan->rounds_done, plan->round_count,
				name);
}

static void hide_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	fflush(stdout);
}

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
		.capacity = options->capacity,
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

static void run_round(struct plan *plan, const struct plan_case *plan_case, unsigned line,
		unsigned repeat, const struct table *table, void *samples)
{
	const struct plan_entry *entry = &plan_case->entries[line];
	struct round_setup setup = setup_of(plan->options, plan_case, entry);
	char name[PLAN_NAME_MAX];

	stretch(&setup);
	setup.counts_calls = repeat == plan->options->repeat;
	plan_name(name, plan_case, entry);
	show_progress(plan, name, repeat);
	table->keep((char *)samples + line * table->line_size, &setup);
	plan->rounds_done += repeat < plan->options->repeat;
}

static void run_case(struct plan *plan, const struct plan_case *plan_case,
		const struct table *table)
{
	unsigned repeats = plan->options->repeat + plan_counts_calls(plan_case);
	void *samples = calloc(plan_case->entry_count, table->line_size);

	if (!samples)
		process_die("no memory for samples");
	for (unsigned i = 0; i < repeats; i++)
		for (unsigned j = 0; j < plan_case->entry_count; j++)
			run_round(plan, plan_case, j, i, table, samples);
	hide_progress();
	table->print(plan_case, samples);
	fflush(stdout);
	free(samples);
}

/* ---- All --------------------------------------------------------------------- */

static const struct table *const tables[] = {
	[PLAN_STREAM] = &table_stream,
	[PLAN_TOUCH] = &table_stream,
	[PLAN_SINGLE] = &table_stream,
	[PLAN_MANY] = &table_stream,
	[PLAN_CROWD] = &table_stream,
	[PLAN_RATE] = &table_rate,
	[PLAN_ECHO] = &table_echo,
	[PLAN_IDLE] = &table_idle,
};

/* Cases that share a heading. */
static bool same_table(const struct plan_case *a, const struct plan_case *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == PLAN_ECHO || a->kind == PLAN_RATE || a->kind == PLAN_CROWD)
		return true;
	return a->entries[0].senders == b->entries[0].senders &&
			a->placement == b->placement;
}

void tables_print_cases(struct plan *plan)
{
	for (unsigned i = 0; i < plan->case_count; i++) {
		const struct plan_case *plan_case = &plan->cases[i];
		const struct table *table = tables[plan_case->kind];

		if (i == 0 || !same_table(plan_case, plan_case - 1))
			table->print_header(plan_case);
		run_case(plan, plan_case, table);
	}
}

static void print_limit(const struct options *options, const char *name, size_t size)
{
	struct round_setup setup = { .capacity = options->capacity, .size = size };
	struct samples samples = { .count = 0 };
	struct summary summary;
	static bool has_header;

	if (!options_want(options, name))
		return;
	if (!has_header)
		printf("\nLimits of this machine; memcpy into shared memory that nobody "
		       "reads\n"
		       "%-24s %12s %12s %12s %14s\n",
				"", "median ns", "min", "max", "thousand/s");
	has_header = true;
	for (unsigned i = 0; i < options->repeat; i++)
		samples_add(&samples,
				size ? limit_memcpy_ns(size, round_capacity(&setup),
						       options->seconds / 10)
				     : limit_system_call_ns(options->seconds / 10));
	summary = report_add(name, "", "ns", &samples);
	printf("%-24s %12.1f %12.1f %12.1f %14.2f\n", name, summary.median, summary.min,
			summary.max, 1e6 / summary.median);
}

void tables_print_limits(const struct options *options)
{
	char name[PLAN_NAME_MAX];

	print_limit(options, "limit/system-call", 0);
	for (unsigned i = 0; i < options->sizes.count; i++) {
		snprintf(name, sizeof(name), "limit/memcpy/%" PRIu64,
				options->sizes.values[i]);
		print_limit(options, name, (size_t)options->sizes.values[i]);
	}
	fflush(stdout);
}

void tables_print_added(const struct options *options)
{
	char name[PLAN_NAME_MAX];

	if (options->added_count)
		printf("\nMeasured apart: system calls of all processes, start and end "
		       "included\n"
		       "%-44s %16s %22s\n",
				"", "calls/message", "messages/call");
	for (unsigned i = 0; i < options->added_count; i++) {
		const char *value = strchr(options->added[i], '=') + 1;
		struct samples samples = { .count = 0 };

		snprintf(name, sizeof(name), "%.*s", (int)(value - 1 - options->added[i]),
				options->added[i]);
		samples_add(&samples, strtod(value, NULL));
		report_add(name, "", "calls/message", &samples);
		printf("%-44s %16.6f %22.1f\n", name, samples.values[0],
				1 / samples.values[0]);
	}
}
