/* SPDX-License-Identifier: MIT */
/*
 * Fixed rates: how late a message comes, what it costs, and how often it wakes
 * somebody.
 *
 * System calls are counted in a round of their own, whose times are not used.
 */

#include <stdio.h>
#include <string.h>

#include "table.h"

/* ---- System calls ---------------------------------------------------------------- */

void calls_keep(const char *name, const struct stream_figures *figures)
{
	const char *unit = "per message";

	/* Not to be had here: no figure rather than a wrong one. */
	if (figures->sender.system_calls < 0 || figures->receiver.system_calls < 0)
		return;
	report_sample(name, "sender-calls", unit, figures->sender.system_calls);
	report_sample(name, "receiver-calls", unit, figures->receiver.system_calls);
	report_sample(name, "sender-wake-ups", unit, figures->sender.sleeps);
	report_sample(name, "receiver-wake-ups", unit, figures->receiver.sleeps);
}

void calls_print(const char *name)
{
	if (report_summary(name, "sender-calls").count == 0)
		return;
	printf("          %-40s per message: system calls %.5f + %.5f, wake-ups %.5f + "
	       "%.5f\n",
			name, report_summary(name, "sender-calls").median,
			report_summary(name, "receiver-calls").median,
			report_summary(name, "sender-wake-ups").median,
			report_summary(name, "receiver-wake-ups").median);
}

/* ---- Latencies and costs ---------------------------------------------------------- */

static void keep(const struct plan_case *plan_case, unsigned line,
		const struct round_setup *setup)
{
	struct stream_figures figures;
	char name[PLAN_NAME_MAX];

	plan_name(name, plan_case, &plan_case->entries[line]);
	round_stream(&figures, setup);
	if (setup->counts_calls) {
		calls_keep(name, &figures);
		return;
	}
	report_sample(name, "", "messages/s", figures.messages_per_second);
	report_sample(name, "p50", "ns", figures.latency.p50_ns);
	report_sample(name, "p99", "ns", figures.latency.p99_ns);
	report_sample(name, "p99.9", "ns", figures.latency.p999_ns);
	report_sample(name, "sender-cpu", "ns/message", figures.sender.cpu_ns);
	report_sample(name, "receiver-cpu", "ns/message", figures.receiver.cpu_ns);
	report_sample(name, "cpu", "ns/message",
			figures.sender.cpu_ns + figures.receiver.cpu_ns);
}

static void print_header(const struct plan_case *plan_case)
{
	printf("\nOne way at a fixed rate, %zu bytes, %s; medians of the rounds\n",
			plan_case->size, placement_name(plan_case->placement));
	printf("%10s  %-17s %30s %30s %10s\n", "", "", "latency, microseconds",
			"CPU microseconds per message", "times buf-");
	printf("%10s  %-17s %10s %10s %8s %10s %10s %8s %10s %10s\n", "messages/s",
			"transport", "p50", "p99", "p99.9", "sender", "receiver", "both",
			"ferevent", "came/s");
}

static void print_line(const struct plan_case *plan_case, unsigned line)
{
	unsigned baseline = table_baseline(plan_case, line);
	struct summary cpu, base;
	char name[PLAN_NAME_MAX];

	plan_name(name, plan_case, &plan_case->entries[baseline]);
	base = report_summary(name, "cpu");
	plan_name(name, plan_case, &plan_case->entries[line]);
	cpu = report_summary(name, "cpu");
	printf("%10.0f  %-17s %10.2f %10.2f %8.1f %10.3f %10.3f %8.3f %10.2f %10.0f\n",
			plan_case->rate, plan_case->entries[line].transport->name,
			report_summary(name, "p50").median / 1e3,
			report_summary(name, "p99").median / 1e3,
			report_summary(name, "p99.9").median / 1e3,
			report_summary(name, "sender-cpu").median / 1e3,
			report_summary(name, "receiver-cpu").median / 1e3,
			cpu.median / 1e3, cpu.median / base.median,
			report_summary(name, "").median);
}

static void print(const struct plan_case *plan_case)
{
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan_case->entry_count; i++)
		print_line(plan_case, i);
	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		plan_name(name, plan_case, &plan_case->entries[i]);
		calls_print(name);
	}
}

const struct table table_rate = {
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
