/* SPDX-License-Identifier: MIT */
/*
 * Running the plan, and printing it.
 *
 * The rounds of a case take turns (A B C A B C ...), so that a machine that becomes
 * slower for a while does so for all transports, and ratios stand even where figures
 * wander. Medians, because the disturbances are one-sided.
 */

#include "tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"
#include "report.h"

#define BASELINE "bufferevent"

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
		const struct plan_case *plan_case, const struct transport *transport)
{
	return (struct round_setup){
		.transport = transport,
		.placement = plan_case->placement,
		.size = plan_case->size,
		.senders = plan_case->senders,
		.capacity = options->capacity,
		.touch_all = plan_case->kind == PLAN_TOUCH,
		.one_per_turn = plan_case->kind == PLAN_SINGLE,
		.warm_up = options->warm_up,
		.seconds = options->seconds,
	};
}

/* Runs all rounds of a case; keep() runs one, and keeps what it gave. */
static void run_rounds(struct plan *plan, const struct plan_case *plan_case,
		void (*keep)(void *arg, unsigned index, const struct round_setup *setup),
		void *arg)
{
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan->options->repeat; i++)
		for (unsigned j = 0; j < plan_case->transport_count; j++) {
			struct round_setup setup = setup_of(plan->options, plan_case,
					plan_case->transports[j]);

			plan_name(name, plan_case, plan_case->transports[j]);
			show_progress(plan, name, i);
			keep(arg, j, &setup);
			plan->rounds_done++;
		}
	hide_progress();
}

/* ---- Streams ----------------------------------------------------------------- */

struct stream_samples {
	struct samples rate;
	struct samples sender_cpu;
	struct samples receiver_cpu;
	struct samples least_share;
};

static void keep_stream(void *arg, unsigned index, const struct round_setup *setup)
{
	struct stream_samples *samples = (struct stream_samples *)arg + index;
	struct stream_figures figures;

	round_stream(&figures, setup);
	samples_add(&samples->rate, figures.messages_per_second);
	samples_add(&samples->sender_cpu, figures.sender_cpu_ns);
	samples_add(&samples->receiver_cpu, figures.receiver_cpu_ns);
	samples_add(&samples->least_share, figures.least_share);
}

static void print_stream_header(const struct plan_case *plan_case)
{
	static const char *const kinds[] = {
		[PLAN_STREAM] = "",
		[PLAN_TOUCH] = "; the receiver reads every byte",
		[PLAN_SINGLE] = "; one message per turn of the sender's loop",
	};

	printf("\nOne way, %u sender%s, %s%s\n", plan_case->senders,
			plan_case->senders == 1 ? "" : "s",
			placement_name(plan_case->placement), kinds[plan_case->kind]);
	printf("%27s %32s %10s %8s %19s %6s\n", "", "thousand messages/s", "",
			"times buf-", "CPU ns per message", "least");
	printf("%8s  %-17s %10s %10s %10s %10s %10s %10s %8s %6s\n", "bytes", "transport",
			"median", "min", "max", "MB/s", "ferevent", "senders", "receiver",
			"share");
}

static void print_stream_row(const struct plan_case *plan_case, const char *transport,
		const struct summary *rate, double baseline)
{
	printf("%8zu  %-17s %10.2f %10.2f %10.2f %10.1f ", plan_case->size, transport,
			rate->median / 1e3, rate->min / 1e3, rate->max / 1e3,
			rate->median * (double)plan_case->size / 1e6);
	if (baseline > 0)
		printf("%10.2f", rate->median / baseline);
	else
		printf("%10s", "-");
}

