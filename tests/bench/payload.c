/* SPDX-License-Identifier: MIT */
/*
 * Preparing the messages: see payload.h for what is in them.
 *
 * Slots lie side by side, so that small messages are read from a few cache lines that
 * stay near.
 */

#include "payload.h"

#include <stdlib.h>
#include <string.h>

#include "process.h"

#define SLOTS_SIZE_MAX 1024
#define SLOTS 16

static void store(unsigned char *at, uint64_t word)
{
	memcpy(at, &word, sizeof(word));
}

void payload_number(struct payload *payload)
{
	unsigned char *message = payload->buffer;

	for (unsigned i = 0; i < payload->slots; i++, message += payload->size) {
		store(message, payload->number + i);
		store(message + payload->size - 8, ~(payload->number + i));
	}
}

void payload_init(struct payload *payload, unsigned sender, size_t size)
{
	payload->size = size;
	payload->slots = size <= SLOTS_SIZE_MAX ? SLOTS : 1;
	payload->slot = 0;
	payload->number = (uint64_t)sender << PAYLOAD_SENDER_SHIFT;
	payload->buffer = malloc(payload->slots * size);
	if (!payload->buffer)
		process_die("no memory for a message of %zu bytes", size);
	for (size_t i = 0; i < payload->slots * size; i += 8)
		store(payload->buffer + i, PAYLOAD_FILLER);
	payload_number(payload);
}

void payload_stamp(struct payload *payload)
{
	store(payload->buffer + payload->slot * payload->size + 8, process_now_ns());
}

void payload_deinit(struct payload *payload)
{
	free(payload->buffer);
}
