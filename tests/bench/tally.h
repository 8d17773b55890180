/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_TALLY_H
#define EVCHAN_BENCH_TALLY_H

/*
 * What the receiver does with each message, whatever carried it: reads its first and
 * last bytes (or all), checks that none is missing, out of order or torn, and counts.
 * The only place that counts anything.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "board.h"
#include "payload.h"

/* What of a message is read besides its first and its last bytes. */
enum tally_reads {
	TALLY_READS_ENDS, /* nothing */
	TALLY_READS_ALL,
	TALLY_READS_STAMP, /* when it was sent */
};

struct tally {
	struct board *board;
	uint64_t messages;
	size_t size;
	unsigned senders;
	unsigned phase;
	enum tally_reads reads;
	bool is_over;
	/* Word 0 of the next message of each sender. */
	uint64_t expected[BOARD_SENDERS_MAX];
};

void tally_init(struct tally *tally, struct board *board, size_t size, unsigned senders,
		enum tally_reads reads);

/* The paths that are not every message's. The first takes the first message of a
 * sender, and ends the process, loudly, for any other that was not expected. */
void tally_take_unexpected(struct tally *tally, const void *data, size_t size);
void tally_enter_phase(struct tally *tally, unsigned phase);
void tally_read_more(const struct tally *tally, const void *data);

static inline uint64_t tally_word(const void *data, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const unsigned char *)data + offset, sizeof(word));
	return word;
}

/* Takes one message. Whether the round is over, and the receiver may leave its loop. */
static inline bool tally_message(struct tally *tally, const void *data, size_t size)
{
	unsigned phase = atomic_load_explicit(&tally->board->phase, memory_order_relaxed);
	uint64_t first = 0;
	uint64_t sender = BOARD_SENDERS_MAX;

	if (tally->is_over)
		return true;
	if (size == tally->size) {
		first = tally_word(data, 0);
		sender = first >> PAYLOAD_SENDER_SHIFT;
	}
	if (sender < tally->senders && tally->expected[sender] == first &&
			tally_word(data, size - 8) == ~first)
		tally->expected[sender] = first + 1;
	else
		tally_take_unexpected(tally, data, size);
	tally->messages++;
	if (tally->reads != TALLY_READS_ENDS)
		tally_read_more(tally, data);
	if (phase != tally->phase)
		tally_enter_phase(tally, phase);
	return tally->is_over;
}

#endif
