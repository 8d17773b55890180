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

struct rate_samples {
	struct samples rate;
	struct samples p50;
	struct samples p99;
	struct samples p999;
	struct samples sender_cpu;
	struct samples receiver_cpu;
	struct samples cpu;
	struct calls_samples calls;
};

/* ---- System calls ---------------------------------------------------------------- */

void calls_keep(struct calls_samples *samples, const struct stream_figures *figures)
{
	/* Not to be had here: no figure rather than a wrong one. */
	if (figures->sender.system_calls < 0 || figures->receiver.system_calls < 0)
		return;
	samples_add(&samples->sender_calls, figures->sender.system_calls);
	samples_add(&samples->receiver_calls, figures->receiver.system_calls);
	samples_add(&samples->sender_sleeps, figures->sender.sleeps);
	samples_add(&samples->receiver_sleeps, figures->receiver.sleeps);
}

static double add(const char *name, const char *what, const struct samples *samples)
{
	return report_add(name, what, "per message", samples).median;
}

void calls_print(const char *name, const struct calls_samples *samples)
{
	if (samples->sender_calls.count == 0)
		return;
	printf("          %-40s per message: system calls %.5f + %.5f, wake-ups %.5f + "
	       "%.5f\n",
			name, add(name, "sender-calls", &samples->sender_calls),
			add(name, "receiver-calls", &samples->receiver_calls),
			add(name, "sender-wake-ups", &samples->sender_sleeps),
			add(name, "receiver-wake-ups", &samples->receiver_sleeps));
}

/* ---- Latencies and costs ---------------------------------------------------------- */

static void keep(void *arg, const struct round_setup *setup)
{
	struct rate_samples *samples = arg;
	struct stream_figures figures;

	round_stream(&figures, setup);
	if (setup->counts_calls) {
		calls_keep(&samples->calls, &figures);
		return;
	}
	samples_add(&samples->rate, figures.messages_per_second);
	samples_add(&samples->p50, figures.latency.p50_ns);
	samples_add(&samples->p99, figures.latency.p99_ns);
	samples_add(&samples->p999, figures.latency.p999_ns);
	samples_add(&samples->sender_cpu, figures.sender.cpu_ns);
	samples_add(&samples->receiver_cpu, figures.receiver.cpu_ns);
	samples_add(&samples->cpu, figures.sender.cpu_ns + figures.receiver.cpu_ns);
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

static void print_line(const struct plan_case *plan_case, unsigned line,
		const struct rate_samples *samples, const struct summary *cpu)
{
	const struct rate_samples *own = &samples[line];
	unsigned baseline = table_baseline(plan_case, line);
	struct summary p50, p99, p999, sender, receiver, rate;
	char name[PLAN_NAME_MAX];

	plan_name(name, plan_case, &plan_case->entries[line]);
	rate = report_add(name, "", "messages/s", &own->rate);
	p50 = report_add(name, "p50", "ns", &own->p50);
	p99 = report_add(name, "p99", "ns", &own->p99);
	p999 = report_add(name, "p99.9", "ns", &own->p999);
	sender = report_add(name, "sender-cpu", "ns/message", &own->sender_cpu);
	receiver = report_add(name, "receiver-cpu", "ns/message", &own->receiver_cpu);
	printf("%10.0f  %-17s %10.2f %10.2f %8.1f %10.3f %10.3f %8.3f %10.2f %10.0f\n",
			plan_case->rate, plan_case->entries[line].transport->name,
			p50.median / 1e3, p99.median / 1e3, p999.median / 1e3,
			sender.median / 1e3, receiver.median / 1e3,
			cpu[line].median / 1e3, cpu[line].median / cpu[baseline].median,
			rate.median);
}

static void print(const struct plan_case *plan_case, const void *arg)
{
	const struct rate_samples *samples = arg;
	struct summary cpu[PLAN_ENTRIES_MAX];
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		plan_name(name, plan_case, &plan_case->entries[i]);
		cpu[i] = report_add(name, "cpu", "ns/message", &samples[i].cpu);
	}
	for (unsigned i = 0; i < plan_case->entry_count; i++)
		print_line(plan_case, i, samples, cpu);
	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		plan_name(name, plan_case, &plan_case->entries[i]);
		calls_print(name, &samples[i].calls);
	}
}

const struct table table_rate = {
	.line_size = sizeof(struct rate_samples),
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
