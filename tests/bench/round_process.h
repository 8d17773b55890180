/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_ROUND_PROCESS_H
#define EVCHAN_BENCH_ROUND_PROCESS_H

/* What the kinds of rounds have in common: their processes. */

#include "round.h"
#include "usage.h"

/* Nothing takes that long: neither joining, nor the next message, nor ending. */
#define PATIENCE_SECONDS 20.0

struct round {
	const struct round_setup *setup;
	struct board *board;
	char address[64];
	unsigned starting; /* number of the sender that is being forked, from 1 */
	pid_t receiver;
	pid_t idle;      /* has the idle connections; 0 none */
	pid_t metronome; /* for the first sender, at a fixed rate; else 0 */
	int pace_fd;
	pid_t senders[BOARD_SENDERS_MAX];
	struct call_counters sender_calls;
	struct call_counters receiver_calls;
};

void round_init(struct round *round, const struct round_setup *setup);
void round_deinit(struct round *round);

/* Waits until a word of the board is what it should become, and watches the processes
 * meanwhile. */
void round_await(const struct round *round, const _Atomic unsigned *word, unsigned value,
		const char *what);

void round_run_receiver(void *arg);

/* Each returns when what it has started is there. */
void round_start_receiver(struct round *round);
void round_start_idle(struct round *round);

/* From the samples on the board; zero if there are none. */
void round_latencies(struct latency_figures *figures, struct board *board);

#endif
