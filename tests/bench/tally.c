/* SPDX-License-Identifier: MIT */
/*
 * Counting: what happens once per sender or once per phase, and the reading of whole
 * messages.
 *
 * A message that is not the one expected ends the benchmark: a transport that loses,
 * repeats or tears messages has no speed worth printing.
 */

#include "tally.h"

#include <inttypes.h>

#include "process.h"

/* No message has this for its first word. */
#define NOTHING_YET UINT64_MAX

void tally_init(struct tally *tally, struct board *board, size_t size, unsigned senders,
		enum tally_reads reads)
{
	memset(tally, 0, sizeof(*tally));
	tally->board = board;
	tally->size = size;
	tally->senders = senders;
	tally->reads = reads;
	tally->phase = PHASE_WARM_UP;
	for (unsigned i = 0; i < BOARD_SENDERS_MAX; i++)
		tally->expected[i] = NOTHING_YET;
}

void tally_take_unexpected(struct tally *tally, const void *data, size_t size)
{
	uint64_t first, last, sender;

	if (size != tally->size)
		process_die("a message of %zu bytes came instead of %zu", size,
				tally->size);
	first = tally_word(data, 0);
	last = tally_word(data, size - 8);
	sender = first >> PAYLOAD_SENDER_SHIFT;
	if (sender >= tally->senders || last != ~first)
		process_die("a message is torn: %016" PRIx64 " ... %016" PRIx64, first,
				last);
	if (tally->expected[sender] != NOTHING_YET ||
			first != sender << PAYLOAD_SENDER_SHIFT)
		process_die("lost or out of order: %016" PRIx64
			    " came instead of %016" PRIx64,
				first, tally->expected[sender]);
	tally->expected[sender] = first + 1;
	atomic_fetch_add(&tally->board->joined, 1);
}

static void mark(const struct tally *tally, struct board_mark *mark)
{
	mark->time_ns = process_now_ns();
	mark->messages = tally->messages;
	for (unsigned i = 0; i < tally->senders; i++)
		mark->messages_of[i] = tally->expected[i] -
				((uint64_t)i << PAYLOAD_SENDER_SHIFT);
}

void tally_enter_phase(struct tally *tally, unsigned phase)
{
	if (phase == PHASE_MEASURE) {
		mark(tally, &tally->board->begin);
	} else if (phase == PHASE_OVER) {
		mark(tally, &tally->board->end);
		tally->is_over = true;
	}
	tally->phase = phase;
	atomic_store(&tally->board->phase_seen, phase);
}

/* Beyond the last sample there is none: a round longer than that says no more. */
static void keep_latency(const struct tally *tally, uint64_t sent_ns)
{
	struct board *board = tally->board;
	uint64_t nanoseconds = process_now_ns() - sent_ns;

	if (tally->phase != PHASE_MEASURE || board->sample_count == BOARD_SAMPLES_MAX)
		return;
	board->samples_ns[board->sample_count++] =
			nanoseconds < UINT32_MAX ? (uint32_t)nanoseconds : UINT32_MAX;
}

static void read_all(const struct tally *tally, const void *data)
{
	size_t words = tally->size / 8 - 2;
	uint64_t sum = 0;

	for (size_t i = 1; i <= words; i++)
		sum += tally_word(data, i * 8);
	if (sum != words * PAYLOAD_FILLER)
		process_die("a message is torn in the middle");
}

void tally_read_more(const struct tally *tally, const void *data)
{
	if (tally->reads == TALLY_READS_STAMP)
		keep_latency(tally, tally_word(data, 8));
	else
		read_all(tally, data);
}
