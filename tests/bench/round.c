/* SPDX-License-Identifier: MIT */
/*
 * One round.
 *
 * Each round has new processes and new channels, so that no transport inherits
 * another's caches, buffers or luck with placement. The driver sleeps while the clock
 * runs; it decides when a phase begins, the receiver notes at which message it did
 * (board.h).
 *
 * CPU times are read at the same two moments from the clocks of the children, so that
 * starting and ending is not charged to the messages.
 */

#include "round.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Nothing takes that long: neither joining, nor the next message, nor ending. */
#define PATIENCE_SECONDS 20.0
#define POLL_SECONDS 0.0005

struct round {
	const struct round_setup *setup;
	struct board *board;
	char address[64];
	unsigned starting; /* number of the sender that is being forked, from 1 */
	pid_t receiver;
	pid_t senders[BOARD_SENDERS_MAX];
};

static void round_init(struct round *round, const struct round_setup *setup)
{
	static unsigned count;

	round->setup = setup;
	round->board = mmap(NULL, sizeof(*round->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (round->board == MAP_FAILED)
		process_die("no memory for a round");
	snprintf(round->address, sizeof(round->address), "@evchan-bench-%ld-%u",
			(long)getpid(), count++);
}

static void round_deinit(struct round *round)
{
	munmap(round->board, sizeof(*round->board));
}

uint64_t round_capacity(const struct round_setup *setup)
{
	uint64_t capacity = setup->capacity;

	/* At least four messages, or sender and receiver could hardly work at the same
	 * time. */
	while (capacity < 4 * (uint64_t)setup->size)
		capacity *= 2;
	return capacity;
}

/* Waits until a word of the board is what it should become, and watches the processes
 * meanwhile. */
static void await(const struct round *round, const _Atomic unsigned *word, unsigned value,
		const char *what)
{
	uint64_t end = process_now_ns() + (uint64_t)(PATIENCE_SECONDS * 1e9);

	while (atomic_load(word) != value) {
		if (process_has_ended(round->receiver))
			process_die("%s: the receiver ended early",
					round->setup->transport->name);
		if (process_now_ns() > end)
			process_die("%s: still waiting until %s after %.0f s",
					round->setup->transport->name, what,
					PATIENCE_SECONDS);
		process_sleep(POLL_SECONDS);
	}
}

/* ---- Streams ----------------------------------------------------------------- */

static void run_receiver(void *arg)
{
	struct round *round = arg;
	const struct round_setup *setup = round->setup;
	struct receiver_task task = { .address = round->address };

	process_pin(setup->placement, 0);
	tally_init(&task.tally, round->board, setup->size, setup->senders,
			setup->touch_all);
	setup->transport->receive(&task);
}

static void run_sender(void *arg)
{
	struct round *round = arg;
	const struct round_setup *setup = round->setup;
	struct sender_task task = {
		.address = round->address,
		.capacity = round_capacity(setup),
		.turn_messages = setup->one_per_turn ? 1 : UINT_MAX,
	};

	process_pin(setup->placement, round->starting);
	payload_init(&task.payload, round->starting - 1, setup->size);
	setup->transport->send(&task);
	payload_deinit(&task.payload);
}

static void start_stream(struct round *round)
{
	round->receiver = process_start(run_receiver, round);
	await(round, &round->board->ready, 1, "the receiver listens");
	for (unsigned i = 0; i < round->setup->senders; i++) {
		round->starting = i + 1;
		round->senders[i] = process_start(run_sender, round);
	}
	await(round, &round->board->joined, round->setup->senders,
			"every sender is heard");
}

static uint64_t senders_cpu_ns(const struct round *round)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < round->setup->senders; i++)
		sum += process_cpu_ns(round->senders[i]);
	return sum;
}

/* CPU times between the phases; the board has the rest. */
static void measure(struct round *round, uint64_t *senders_ns, uint64_t *receiver_ns)
{
	process_sleep(round->setup->warm_up);
	atomic_store(&round->board->phase, PHASE_MEASURE);
	await(round, &round->board->phase_seen, PHASE_MEASURE, "one more message comes");
	*senders_ns = senders_cpu_ns(round);
	*receiver_ns = process_cpu_ns(round->receiver);
	process_sleep(round->setup->seconds);
	*senders_ns = senders_cpu_ns(round) - *senders_ns;
	*receiver_ns = process_cpu_ns(round->receiver) - *receiver_ns;
	atomic_store(&round->board->phase, PHASE_OVER);
}

static void end_stream(struct round *round)
{
	if (!process_wait(round->receiver, PATIENCE_SECONDS))
		process_die("%s: the receiver got no message any more",
				round->setup->transport->name);
	/* Senders notice that the receiver is gone. Where a transport does not tell
	 * them, they are ended after a grace that does no harm. */
	for (unsigned i = 0; i < round->setup->senders; i++)
		if (!process_wait(round->senders[i], 1.0))
			process_kill(round->senders[i]);
}

static double least_share(const struct board *board, unsigned senders, double messages)
{
	double least = 1e300;

	for (unsigned i = 0; i < senders; i++) {
		double share = (double)(board->end.messages_of[i] -
				board->begin.messages_of[i]);

		if (share < least)
			least = share;
	}
	return least * senders / messages;
}

void round_stream(struct stream_figures *figures, const struct round_setup *setup)
{
	uint64_t senders_ns, receiver_ns;
	const struct board *board;
	struct round round;
	double messages;

	round_init(&round, setup);
	start_stream(&round);
	measure(&round, &senders_ns, &receiver_ns);
	end_stream(&round);
	board = round.board;
	messages = (double)(board->end.messages - board->begin.messages);
	figures->messages_per_second = messages /
			((double)(board->end.time_ns - board->begin.time_ns) / 1e9);
	figures->sender_cpu_ns = (double)senders_ns / messages;
	figures->receiver_cpu_ns = (double)receiver_ns / messages;
	figures->least_share = least_share(board, setup->senders, messages);
	figures->messages = board->end.messages;
	round_deinit(&round);
}

/* ---- Round trips ------------------------------------------------------------- */

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

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left;
	uint32_t b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static double percentile(const struct board *board, double part)
{
	uint32_t index = (uint32_t)(part * board->sample_count);

	return board->samples_ns[index < board->sample_count ? index
							     : board->sample_count - 1];
}

void round_echo(struct echo_figures *figures, const struct round_setup *setup)
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
	await(&round, &round.board->ready, 1, "the asker listens");
	answerer = start_echo(&process, false);
	if (!process_wait(round.receiver,
			    setup->warm_up + setup->seconds + PATIENCE_SECONDS))
		process_die("%s: an answer never came", setup->transport->name);
	process_kill(answerer);
	for (int i = 0; i < 2; i++)
		if (process.task.fds[i] >= 0)
			close(process.task.fds[i]);
	qsort(round.board->samples_ns, round.board->sample_count, sizeof(uint32_t),
			compare);
	figures->p50_ns = percentile(round.board, 0.5);
	figures->p99_ns = percentile(round.board, 0.99);
	figures->p999_ns = percentile(round.board, 0.999);
	round_deinit(&round);
}
