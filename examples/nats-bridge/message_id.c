/* SPDX-License-Identifier: MIT */

/*
 * Names of messages and of schemas that may leave the machine.
 *
 * A message is the same one if uid, lane id and sequence are: that holds for a lane that is resumed by the next bridge,
 * and for a restarted sender, whose lane is new. The lane id is a secret between processes of one user. It has 128
 * random bits, so a hash of it cannot be turned back by trying. The uid is in it because a lane id is its
 * sender's own choice, and another user must not be able to have somebody's messages dropped as repetitions.
 *
 * 128 bits are compared within a stream's duplicate window: at a million messages in it, two have the same name by
 * accident with a probability of 2^-89.
 *
 * The numbers are hashed with the least significant byte first, so that the name does not depend on the machine.
 */

#include "message_id.h"

#include <string.h>

#include <sodium.h>

#define HASH_SIZE 16

static void put_number(uint8_t *at, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(number >> (8 * i));
}

static void hash(char text[HASH_TEXT], const void *data, size_t size)
{
	uint8_t digest[HASH_SIZE];

	crypto_generichash(digest, sizeof(digest), data, size, NULL, 0);
	sodium_bin2hex(text, HASH_TEXT, digest, sizeof(digest));
}

void message_id(char text[HASH_TEXT], uid_t uid, const uint8_t lane_id[16],
		uint64_t sequence)
{
	uint8_t what[4 + 16 + 8];

	put_number(what, uid, 4);
	memcpy(what + 4, lane_id, 16);
	put_number(what + 20, sequence, 8);
	hash(text, what, sizeof(what));
}

void schema_signature(char text[HASH_TEXT], const void *description, size_t size)
{
	hash(text, description, size);
}
