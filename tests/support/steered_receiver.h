/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_STEERED_RECEIVER_H
#define EVCHAN_TESTS_STEERED_RECEIVER_H

/*
 * A sender on a stage of the test's own, and a receiver in another process that takes as
 * many messages as it is told to and says when it has released them. Messages of
 * STEERED_PAYLOAD bytes take STEERED_RECORD of the ring, which has STEERED_CAPACITY, so
 * each fill can be had exactly.
 */

#include <sys/types.h>

#include "test_receiver.h"
#include "test_sender.h"

#define STEERED_CAPACITY 4096u
#define STEERED_PAYLOAD 56u
#define STEERED_RECORD 64u
#define STEERED_FIT (STEERED_CAPACITY / STEERED_RECORD)
#define STEERED_LOOKS 8u /* turns in which the sender has heard all that there is */

/* In memory that both processes share. */
struct steered_reader {
	volatile unsigned credit;     /* messages it may still take */
	volatile uint64_t times_full; /* as its counters say, when `done` opens */
	int go;    /* gate: there is credit, or the end if it is 0 */
	int ready; /* gate: it sleeps, and waits for messages */
	int done;  /* gate: the credit is used up, and all is released */
};

struct steered {
	struct steered_reader *reader;
	pid_t process;
	struct stage stage;
	struct test_sender sender;
};

/* The sender alone, with this low watermark (0: the default), and the receiver. */
void steered_open_sender(struct steered *play, uint64_t low_watermark);
void steered_start_reader(struct steered *play);
/* Both; the receiver has admitted the sender and takes nothing yet. */
void steered_open(struct steered *play, uint64_t low_watermark);
void steered_close(struct steered *play);

/* The receiver waits for `count` messages, asleep. */
void steered_wait(struct steered *play, unsigned count);
/* The receiver takes and releases `count` messages, which are there; then the sender's
 * loop turns. */
void steered_take(struct steered *play, unsigned count);

/* evchan_send() of one message. */
int steered_send(struct steered *play, unsigned flags);

/* The sender's counters. */
struct evchan_lane_stats steered_stats(const struct steered *play);

#endif
