/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_ACCOUNT_H
#define EVCHAN_STORM_ACCOUNT_H

/*
 * What the ledger knows of one lane.
 */

#include <stdbool.h>
#include <stdint.h>

#define ACCOUNT_HOLDS_MAX 64u
#define NO_NUMBER UINT64_MAX

/* The release rule, as docs/guarantees.md says it: this many messages, or less than an
 * eighth of the ring before the last. */
#define REPEAT_MESSAGES 64u
#define REPEAT_SHARE 8u

struct account {
	uint32_t lane;
	uint64_t id[2];
	uint64_t capacity;
	uint64_t next;       /* behind the last number that was delivered */
	uint64_t here;       /* behind the last number from the last receiver; lower
	                      * than `next` if that was killed amid its repeats */
	uint32_t generation; /* receiver that delivered the last; 0: none */
	uint32_t joined_in;  /* receiver that has it; 0: none */
	uint32_t joins;
	bool is_gone; /* its sender is */
	bool has_left;
	uint32_t reason;
	int result; /* of the sender's process */
	/* Sequences of the last numbers, as many as fit the ring. */
	uint64_t *sequences;
	uint64_t sequence_mask;
	/* Numbers that the receiver holds; and the lowest that was released while its
	 * effect may not be published, up to a certain number. */
	uint64_t holds[ACCOUNT_HOLDS_MAX];
	unsigned hold_count;
	uint64_t lag_floor;
	uint64_t lag_until;
};

struct account *account_new(uint32_t lane, uint64_t capacity);
void account_free(struct account *account);

/* Notes the sequence of a number, or compares it with what it was. Whether it is right.
 * */
bool account_check_sequence(struct account *account, uint64_t number, uint64_t sequence);

void account_hold(struct account *account, uint64_t number);
void account_release(struct account *account, uint64_t number);
/* The receiver is gone, and its holds with it. */
void account_forget_holds(struct account *account);

/* The lowest number at which another receiver may begin, because it was held;
 * NO_NUMBER: nothing was. */
uint64_t account_floor(const struct account *account);

/* Whether the release rule alone allows a new receiver to begin with this number. */
bool account_is_in_window(
		const struct account *account, uint64_t number, uint64_t sequence);

#endif
