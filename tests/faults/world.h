/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FAULTS_WORLD_H
#define EVCHAN_TESTS_FAULTS_WORLD_H

/*
 * A receiver and a sender in one thread, on one loop, that do not give up: what fails is done again, and a sender that is
 * told that it is over is followed by another. Messages have numbers, so that each that is missing shows.
 */

#include <stdbool.h>
#include <stdint.h>

#include <evchan/evchan.h>

#include "run.h"

struct world {
	struct evchan_loop *loop; /* NULL: each has its own, see world_open() */
	struct evchan_receiver *receiver;
	struct evchan_sender *sender;
	char address[96];
	struct evchan_receiver_options receiver_options;
	struct evchan_sender_options sender_options;
	size_t message_size; /* at least 8 */
	/* what was sent and received: numbers, and which of the senders it is */
	uint32_t generation;
	uint32_t sent, received;
	uint32_t received_generation;
	bool may_lose;    /* somebody was told of an end */
	bool is_over;     /* the sender was told that it is */
	bool is_provoked; /* ends and errors need no fault */
	unsigned joined, left, hung_up, errors, connected, disconnected, writable,
			drained, shut_down;
	struct evchan_lane *lane; /* of the last that joined, until it has left */
	/* what more there is to do in callbacks; NULL: nothing */
	void (*message)(struct world *world, const struct evchan_message *message);
	void (*gone)(struct world *world, struct evchan_lane *lane);
	bool is_raw; /* messages are not numbered, but what these say */
	/* one turn of the loop; the loop on poll(2) if NULL */
	void (*turn)(struct world *world);
	void *arg;
	uint64_t deadline; /* on the clock of faults.h: nothing takes that long */
};

/* Defaults, and an abstract address. */
void world_init(struct world *world);

/* A loop for both, on poll(2). */
void world_make_loop(struct world *world);
void world_make_receiver(struct world *world);
void world_make_sender(struct world *world);
/* All three. */
void world_open(struct world *world);
/* Frees what is there. */
void world_close(struct world *world);

/* Frees the sender if it is over, and makes another. */
void world_replace_sender(struct world *world);

void world_turn(struct world *world, const char *waits_for);

/* Fails if so much time has passed that it will never come. */
void world_check_patience(const struct world *world, const char *waits_for);

/* Turns until it is so. A sender that is over is replaced. */
#define WORLD_UNTIL(world, condition) \
	while (!(condition)) \
	world_turn((world), #condition)

/* Sends the next message. 0, or -EAGAIN: no room. Other errors are dealt with. */
int world_send(struct world *world, unsigned flags);

/* Sends `count` and waits until all that is not lost has been received. */
void world_stream(struct world *world, uint32_t count);

/* To be called with each message if it comes another way than by callback. */
void world_received(struct world *world, const struct evchan_message *message);

#endif
