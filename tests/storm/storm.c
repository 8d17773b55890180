/* SPDX-License-Identifier: MIT */
/*
 * A storm: see options.c for what it can be told, ledger.h for what it checks.
 *
 * The long form, that the promise of nothing lost is measured by:
 *
 *	storm --seconds 300 --kills-senders 5000 --kills-receivers 1000 \
 *		--messages 50000000 --senders 8 --hold
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "growth.h"
#include "process.h"
#include "schedule.h"
#include "supervisor.h"

#define TURN_NS (MILLISECOND / 2)

static void print_total(const char *name, uint64_t count, const char *more, ...)
		__attribute__((format(printf, 3, 4)));

static void print_total(const char *name, uint64_t count, const char *more, ...)
{
	va_list arguments;

	printf("%-18s  %10" PRIu64 "   ", name, count);
	va_start(arguments, more);
	vprintf(more, arguments);
	va_end(arguments);
	putchar('\n');
}

static void print_blows(const struct supervisor *supervisor)
{
	print_total("senders killed", supervisor->kills_senders,
			"(%" PRIu64 " more left by themselves)", supervisor->leaves);
	print_total("receivers killed", supervisor->kills_receivers,
			"(%" PRIu64 " more shut down in order)", supervisor->shutdowns);
	print_total("processes stopped", supervisor->stops, "for a while");
}

static void print_totals(const struct ledger_totals *totals, double seconds)
{
	print_total("lanes taken over", totals->resumed, "by another receiver");
	print_total("published", totals->published, "(%.2f million a second, for %.1f s)",
			(double)totals->published / seconds / 1e6, seconds);
	print_total("delivered", totals->delivered, "(each counted once)");
	print_total("repeated", totals->repeated,
			"(at once %" PRIu64 " at most; %" PRIu64 " where some were held)",
			totals->repeat_window, totals->repeat_window_held);
	print_total("held", totals->held, "for a while");
	print_total("both ends killed", totals->lanes_with_receiver,
			"lanes with %" PRIu64 " messages",
			totals->messages_with_receiver);
	print_total("died unconnected", totals->lanes_alone,
			"lanes with %" PRIu64 " messages", totals->messages_alone);
	print_total("lost", totals->lost, "messages");
	print_total("out of order", totals->out_of_order, "messages");
	print_total("beyond the window", totals->beyond_window, "messages repeated");
	print_total("otherwise wrong", totals->wrong, "faults");
}

static bool is_right(const struct ledger_totals *totals)
{
	uint64_t faults = totals->lost + totals->out_of_order + totals->beyond_window +
			totals->wrong;
	uint64_t unpromised = totals->messages_alone + totals->messages_with_receiver;

	return faults == 0 && totals->delivered > 0 &&
			totals->published == totals->delivered + unpromised;
}

static bool has_enough(
		const struct supervisor *supervisor, const struct storm_options *options)
{
	return supervisor->kills_senders >= options->kills_senders &&
			supervisor->kills_receivers >= options->kills_receivers &&
			ledger_totals(supervisor->ledger)->delivered >= options->messages;
}

/* Until it has lasted, and has killed, enough; or something is wrong. */
static void rage(struct supervisor *supervisor, struct growth *growth)
{
	const struct storm_options *options = supervisor->options;
	uint64_t end = process_now_ns() + (uint64_t)(options->seconds * (double)SECOND);
	struct schedule schedule;

	schedule_open(&schedule, options);
	while ((process_now_ns() < end || !has_enough(supervisor, options)) &&
			*ledger_wrong(supervisor->ledger) == 0) {
		supervisor_turn(supervisor);
		schedule_turn(&schedule, supervisor);
		growth_look(growth, supervisor);
		process_sleep_ns(TURN_NS);
	}
}

int main(int argc, char **argv)
{
	static struct supervisor supervisor;
	struct storm_options options;
	struct growth growth;
	uint64_t start;
	bool is_good;

	options_read(&options, argc, argv);
	printf("seed %" PRIu64 "\n", options.seed);
	supervisor_open(&supervisor, &options);
	growth_open(&growth, &options);
	start = process_now_ns();
	rage(&supervisor, &growth);
	supervisor_close(&supervisor);
	print_blows(&supervisor);
	print_totals(ledger_totals(supervisor.ledger),
			(double)(process_now_ns() - start) / (double)SECOND);
	is_good = growth_close(&growth);
	is_good = is_right(ledger_totals(supervisor.ledger)) && is_good;
	ledger_free(supervisor.ledger);
	puts(is_good ? "all as promised" : "PROMISES BROKEN");
	return is_good ? 0 : 1;
}
