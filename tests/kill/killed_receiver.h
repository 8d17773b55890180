/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_KILLED_RECEIVER_H
#define EVCHAN_TESTS_KILLED_RECEIVER_H

/*
 * What stays when a receiver is killed: its sender, in the test program, which lives
 * through many receivers, and hands its ring from one to the next. After each victim a
 * successor, also in the test program, takes the path and all that is left.
 *
 * A victim writes down what it gets in a diary that outlives it. Diary and successor
 * together have every message, in order, each with the sequence it was sent with; the
 * successor begins where the victim's published head is.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stream.h"

#define HEIR_STREAM 0u
#define HEIR_MOST 120u /* bytes of the largest message */
#define HEIR_CAPACITY 4096u
#define DIARY_ENTRIES 256u
#define UNKNOWN_HEAD UINT64_MAX

struct diary {
	volatile uint64_t count;
	struct {
		uint64_t number;
		uint64_t sequence;
	} entries[DIARY_ENTRIES];
};

struct succession {
	struct stage stage;
	char address[128];         /* a path */
	unsigned open_descriptors; /* with the sender alone there, not connected */

	enum evchan_bell bell;
	struct test_sender sender;
	struct stream stream;
	uint64_t positions[2 *
			DIARY_ENTRIES]; /* in the ring, of the messages sent last */

	pid_t victim;
	struct diary *diary;
	uint64_t head; /* that it left; UNKNOWN_HEAD: its page has not arrived */

	struct test_receiver successor;
	uint64_t successor_first;
	uint64_t successor_next;
};

/* With a sender that asks for this bell. */
void succession_open(struct succession *this, enum evchan_bell bell);
void succession_close(struct succession *this);

/* Another sender, with a new ring, instead of this one. */
void succession_renew_sender(struct succession *this);

/* Starts a victim, which is a receiver at this->address. */
void succession_start(struct succession *this, void (*role)(void *arg), void *arg);

/* Sends this many messages, or until one is refused. */
void succession_send(struct succession *this, unsigned count);
void succession_fill(struct succession *this);

/* Runs the sender until nothing is left to do. */
void succession_settle(struct succession *this);

/* The victim stands still: notes its head. */
void succession_look(struct succession *this);

/* The victim is dead: a successor takes over, has the rest, and one message more.
 * Checks all that was received, and that no more came twice than the release rule
 * allows, unless the victim was `holding` messages. */
void succession_check(struct succession *this, bool holding);

/* The successor goes, and nothing is left of it or the victim. */
void succession_end(struct succession *this);

/* In the victim: writes a message down. */
void diary_note(struct diary *diary, const struct evchan_message *message);

#endif
