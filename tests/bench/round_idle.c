/* SPDX-License-Identifier: MIT */
/*
 * A round in which nothing is sent: a receiver, and one process with all the
 * connections.
 *
 * What is used is counted from when all are there and both processes have come to rest,
 * so that what a connection does when it is new (answers that are read, timers that
 * end) is not charged to those that are idle.
 */

#include "round_process.h"

#include <string.h>

/* Both processes are at rest when they have not run for so long. */
#define REST_SECONDS 0.1

static void look(const struct round *round, struct usage *usage)
{
	memset(usage, 0, sizeof(*usage));
	usage_add(usage, round->receiver);
	usage_add(usage, round->idle);
	usage_add_calls(usage, &round->sender_calls);
}

static void await_rest(const struct round *round)
{
	uint64_t end = process_now_ns() + (uint64_t)(PATIENCE_SECONDS * 1e9);
	struct usage now, before = { 0 };

	for (look(round, &now); now.cpu_ns != before.cpu_ns; look(round, &now)) {
		if (process_now_ns() > end)
			process_die("%s: idle connections do not come to rest",
					round->setup->transport->name);
		before = now;
		process_sleep(REST_SECONDS);
	}
}

static void measure(struct idle_figures *figures, struct round *round)
{
	double seconds = round->setup->seconds;
	struct usage begin, end, used;

	await_rest(round);
	call_counters_add(&round->sender_calls, round->receiver);
	call_counters_add(&round->sender_calls, round->idle);
	look(round, &begin);
	process_sleep(seconds);
	look(round, &end);
	used = usage_since(&begin, &end);
	figures->cpu_ns = (double)used.cpu_ns / seconds;
	figures->sleeps = (double)used.sleeps / seconds;
	figures->system_calls = round->sender_calls.has_failed
			? -1
			: (double)used.system_calls / seconds;
}

void round_idle(struct idle_figures *figures, const struct round_setup *setup)
{
	struct round round;

	memset(figures, 0, sizeof(*figures));
	round_init(&round, setup);
	round_start_receiver(&round);
	round_start_idle(&round);
	figures->connect_ns =
			(double)(round.board->arrived_ns - round.board->connecting_ns);
	measure(figures, &round);
	figures->sender_memory = (double)usage_memory(round.idle);
	figures->receiver_memory = (double)usage_memory(round.receiver);
	figures->sender_descriptors = usage_descriptors(round.idle);
	figures->receiver_descriptors = usage_descriptors(round.receiver);
	process_kill(round.receiver);
	process_kill(round.idle);
	round_deinit(&round);
}
