/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_KILLED_SENDER_H
#define EVCHAN_TESTS_KILLED_SENDER_H

/*
 * What stays when a sender is killed: a receiver, and a bystander, another sender of
 * the same receiver, which must notice nothing. Both live in the test program, which
 * can therefore tell exactly how far each is while the victim stands still.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stream.h"

#define VICTIM 1u /* streams */
#define BYSTANDER 2u
#define VICTIM_LABEL "1"
#define VICTIM_MOST 120u /* bytes of its largest message */

struct house {
	struct stage stage;
	struct test_receiver receiver;
	const struct evchan_receiver_options *options;
	struct test_sender bystander;
	struct stream bystander_stream;
	struct stream_sink sink;
	unsigned open_descriptors; /* with nobody else there */

	pid_t victim;
	struct evchan_lane *lane; /* the victim's, from `joined` to `left` */
	unsigned joined, left;    /* of its lanes */
	bool is_resumed;
	enum evchan_left_reason reason;
	struct evchan_peer peer;
	uint64_t tail; /* what it had published when it stood still; 0 unknown */
	uint64_t read; /* what was delivered when it left */
};

/* At scene_address(). */
void house_open(struct house *house, const struct evchan_receiver_options *options);
void house_close(struct house *house);

/* Starts a victim, and forgets the last one. */
void house_start(struct house *house, void (*role)(void *arg), void *arg);

/* Another receiver takes the place of this one; the bystander goes over to it, the
 * victim when it gets around to it. Of a crash the victim hears no goodbye. */
void house_restart(struct house *house, bool is_crash);

/* Messages of the victim that have come. */
uint64_t house_received(const struct house *house);

/* Runs the receiver until it is asleep. */
void house_settle(struct house *house);

/* The victim stands still: notes what it has published. */
void house_look(struct house *house);

/* The victim is dead. Waits until all of its that will ever come has come, and its
 * lane, if it had one, is over, and checks that it was the victim's and ended in one of
 * these ways. */
void house_check_left(struct house *house, enum evchan_left_reason reason,
		enum evchan_left_reason or_reason);

/* Nobody else has noticed anything, and nothing of the victim is left. */
void house_check_others(struct house *house);

/* The receiver, which may have three senders with rings of 4096 bytes, has room for two
 * besides the bystander. */
void house_check_room(struct house *house);

/* The position behind the victim's first `count` messages. */
uint64_t victim_position(uint64_t count);

#endif
