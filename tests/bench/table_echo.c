/* SPDX-License-Identifier: MIT */
/*
 * Round trips.
 */

#include <stdio.h>

#include "table.h"

static void keep(const struct plan_case *plan_case, unsigned line,
		const struct round_setup *setup)
{
	struct latency_figures figures;
	char name[PLAN_NAME_MAX];

	round_echo(&figures, setup);
	plan_name(name, plan_case, &plan_case->entries[line]);
	report_sample(name, "p50", "ns", figures.p50_ns);
	report_sample(name, "p99", "ns", figures.p99_ns);
	report_sample(name, "p99.9", "ns", figures.p999_ns);
}

static void print_header(const struct plan_case *plan_case)
{
	printf("\nRound trip between two loops, %zu bytes; microseconds, medians of the "
	       "rounds\n",
			plan_case->size);
	printf("%-9s %-17s %10s %10s %10s %10s %10s\n", "placement", "transport", "p50",
			"min p50", "max p50", "p99", "p99.9");
}

static void print(const struct plan_case *plan_case)
{
	struct summary p50, p99, p999;
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		plan_name(name, plan_case, &plan_case->entries[i]);
		p50 = report_summary(name, "p50");
		p99 = report_summary(name, "p99");
		p999 = report_summary(name, "p99.9");
		printf("%-9s %-17s %10.2f %10.2f %10.2f %10.2f %10.2f\n",
				placement_name(plan_case->placement),
				plan_case->entries[i].transport->name, p50.median / 1e3,
				p50.min / 1e3, p50.max / 1e3, p99.median / 1e3,
				p999.median / 1e3);
	}
}

const struct table table_echo = {
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
