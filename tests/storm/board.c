/* SPDX-License-Identifier: MIT */
/*
 * The log: a ring of entries with one writer and one reader. The writer may change: a
 * new receiver goes on behind the count that a dead one has left.
 *
 * A receiver waits here, inside its callback, while the supervisor is behind: it is
 * then like any application that is slow.
 */

#include "board.h"

#include <stddef.h>

#include "process.h"

struct board *board_new(void)
{
	return process_share(sizeof(struct board));
}

void board_log(struct board *board, const struct log_entry *entry)
{
	uint64_t written = atomic_load_explicit(&board->written, memory_order_relaxed);

	while (written - atomic_load_explicit(&board->taken, memory_order_acquire) >=
			LOG_ENTRIES)
		process_sleep_ns(MILLISECOND / 10);
	board->log[written % LOG_ENTRIES] = *entry;
	atomic_store_explicit(&board->written, written + 1, memory_order_release);
}

const struct log_entry *board_log_next(struct board *board)
{
	uint64_t taken = atomic_load_explicit(&board->taken, memory_order_relaxed);

	if (taken == atomic_load_explicit(&board->written, memory_order_acquire))
		return NULL;
	return &board->log[taken % LOG_ENTRIES];
}

void board_log_done(struct board *board)
{
	uint64_t taken = atomic_load_explicit(&board->taken, memory_order_relaxed);

	atomic_store_explicit(&board->taken, taken + 1, memory_order_release);
}
