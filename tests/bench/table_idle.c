/* SPDX-License-Identifier: MIT */
/*
 * Idle connections: what they cost while nothing is sent.
 *
 * What one connection takes of memory is what each takes beyond the fewest of the
 * table, which is without what the processes take by themselves. Ring pages that the
 * sender has touched beforehand are shown apart.
 */

#include <stdio.h>
#include <string.h>

#include "table.h"

/* The line of the same transport with the fewest connections. */
static unsigned fewest(const struct plan_case *plan_case, unsigned line)
{
	unsigned found = line;

	for (unsigned i = 0; i < plan_case->entry_count; i++)
		if (plan_case->entries[i].transport ==
						plan_case->entries[line].transport &&
				plan_case->entries[i].idle <
						plan_case->entries[found].idle)
			found = i;
	return found;
}

/* One side's, without what the process takes by itself; and a line that cannot be
 * compared with another has none. The line with the fewest comes first, so it has had
 * this round, too. */
static void keep_memory(
		const struct plan_case *plan_case, unsigned line, const char *name)
{
	const struct plan_entry *entry = &plan_case->entries[line];
	unsigned base = fewest(plan_case, line);
	unsigned more = entry->idle - plan_case->entries[base].idle;
	unsigned round = report_summary(name, "sender-process").count - 1;
	double sender, receiver;
	char few[PLAN_NAME_MAX];

	if (more == 0)
		return;
	plan_name(few, plan_case, &plan_case->entries[base]);
	sender = (report_value(name, "sender-process", round) -
				 report_value(few, "sender-process", round)) /
			more;
	receiver = (report_value(name, "receiver-process", round) -
				   report_value(few, "receiver-process", round)) /
			more;
	report_sample(name, "sender-memory", "KiB/connection", sender);
	report_sample(name, "receiver-memory", "KiB/connection", receiver);
	report_sample(name, "memory", "KiB/connection",
			sender + receiver -
					(double)entry->transport->idle_ring_bytes / 1024);
}

static void keep(const struct plan_case *plan_case, unsigned line,
		const struct round_setup *setup)
{
	struct idle_figures figures;
	char name[PLAN_NAME_MAX];

	round_idle(&figures, setup);
	plan_name(name, plan_case, &plan_case->entries[line]);
	report_sample(name, "connect", "ns", figures.connect_ns);
	report_sample(name, "cpu", "ns/s", figures.cpu_ns);
	report_sample(name, "wake-ups", "1/s", figures.sleeps);
	if (figures.system_calls >= 0)
		report_sample(name, "calls", "1/s", figures.system_calls);
	report_sample(name, "sender-process", "KiB", figures.sender_memory / 1024);
	report_sample(name, "receiver-process", "KiB", figures.receiver_memory / 1024);
	keep_memory(plan_case, line, name);
	report_sample(name, "sender-descriptors", "", figures.sender_descriptors);
	report_sample(name, "receiver-descriptors", "", figures.receiver_descriptors);
}

static void print_header(const struct plan_case *plan_case)
{
	(void)plan_case;
	printf("\nIdle connections of one process; each second they take, of both sides "
	       "together,\n"
	       "and KiB of memory per connection\n");
	printf("%6s  %-17s %10s %9s %9s %8s %8s %8s %8s %8s %12s\n", "number",
			"transport", "connect ms", "CPU us/s", "wakes/s", "calls/s",
			"sender", "receiver", "but ring", "ring", "descriptors");
}

/* Prints a median; a divisor of 0 is for whole numbers. */
static void print_number(int width, const char *name, const char *what, double divisor)
{
	struct summary summary = report_summary(name, what);

	if (summary.count == 0)
		printf(" %*s", width, "-");
	else
		printf(" %*.*f", width, divisor > 0 ? 1 : 0,
				summary.median / (divisor > 0 ? divisor : 1));
}

static void print(const struct plan_case *plan_case)
{
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		const struct plan_entry *entry = &plan_case->entries[i];

		plan_name(name, plan_case, entry);
		printf("%6u  %-17s", entry->idle, entry->transport->name);
		print_number(10, name, "connect", 1e6);
		print_number(9, name, "cpu", 1e3);
		print_number(9, name, "wake-ups", 1);
		print_number(8, name, "calls", 1);
		print_number(8, name, "sender-memory", 1);
		print_number(8, name, "receiver-memory", 1);
		print_number(8, name, "memory", 1);
		printf(" %8zu", entry->transport->idle_ring_bytes / 1024);
		print_number(5, name, "sender-descriptors", 0);
		print_number(5, name, "receiver-descriptors", 0);
		printf("\n");
	}
}

const struct table table_idle = {
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
