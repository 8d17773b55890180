/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_LEDGER_H
#define EVCHAN_STORM_LEDGER_H

/*
 * The reconciliation, by the supervisor, entry by entry as the log comes in: what was
 * published against what was delivered.
 *
 * Of each lane: numbers come in order and without a gap, in each receiver and from one
 * to the next; a new receiver repeats no more than docs/guarantees.md says; a number
 * always has the same sequence; a lane keeps its id. Of a sender that is gone: all it
 * had published was delivered before `left` was told, and nothing that it had not
 * begun. The promise has one end: a sender that dies, and with it the only receiver
 * that had its ring, or while none had it. What those lanes had left is counted apart.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "board.h"
#include "options.h"

struct ledger;

struct ledger_totals {
	uint64_t published;
	uint64_t delivered; /* each once */
	uint64_t repeated;
	uint64_t repeat_window;      /* most messages that were repeated at once */
	uint64_t repeat_window_held; /* the same, where messages were held */
	uint64_t held;
	uint64_t resumed; /* times that a lane went on with another receiver */
	uint64_t lanes;   /* of senders that are gone */
	/* Of which nothing was promised in the end, and what they had not delivered:
	 * sender and receiver killed, or no receiver there. */
	uint64_t lanes_with_receiver, messages_with_receiver;
	uint64_t lanes_alone, messages_alone;
	/* What must not be. */
	uint64_t lost;
	uint64_t out_of_order;
	uint64_t beyond_window;
	uint64_t wrong; /* everything else */
};

struct ledger *ledger_new(const struct storm_options *options, struct board *board);
void ledger_free(struct ledger *ledger);

/* Takes all that is in the log now. */
void ledger_take(struct ledger *ledger);

/* Before a sender is started; and when it is gone, with its exit status or minus its
 * signal. */
void ledger_open_lane(struct ledger *ledger, uint32_t lane, unsigned slot);
void ledger_sender_gone(struct ledger *ledger, uint32_t lane, int result);

/* Before a receiver is started; and when it is gone: killed, or shut down in order. */
void ledger_receiver_started(struct ledger *ledger, uint32_t generation);
void ledger_receiver_gone(struct ledger *ledger, bool in_order);

/* Whether a sender is gone whose lane the receiver has, and has not delivered to the
 * end. */
bool ledger_owes(const struct ledger *ledger);

/* Messages of a lane that were delivered. */
uint64_t ledger_progress(const struct ledger *ledger, uint32_t lane);

/* After the last of all: whatever is still open is wrong. */
void ledger_close(struct ledger *ledger);

const struct ledger_totals *ledger_totals(const struct ledger *ledger);

/* Something is wrong that is no entry's fault. */
void ledger_fault(struct ledger *ledger, uint64_t *count, uint64_t by, const char *format,
		...) __attribute__((format(printf, 4, 5)));
uint64_t *ledger_wrong(struct ledger *ledger);

#endif
