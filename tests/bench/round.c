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

#include "round_process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pacer.h"

#define POLL_SECONDS 0.0005
#define GRACE_SECONDS 1.0

void round_init(struct round *round, const struct round_setup *setup)
{
	static unsigned count;

	memset(round, 0, sizeof(*round));
	round->setup = setup;
	round->pace_fd = -1;
	round->board = mmap(NULL, sizeof(*round->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (round->board == MAP_FAILED)
		process_die("no memory for a round");
	snprintf(round->address, sizeof(round->address), "@evchan-bench-%ld-%u",
			(long)getpid(), count++);
}

void round_deinit(struct round *round)
{
	if (round->pace_fd >= 0)
		close(round->pace_fd);
	call_counters_deinit(&round->sender_calls);
	call_counters_deinit(&round->receiver_calls);
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

void round_await(const struct round *round, const _Atomic unsigned *word, unsigned value,
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

void round_latencies(struct latency_figures *figures, struct board *board)
{
	memset(figures, 0, sizeof(*figures));
	if (board->sample_count == 0)
		return;
	qsort(board->samples_ns, board->sample_count, sizeof(uint32_t), compare);
	figures->p50_ns = percentile(board, 0.5);
	figures->p99_ns = percentile(board, 0.99);
	figures->p999_ns = percentile(board, 0.999);
}

static enum tally_reads reads_of(const struct round_setup *setup)
{
	if (setup->rate > 0)
		return TALLY_READS_STAMP;
	return setup->touch_all ? TALLY_READS_ALL : TALLY_READS_ENDS;
}

/* ---- Streams ----------------------------------------------------------------- */

void round_run_receiver(void *arg)
{
	struct round *round = arg;
	const struct round_setup *setup = round->setup;
	struct receiver_task task = { .address = round->address };

	process_pin(setup->placement, 0);
	tally_init(&task.tally, round->board, setup->size, setup->senders,
			reads_of(setup));
	setup->transport->receive(&task);
}

static void run_idle(void *arg)
{
	struct round *round = arg;
	struct idle_task task = {
		.address = round->address,
		.capacity = round->setup->capacity,
		.count = round->setup->idle,
		.board = round->board,
	};

	process_pin(round->setup->placement, 1);
	round->setup->transport->idle(&task);
}

void round_start_idle(struct round *round)
{
	round->idle = process_start(run_idle, round);
	round_await(round, &round->board->arrived, round->setup->idle,
			"all idle connections are there");
}

static void run_sender(void *arg)
{
	struct round *round = arg;
	const struct round_setup *setup = round->setup;
	struct sender_task task = {
		.address = round->address,
		.capacity = round_capacity(setup),
		.turn_messages = setup->one_per_turn ? 1 : UINT_MAX,
		.pace_fd = round->pace_fd,
	};

	process_pin(setup->placement, round->starting);
	payload_init(&task.payload, round->starting - 1, setup->size);
	setup->transport->send(&task);
	payload_deinit(&task.payload);
}

void round_start_receiver(struct round *round)
{
	round->receiver = process_start(round_run_receiver, round);
	round_await(round, &round->board->ready, 1, "the receiver listens");
}

static void run_metronome(void *arg)
{
	struct round *round = arg;

	pacer_tick(round->pace_fd, round->setup->rate);
}

/* Before the senders are started. */
static void start_metronome(struct round *round)
{
	if (round->setup->rate == 0)
		return;
	if (round->setup->senders != 1)
		process_die("only one sender has a fixed rate");
	round->pace_fd = pacer_make();
	round->metronome = process_start(run_metronome, round);
}

static void start_stream(struct round *round)
{
	const struct transport *transport = round->setup->transport;

	if (transport->prepare)
		transport->prepare(round->setup->senders);
	round_start_receiver(round);
	if (round->setup->idle)
		round_start_idle(round);
	start_metronome(round);
	for (unsigned i = 0; i < round->setup->senders; i++) {
		round->starting = i + 1;
		round->senders[i] = process_start(run_sender, round);
	}
	/* The processes have what was made; the driver's own copies would hide who is
	 * gone. */
	if (transport->prepare)
		transport->prepare(0);
	round_await(round, &round->board->joined, round->setup->senders,
			"every sender is heard");
}

/* What both sides have used until now. */
struct moment {
	struct usage sender;
	struct usage receiver;
};

static void look(const struct round *round, struct moment *moment)
{
	memset(moment, 0, sizeof(*moment));
	for (unsigned i = 0; i < round->setup->senders; i++)
		usage_add(&moment->sender, round->senders[i]);
	usage_add(&moment->receiver, round->receiver);
	usage_add_calls(&moment->sender, &round->sender_calls);
	usage_add_calls(&moment->receiver, &round->receiver_calls);
}

static void start_counting(struct round *round)
{
	for (unsigned i = 0; i < round->setup->senders; i++)
		call_counters_add(&round->sender_calls, round->senders[i]);
	call_counters_add(&round->receiver_calls, round->receiver);
}

/* What is used between the phases; the board has the rest. */
static void measure(struct round *round, struct moment *begin, struct moment *end)
{
	process_sleep(round->setup->warm_up);
	if (round->setup->counts_calls)
		start_counting(round);
	atomic_store(&round->board->phase, PHASE_MEASURE);
	round_await(round, &round->board->phase_seen, PHASE_MEASURE,
			"one more message comes");
	look(round, begin);
	process_sleep(round->setup->seconds);
	look(round, end);
	atomic_store(&round->board->phase, PHASE_OVER);
}

/* Senders notice that the receiver is gone, in a grace that all have together. Where a
 * transport does not tell them, or they sleep until the next message is due, they are
 * ended. */
static void end_senders(const struct round *round)
{
	bool is_told = !round->setup->transport->is_not_told && round->setup->rate == 0;
	double grace = is_told ? GRACE_SECONDS : 0;
	uint64_t end = process_now_ns() + (uint64_t)(grace * 1e9);

	for (unsigned i = 0; i < round->setup->senders; i++) {
		uint64_t now = process_now_ns();
		double left = now < end ? (double)(end - now) / 1e9 : 0;

		if (!process_wait(round->senders[i], left))
			process_kill(round->senders[i]);
	}
}

static void end_stream(struct round *round)
{
	if (!process_wait(round->receiver, PATIENCE_SECONDS))
		process_die("%s: the receiver got no message any more",
				round->setup->transport->name);
	end_senders(round);
	if (round->idle)
		process_kill(round->idle);
	if (round->metronome)
		process_kill(round->metronome);
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

static struct side_figures side_of(const struct usage *begin, const struct usage *end,
		const struct call_counters *calls, double messages)
{
	struct usage used = usage_since(begin, end);
	bool is_counted = calls->count > 0 && !calls->has_failed;

	return (struct side_figures){
		.cpu_ns = (double)used.cpu_ns / messages,
		.sleeps = (double)used.sleeps / messages,
		.system_calls = is_counted ? (double)used.system_calls / messages : -1,
	};
}

static void fill_figures(struct stream_figures *figures, const struct round *round,
		const struct moment *begin, const struct moment *end)
{
	const struct round_setup *setup = round->setup;
	const struct board *board = round->board;
	double seconds = (double)(board->end.time_ns - board->begin.time_ns) / 1e9;
	double messages = (double)(board->end.messages - board->begin.messages);

	/* Nothing arrives. */
	if (setup->transport == &transport_pacing)
		messages = setup->rate * seconds;
	figures->messages_per_second = messages / seconds;
	figures->sender = side_of(
			&begin->sender, &end->sender, &round->sender_calls, messages);
	figures->receiver = side_of(&begin->receiver, &end->receiver,
			&round->receiver_calls, messages);
	figures->least_share = least_share(board, setup->senders, messages);
	figures->messages = board->end.messages;
}

static void stream_limit(struct stream_figures *figures, const struct round_setup *setup)
{
	double nanoseconds = setup->transport->limit_ns(
			setup->size, round_capacity(setup), setup->seconds);

	figures->messages_per_second = 1e9 / nanoseconds;
	figures->sender.cpu_ns = nanoseconds;
}

void round_stream(struct stream_figures *figures, const struct round_setup *setup)
{
	struct moment begin, end;
	struct round round;

	memset(figures, 0, sizeof(*figures));
	if (setup->transport->limit_ns) {
		stream_limit(figures, setup);
		return;
	}
	round_init(&round, setup);
	start_stream(&round);
	measure(&round, &begin, &end);
	end_stream(&round);
	fill_figures(figures, &round, &begin, &end);
	round_latencies(&figures->latency, round.board);
	round_deinit(&round);
}
