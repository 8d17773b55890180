/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_SENDER_PART_H
#define EVCHAN_TESTS_SENDER_PART_H

/*
 * Parts for a sender that is killed while it sends: what it does before, and what it
 * does instruction by instruction.
 *
 * Checked each time: the receiver gets exactly what was published, which is every
 * message before the part, and a prefix of the part's own; `left` tells CRASHED and
 * whose process it was; a bystander goes on; nothing is left behind. What was published
 * is known exactly: the receiver lives in the test program, and looks at the ring's
 * tail while the victim stands still.
 */

#include "acting_sender.h"
#include "ring_format.h"

struct sender_part {
	const char *name;
	uint32_t bell;
	bool has_own_loop;
	/* In the victim, not stepped. The receiver runs only after that, and receives
	 * all that was sent. May be NULL. */
	void (*begin)(struct actor *actor);
	bool is_handed_over; /* then another receiver takes over */
	/* In the victim, when the receiver sleeps; not stepped. May be NULL. */
	void (*prepare)(struct actor *actor);
	/* What is stepped. */
	void (*act)(struct actor *actor);
	unsigned count;  /* messages it sends; 0 with `is_whole`: as many as fit */
	bool is_whole;   /* it publishes them all at once */
	bool makes_note; /* SENDER_PART_NOTE */
};

/* The note's key, and its text. */
#define SENDER_PART_NOTE 5u
#define SENDER_PART_NOTE_TEXT "a note of a length of its own"

#define SENDER_PART_CAPACITY 4096u

void play_sender_parts(const struct sender_part *parts, size_t count);

/* ---- For parts ------------------------------------------------------------------- */

/* Bytes of the ring that are free. */
uint64_t room_left(const struct actor *actor);

/* Ring bytes of the message that was loaded in this place. */
static inline uint64_t record_bytes(const struct actor *actor, unsigned message)
{
	return ring_record_bytes(actor->sizes[message]);
}

#endif
