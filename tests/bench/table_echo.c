/* SPDX-License-Identifier: MIT */
/*
 * Round trips.
 */

#include <stdio.h>

#include "table.h"

struct echo_samples {
	struct samples p50;
	struct samples p99;
	struct samples p999;
};

static void keep(void *arg, const struct round_setup *setup)
{
	struct echo_samples *samples = arg;
	struct latency_figures figures;

	round_echo(&figures, setup);
	samples_add(&samples->p50, figures.p50_ns);
	samples_add(&samples->p99, figures.p99_ns);
	samples_add(&samples->p999, figures.p999_ns);
}

static void print_header(const struct plan_case *plan_case)
{
	printf("\nRound trip between two loops, %zu bytes; microseconds, medians of the "
	       "rounds\n",
			plan_case->size);
	printf("%-9s %-17s %10s %10s %10s %10s %10s\n", "placement", "transport", "p50",
			"min p50", "max p50", "p99", "p99.9");
}

static void print(const struct plan_case *plan_case, const void *arg)
{
	const struct echo_samples *samples = arg;
	struct summary p50, p99, p999;
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		plan_name(name, plan_case, &plan_case->entries[i]);
		p50 = report_add(name, "p50", "ns", &samples[i].p50);
		p99 = report_add(name, "p99", "ns", &samples[i].p99);
		p999 = report_add(name, "p99.9", "ns", &samples[i].p999);
		printf("%-9s %-17s %10.2f %10.2f %10.2f %10.2f %10.2f\n",
				placement_name(plan_case->placement),
				plan_case->entries[i].transport->name, p50.median / 1e3,
				p50.min / 1e3, p50.max / 1e3, p99.median / 1e3,
				p999.median / 1e3);
	}
}

const struct table table_echo = {
	.line_size = sizeof(struct echo_samples),
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
