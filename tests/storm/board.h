/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_BOARD_H
#define EVCHAN_STORM_BOARD_H

/*
 * What outlives every kill, in memory that all processes share.
 *
 * Each life of a sender is a lane, and has a book of its own, in which it alone writes.
 * Receivers, of which there is one at a time, write one log, which the supervisor
 * reads. Each entry is whole before the count that covers it: whatever is killed when,
 * what is counted is true. What happened and is not counted is a message more than the
 * log knows: that message was not released either, because its callback has not
 * returned.
 */

#include <stdatomic.h>
#include <stdint.h>

#define LANES_MAX (1u << 18)
#define LOG_ENTRIES (1u << 19)

struct lane_book {
	_Atomic uint64_t begun; /* messages it has begun to send: no other can arrive */
	_Atomic uint64_t sent;  /* messages that were published */
	_Atomic uint32_t is_leaving; /* it may have said goodbye */
	_Atomic uint32_t is_drained; /* it was told that all is consumed */
};

enum log_kind {
	LOG_JOINED = 1,   /* number, sequence: the lane's id; uid; detail: resumed */
	LOG_MESSAGE = 2,  /* number and sequence */
	LOG_HELD = 3,     /* the message before this entry is held */
	LOG_RELEASED = 4, /* number: it was released, after it was held */
	LOG_LEFT = 5,     /* detail: the reason */
	LOG_ERROR = 6,    /* detail: minus the error */
};

struct log_entry {
	uint32_t kind; /* enum log_kind */
	uint32_t lane;
	uint64_t number;
	uint64_t sequence;
	uint32_t uid;
	uint32_t detail;
};

struct board {
	_Atomic uint64_t written; /* entries, by receivers */
	char apart[120];          /* the two words would share a cache line */
	_Atomic uint64_t taken;   /* entries, by the supervisor */
	struct lane_book books[LANES_MAX];
	struct log_entry log[LOG_ENTRIES];
};

struct board *board_new(void);

/* Waits until the supervisor has made room, if there is none. */
void board_log(struct board *board, const struct log_entry *entry);

/* The next entry, which stays until board_log_done(); NULL: none. */
const struct log_entry *board_log_next(struct board *board);
void board_log_done(struct board *board);

#endif
