/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of repeats.
 *
 * A receiver publishes what it has released after 64 messages, or as soon as an eighth
 * of the ring was read, and this is looked at after each message's callback. So when it
 * dies, the messages whose callbacks have been entered since the last publication are
 * 64 at most, and the last of them begins less than an eighth of the ring behind the
 * first. A hold keeps all that at the held message's place. If that is released inside
 * a callback of its own lane, the rule above decides when this is published; anywhere
 * else it is at once.
 */

#include "account.h"

#include <stdlib.h>

#include "message.h"
#include "process.h"

#define RECORD_MIN (8u + MESSAGE_MIN)

struct account *account_new(uint32_t lane, uint64_t capacity)
{
	struct account *account = calloc(1, sizeof(*account));
	uint64_t count = 1;

	while (count < capacity / RECORD_MIN + REPEAT_MESSAGES)
		count *= 2;
	if (account)
		account->sequences = calloc(count, sizeof(uint64_t));
	if (!account || !account->sequences)
		process_die("no memory");
	account->lane = lane;
	account->capacity = capacity;
	account->sequence_mask = count - 1;
	account->lag_floor = NO_NUMBER;
	return account;
}

void account_free(struct account *account)
{
	free(account->sequences);
	free(account);
}

static uint64_t *sequence_of(const struct account *account, uint64_t number)
{
	return &account->sequences[number & account->sequence_mask];
}

bool account_check_sequence(struct account *account, uint64_t number, uint64_t sequence)
{
	uint64_t *noted = sequence_of(account, number);

	if (number < account->next)
		return *noted == sequence;
	*noted = sequence;
	return number == 0 || sequence > *sequence_of(account, number - 1);
}

void account_hold(struct account *account, uint64_t number)
{
	if (account->hold_count == ACCOUNT_HOLDS_MAX)
		process_die("more holds than expected");
	account->holds[account->hold_count++] = number;
}

void account_release(struct account *account, uint64_t number)
{
	uint64_t floor = account_floor(account);

	for (unsigned i = 0; i < account->hold_count; i++) {
		if (account->holds[i] != number)
			continue;
		account->holds[i] = account->holds[--account->hold_count];
		account->lag_floor = floor;
		account->lag_until = account->here + REPEAT_MESSAGES;
		return;
	}
}

void account_forget_holds(struct account *account)
{
	account->hold_count = 0;
	account->lag_floor = NO_NUMBER;
}

uint64_t account_floor(const struct account *account)
{
	uint64_t floor = NO_NUMBER;

	if (account->here <= account->lag_until)
		floor = account->lag_floor;
	for (unsigned i = 0; i < account->hold_count; i++)
		if (account->holds[i] < floor)
			floor = account->holds[i];
	return floor;
}

bool account_is_in_window(
		const struct account *account, uint64_t number, uint64_t sequence)
{
	uint64_t last = *sequence_of(account, account->here - 1);

	return account->here - number <= REPEAT_MESSAGES &&
			last - sequence < account->capacity / REPEAT_SHARE;
}
