/* SPDX-License-Identifier: MIT */
/*
 * A round of round trips: see echo.h.
 */

#include "round_process.h"

#include <unistd.h>

struct echo_process {
	struct round *round;
	struct echo_task task;
};

static void run_echo(void *arg)
{
	struct echo_process *process = arg;
	const struct round_setup *setup = process->round->setup;
	bool asks = process->task.echo.asks;

	process_pin(setup->placement, asks ? 0 : 1);
	setup->transport->echo(&process->task);
	if (!asks)
		return;
	if (process->task.echo.board->sample_count == 0)
		process_die("%s: not one round trip was made", setup->transport->name);
}

static pid_t start_echo(struct echo_process *process, bool asks)
{
	const struct round_setup *setup = process->round->setup;

	echo_init(&process->task.echo, process->round->board, setup->size, asks,
			setup->warm_up, setup->seconds);
	return process_start(run_echo, process);
}

void round_echo(struct latency_figures *figures, const struct round_setup *setup)
{
	struct round round;
	struct echo_process process = {
		.round = &round,
		.task = { .address = round.address, .fds = { -1, -1 } },
	};
	pid_t answerer;

	round_init(&round, setup);
	process.task.capacity = round_capacity(setup);
	if (setup->transport->prepare_echo)
		setup->transport->prepare_echo(&process.task);
	round.receiver = start_echo(&process, true);
	round_await(&round, &round.board->ready, 1, "the asker listens");
	answerer = start_echo(&process, false);
	if (!process_wait(round.receiver,
			    setup->warm_up + setup->seconds + PATIENCE_SECONDS))
		process_die("%s: an answer never came", setup->transport->name);
	process_kill(answerer);
	for (int i = 0; i < 2; i++)
		if (process.task.fds[i] >= 0)
			close(process.task.fds[i]);
	round_latencies(figures, round.board);
	round_deinit(&round);
}
