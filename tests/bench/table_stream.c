/* SPDX-License-Identifier: MIT */
/*
 * Streams: messages per second, and what each costs.
 */

#include <stdio.h>
#include <string.h>

#include "table.h"

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
	report_sample(name, "sender-cpu", "ns/message", figures.sender.cpu_ns);
	report_sample(name, "receiver-cpu", "ns/message", figures.receiver.cpu_ns);
	report_sample(name, "least-share", "of a fair share", figures.least_share);
}

static void print_header(const struct plan_case *plan_case)
{
	static const char *const kinds[] = {
		[PLAN_STREAM] = "",
		[PLAN_TOUCH] = "; the receiver reads every byte",
		[PLAN_SINGLE] = "; one message per turn of the sender's loop",
		[PLAN_MANY] = "",
		[PLAN_FRAME] = "; written in place",
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

static void print_line(const struct plan_case *plan_case, unsigned line)
{
	const struct plan_entry *entry = &plan_case->entries[line];
	unsigned baseline = table_baseline(plan_case, line);
	struct summary rate, base;
	char name[PLAN_NAME_MAX];

	plan_name(name, plan_case, &plan_case->entries[baseline]);
	base = report_summary(name, "");
	plan_name(name, plan_case, entry);
	rate = report_summary(name, "");
	print_label(plan_case, entry);
	printf(" %10.2f %10.2f %10.2f %10.1f ", rate.median / 1e3, rate.min / 1e3,
			rate.max / 1e3, rate.median * (double)plan_case->size / 1e6);
	if (strcmp(plan_case->entries[baseline].transport->name, TABLE_BASELINE) == 0)
		printf("%10.2f", rate.median / base.median);
	else
		printf("%10s", "-");
	printf(" %10.1f %8.1f %6.2f\n", report_summary(name, "sender-cpu").median,
			report_summary(name, "receiver-cpu").median,
			report_summary(name, "least-share").median);
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

const struct table table_stream = {
	.keep = keep,
	.print_header = print_header,
	.print = print,
};
