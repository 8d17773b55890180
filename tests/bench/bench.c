/* SPDX-License-Identifier: MIT */
/*
 * evchan_bench: how fast is evchan, compared with what a libevent program would use
 * today?
 *
 * Where to read on: transport.h says what is asked of a transport, board.h how a round
 * is timed, round.c runs one, plan.c decides which, tables.c takes turns between
 * transports and prints. README.md says what the figures mean.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "options.h"
#include "plan.h"
#include "report.h"
#include "round.h"
#include "tables.h"

static const struct transport *find_transport(const char *name)
{
	for (unsigned i = 0; transports[i]; i++)
		if (strcmp(transports[i]->name, name) == 0 && transports[i]->send)
			return transports[i];
	process_die("no such transport for streams: %s", name);
}

/* For programs that watch a round from outside: strace, perf, callgrind. */
static void count_one_round(const struct options *options)
{
	struct round_setup setup = {
		.transport = find_transport(options->count),
		.placement = options->placement,
		.size = (size_t)options->sizes.values[0],
		.senders = (unsigned)options->senders.values[0],
		.capacity = options_capacity(options, (size_t)options->sizes.values[0]),
		.warm_up = options->warm_up,
		.seconds = options->seconds,
	};
	struct stream_figures figures;

	round_stream(&figures, &setup);
	printf("%" PRIu64 "\n", figures.messages);
}

int main(int argc, char **argv)
{
	static struct options options;
	static struct plan plan;

	options_read(&options, argc, argv);
	if (options.count) {
		count_one_round(&options);
		return 0;
	}
	plan_init(&plan, &options);
	if (options.lists) {
		plan_print_names(&plan);
		return 0;
	}
	facts_collect(&options);
	report_print_facts();
	fflush(stdout);
	tables_keep_added(&options);
	tables_measure(&plan);
	tables_print(&plan);
	tables_print_added(&options);
	return 0;
}
