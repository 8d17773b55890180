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

struct idle_samples {
	struct samples connect;
	struct samples cpu;
	struct samples sleeps;
	struct samples calls;
	struct samples sender_memory;
	struct samples receiver_memory;
	struct samples sender_descriptors;
	struct samples receiver_descriptors;
};

static void keep(void *arg, const struct round_setup *setup)
{
	struct idle_samples *samples = arg;
	struct idle_figures figures;

	round_idle(&figures, setup);
	samples_add(&samples->connect, figures.connect_ns);
	samples_add(&samples->cpu, figures.cpu_ns);
	samples_add(&samples->sleeps, figures.sleeps);
	if (figures.system_calls >= 0)
		samples_add(&samples->calls, figures.system_calls);
	samples_add(&samples->sender_memory, figures.sender_memory);
	samples_add(&samples->receiver_memory, figures.receiver_memory);
	samples_add(&samples->sender_descriptors, figures.sender_descriptors);
	samples_add(&samples->receiver_descriptors, figures.receiver_descriptors);
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

/* KiB for each connection more; in a line that cannot be compared with another
 * nothing. */
static struct samples each(
		const struct samples *many, const struct samples *few, unsigned more)
{
	struct samples samples = { .count = 0 };

	for (unsigned i = 0; i < many->count && more > 0; i++)
		samples_add(&samples, (many->values[i] - few->values[i]) / more / 1024);
	return samples;
}

/* Keeps a figure and prints its median; a divisor of 0 is for whole numbers. */
static void print_number(int width, const char *name, const char *what, const char *unit,
		double divisor, const struct samples *samples)
{
	if (samples->count == 0)
		printf(" %*s", width, "-");
	else
		printf(" %*.*f", width, divisor > 0 ? 1 : 0,
				report_add(name, what, unit, samples).median /
						(divisor > 0 ? divisor : 1));
}

static void print_memory(const struct plan_case *plan_case, unsigned line,
		const char *name, const struct idle_samples *samples)
{
	const struct plan_entry *entry = &plan_case->entries[line];
	size_t ring = entry->transport->idle_ring_bytes;
	unsigned base = fewest(plan_case, line);
	unsigned more = entry->idle - plan_case->entries[base].idle;
	struct samples sender = each(
			&samples[line].sender_memory, &samples[base].sender_memory, more);
	struct samples both = { .count = 0 };
	struct samples receiver = each(&samples[line].receiver_memory,
			&samples[base].receiver_memory, more);

	for (unsigned i = 0; i < sender.count; i++)
		samples_add(&both,
				sender.values[i] + receiver.values[i] -
						(double)ring / 1024);
	print_number(8, name, "sender-memory", "KiB/connection", 1, &sender);
	print_number(8, name, "receiver-memory", "KiB/connection", 1, &receiver);
	print_number(8, name, "memory", "KiB/connection", 1, &both);
	printf(" %8zu", ring / 1024);
}

static void print(const struct plan_case *plan_case, const void *arg)
{
	const struct idle_samples *samples = arg;
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		const struct idle_samples *own = &samples[i];

		plan_name(name, plan_case, &plan_case->entries[i]);
		printf("%6u  %-17s", plan_case->entries[i].idle,
				plan_case->entries[i].transport->name);
		print_number(10, name, "connect", "ns", 1e6, &own->connect);
		print_number(9, name, "cpu", "ns/s", 1e3, &own->cpu);
		print_number(9, name, "wake-ups", "1/s", 1, &own->sleeps);
		print_number(8, name, "calls", "1/s", 1, &own->calls);
		print_memory(plan_case, i, name, samples);
		print_number(5, name, "sender-descriptors", "", 0,
				&own->sender_descriptors);
		print_number(5, name, "receiver-descriptors", "", 0,
				&own->receiver_descriptors);
		printf("\n");
	}
}

const struct table table_idle = {
	.line_size = sizeof(struct idle_samples),
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