static void print_stream(
		const struct plan_case *plan_case, const struct stream_samples *samples)
{
	struct summary rates[PLAN_TRANSPORTS_MAX];
	char name[PLAN_NAME_MAX];
	double baseline = 0;

	for (unsigned i = 0; i < plan_case->transport_count; i++) {
		plan_name(name, plan_case, plan_case->transports[i]);
		rates[i] = report_add(name, "", "messages/s", &samples[i].rate);
		if (strcmp(plan_case->transports[i]->name, BASELINE) == 0)
			baseline = rates[i].median;
	}
	for (unsigned i = 0; i < plan_case->transport_count; i++) {
		plan_name(name, plan_case, plan_case->transports[i]);
		print_stream_row(plan_case, plan_case->transports[i]->name, &rates[i],
				baseline);
		printf(" %10.1f",
				report_add(name, "sender-cpu", "ns/message",
						&samples[i].sender_cpu)
						.median);
		printf(" %8.1f",
				report_add(name, "receiver-cpu", "ns/message",
						&samples[i].receiver_cpu)
						.median);
		printf(" %6.2f\n",
				report_add(name, "least-share", "of a fair share",
						&samples[i].least_share)
						.median);
	}
}

static void run_stream_case(struct plan *plan, const struct plan_case *plan_case)
{
	struct stream_samples *samples = calloc(PLAN_TRANSPORTS_MAX, sizeof(*samples));

	if (!samples)
		process_die("no memory for samples");
	run_rounds(plan, plan_case, keep_stream, samples);
	print_stream(plan_case, samples);
	free(samples);
}

/* ---- Round trips ------------------------------------------------------------- */

struct echo_samples {
	struct samples p50;
	struct samples p99;
	struct samples p999;
};

static void keep_echo(void *arg, unsigned index, const struct round_setup *setup)
{
	struct echo_samples *samples = (struct echo_samples *)arg + index;
	struct echo_figures figures;

	round_echo(&figures, setup);
	samples_add(&samples->p50, figures.p50_ns);
	samples_add(&samples->p99, figures.p99_ns);
	samples_add(&samples->p999, figures.p999_ns);
}

static void print_echo_header(const struct plan_case *plan_case)
{
	printf("\nRound trip between two loops, %zu bytes; microseconds, medians of the "
	       "rounds\n",
			plan_case->size);
	printf("%-9s %-17s %10s %10s %10s %10s %10s\n", "placement", "transport", "p50",
			"min p50", "max p50", "p99", "p99.9");
}

static void print_echo_row(const struct plan_case *plan_case,
		const struct transport *transport, const struct echo_samples *samples)
{
	struct summary p50, p99, p999;
	char name[PLAN_NAME_MAX];

	plan_name(name, plan_case, transport);
	p50 = report_add(name, "p50", "ns", &samples->p50);
	p99 = report_add(name, "p99", "ns", &samples->p99);
	p999 = report_add(name, "p99.9", "ns", &samples->p999);
	printf("%-9s %-17s %10.2f %10.2f %10.2f %10.2f %10.2f\n",
			placement_name(plan_case->placement), transport->name,
			p50.median / 1e3, p50.min / 1e3, p50.max / 1e3, p99.median / 1e3,
			p999.median / 1e3);
}

static void run_echo_case(struct plan *plan, const struct plan_case *plan_case)
{
	struct echo_samples *samples = calloc(PLAN_TRANSPORTS_MAX, sizeof(*samples));

	if (!samples)
		process_die("no memory for samples");
	run_rounds(plan, plan_case, keep_echo, samples);
	for (unsigned i = 0; i < plan_case->transport_count; i++)
		print_echo_row(plan_case, plan_case->transports[i], &samples[i]);
	free(samples);
}

/* ---- All --------------------------------------------------------------------- */

static bool same_table(const struct plan_case *a, const struct plan_case *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == PLAN_ECHO ||
			(a->senders == b->senders && a->placement == b->placement);
}

void tables_print_cases(struct plan *plan)
{
	for (unsigned i = 0; i < plan->case_count; i++) {
		const struct plan_case *plan_case = &plan->cases[i];
		bool is_first = i == 0 || !same_table(plan_case, plan_case - 1);

		if (plan_case->kind == PLAN_ECHO) {
			if (is_first)
				print_echo_header(plan_case);
			run_echo_case(plan, plan_case);
		} else {
			if (is_first)
				print_stream_header(plan_case);
			run_stream_case(plan, plan_case);
		}
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
