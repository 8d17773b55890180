/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_BOOK_H
#define EVCHAN_TESTS_BOOK_H

/*
 * Receivers that are processes, and may be killed at any time, write down each message of
 * a stream (stream.h) they get in memory that all share: who got which number, with which
 * sequence. In the end the book is read: all numbers are in it, each receiver's in order;
 * a new receiver begins where the last one ended or a little before; a number always has
 * the same sequence.
 */

#include <stdbool.h>
#include <stdint.h>

#include <evchan/evchan.h>

#define BOOK_NO_NUMBER UINT64_MAX

struct book_entry {
	uint64_t number;
	uint64_t sequence;
	uint32_t receiver;
	uint32_t stream;
	bool is_resumed;
};

struct book {
	volatile uint64_t count;
	uint64_t room;
	struct book_entry entries[];
};

/* Room for `room` entries, gone with the test. One receiver at a time writes. */
struct book *book_new(uint64_t room);

/* Checks the message, and writes it down as received by `receiver`. */
void book_write(struct book *book, uint32_t receiver,
		const struct evchan_message *message);

/* How the reading of one stream ended. */
struct book_reading {
	uint64_t next;       /* one more than the last number */
	uint64_t *sequences; /* by number; while it is being read */
	uint32_t receiver;   /* the last that had any; UINT32_MAX: none */
	uint64_t repeats;    /* messages that came again */
	uint64_t resumed_at; /* the number the last receiver began with */
};

/* Checks that `stream` has `count` messages in the book, and that no receiver began
 * more than `window` before the end of the one before it. */
struct book_reading book_read(const struct book *book, uint32_t stream, uint64_t count,
		uint64_t window);

#endif
