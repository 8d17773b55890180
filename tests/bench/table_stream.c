/* SPDX-License-Identifier: MIT */
/*
 * Streams: messages per second, and what each costs.
 */

#include <stdio.h>
#include <string.h>

#include "table.h"

struct stream_samples {
	struct samples rate;
	struct samples sender_cpu;
	struct samples receiver_cpu;
	struct samples least_share;
	struct calls_samples calls;
};

static void keep(void *arg, const struct round_setup *setup)
{
	struct stream_samples *samples = arg;
	struct stream_figures figures;

	round_stream(&figures, setup);
	if (setup->counts_calls) {
		if (!setup->transport->is_limit)
			calls_keep(&samples->calls, &figures);
		return;
	}
	samples_add(&samples->rate, figures.messages_per_second);
	samples_add(&samples->sender_cpu, figures.sender.cpu_ns);
	samples_add(&samples->receiver_cpu, figures.receiver.cpu_ns);
	samples_add(&samples->least_share, figures.least_share);
}

static void print_header(const struct plan_case *plan_case)
{
	static const char *const kinds[] = {
		[PLAN_STREAM] = "",
		[PLAN_TOUCH] = "; the receiver reads every byte",
		[PLAN_SINGLE] = "; one message per turn of the sender's loop",
		[PLAN_MANY] = "",
		[PLAN_CROWD] = "; other connections are idle",
	};
	const char *placement = placement_name(plan_case->placement);
	unsigned senders = plan_case->entries[0].senders;

	if (plan_case->kind == PLAN_MANY || plan_case->kind == PLAN_CROWD)
		printf("\nOne way, numbers of senders compared, %s%s\n", placement,
				kinds[plan_case->kind]);
	else
		printf("\nOne way, %u sender%s, %s%s\n", senders, senders == 1 ? "" : "s",
				placement, kinds[plan_case->kind]);
	printf("%33s %32s %10s %8s %19s %6s\n", "", "thousand messages/s", "",
			"times buf-", "CPU ns per message", "least");
	printf("%8s  %-23s %10s %10s %10s %10s %10s %10s %8s %6s\n", "bytes", "transport",
			"median", "min", "max", "MB/s", "ferevent", "senders", "receiver",
			"share");
}

/* What distinguishes a line of this kind of table. */
static void print_label(const struct plan_case *plan_case, const struct plan_entry *entry)
{
	char label[64];

	if (plan_case->kind == PLAN_CROWD)
		snprintf(label, sizeof(label), "%s %u of %u", entry->transport->name,
				entry->senders, entry->senders + entry->idle);
	else if (plan_case->kind == PLAN_MANY)
		snprintf(label, sizeof(label), "%s %u", entry->transport->name,
				entry->senders);
	else
		snprintf(label, sizeof(label), "%s", entry->transport->name);
	printf("%8zu  %-23s", plan_case->size, label);
}

unsigned table_baseline(const struct plan_case *plan_case, unsigned line)
{
	const struct plan_entry *entry = &plan_case->entries[line];

	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		const struct plan_entry *other = &plan_case->entries[i];

		if (strcmp(other->transport->name, TABLE_BASELINE) == 0 &&
				other->senders == entry->senders &&
				other->idle == entry->idle)
			return i;
	}
	return line;
}

static void print_line(const struct plan_case *plan_case, unsigned line,
		const struct stream_samples *samples, const struct summary *rates)
{
	const struct plan_entry *entry = &plan_case->entries[line];
	const struct stream_samples *own = &samples[line];
	unsigned baseline = table_baseline(plan_case, line);
	struct summary sender, receiver, share;
	char name[PLAN_NAME_MAX];

	plan_name(name, plan_case, entry);
	sender = report_add(name, "sender-cpu", "ns/message", &own->sender_cpu);
	receiver = report_add(name, "receiver-cpu", "ns/message", &own->receiver_cpu);
	share = report_add(name, "least-share", "of a fair share", &own->least_share);
	print_label(plan_case, entry);
	printf(" %10.2f %10.2f %10.2f %10.1f ", rates[line].median / 1e3,
			rates[line].min / 1e3, rates[line].max / 1e3,
			rates[line].median * (double)plan_case->size / 1e6);
	if (strcmp(plan_case->entries[baseline].transport->name, TABLE_BASELINE) == 0)
		printf("%10.2f", rates[line].median / rates[baseline].median);
	else
		printf("%10s", "-");
	printf(" %10.1f %8.1f %6.2f\n", sender.median, receiver.median, share.median);
}

static void print(const struct plan_case *plan_case, const void *arg)
{
	const struct stream_samples *samples = arg;
	struct summary rates[PLAN_ENTRIES_MAX];
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		plan_name(name, plan_case, &plan_case->entries[i]);
		rates[i] = report_add(name, "", "messages/s", &samples[i].rate);
	}
	for (unsigned i = 0; i < plan_case->entry_count; i++)
		print_line(plan_case, i, samples, rates);
	for (unsigned i = 0; i < plan_case->entry_count; i++) {
		plan_name(name, plan_case, &plan_case->entries[i]);
		calls_print(name, &samples[i].calls);
	}
}

const struct table table_stream = {
	.line_size = sizeof(struct stream_samples),
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
