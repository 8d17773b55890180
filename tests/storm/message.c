/* SPDX-License-Identifier: MIT */
/*
 * Messages whose every byte is determined. The checksum covers header and contents; it
 * costs one multiplication for each word, because a storm is only as good as it is
 * fast.
 */

#include "message.h"

#include <string.h>

#include "random.h"

#define SUM_FACTOR UINT64_C(0x9e3779b97f4a7c15)
#define WORD_STEP UINT64_C(0x0101010101010101)

struct message_header {
	uint32_t lane;
	uint32_t size;
	uint64_t number;
	uint64_t sum; /* of all the rest */
};

_Static_assert(sizeof(struct message_header) == MESSAGE_MIN,
		"a message begins with its header");

static uint64_t seed_of(uint32_t lane, uint64_t number)
{
	return random_mix(number * SUM_FACTOR + lane);
}

size_t message_size(uint32_t lane, uint64_t number, size_t most)
{
	uint64_t random = seed_of(lane, number);
	size_t span = most - MESSAGE_MIN + 1;

	if (random % 8192 == 0)
		return most;
	if (random % 256 && span > 80)
		span = 80;
	else if (span > 1000)
		span = 1000;
	return MESSAGE_MIN + (size_t)((random >> 32) * span >> 32);
}

static uint64_t sum_of(const struct message_header *header, const unsigned char *bytes,
		size_t size)
{
	uint64_t sum = header->number ^ (uint64_t)header->lane << 32 ^ header->size;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum = (sum ^ word) * SUM_FACTOR;
	}
	for (; size; size--, bytes++)
		sum = (sum ^ *bytes) * SUM_FACTOR;
	return sum;
}

void message_write(void *out, size_t size, uint32_t lane, uint64_t number)
{
	struct message_header header = { lane, (uint32_t)size, number, 0 };
	unsigned char *bytes = (unsigned char *)out + sizeof(header);
	uint64_t word = seed_of(lane, number);
	size_t rest = size - sizeof(header);
	size_t at;

	for (at = 0; at + sizeof(word) <= rest; at += sizeof(word), word += WORD_STEP)
		memcpy(bytes + at, &word, sizeof(word));
	memcpy(bytes + at, &word, rest - at);
	header.sum = sum_of(&header, bytes, rest);
	memcpy(out, &header, sizeof(header));
}

bool message_read(const void *data, size_t size, uint32_t lane, uint64_t *number)
{
	struct message_header header;

	if (size < sizeof(header))
		return false;
	memcpy(&header, data, sizeof(header));
	*number = header.number;
	return header.lane == lane && header.size == size &&
			header.sum ==
			sum_of(&header, (const unsigned char *)data + sizeof(header),
					size - sizeof(header));
}
