/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_PAYLOAD_H
#define EVCHAN_BENCH_PAYLOAD_H

/*
 * What is sent. Every transport copies its messages out of the same prepared buffer.
 *
 * 	word 0        the sender's number (16 bits) and the message's (48 bits), from 0
 * 	word 1        when it was sent, if the round is about latencies
 * 	words between PAYLOAD_FILLER
 * 	last word     the complement of word 0
 *
 * So the receiver knows of each message whose it is, whether one before it is missing,
 * and whether it is whole, for two loads.
 *
 * Small messages have several slots that are numbered together: a message copied right
 * after its number was stored would make the processor wait for its own store (a wide
 * load over a narrow store), which is no property of the transport.
 */

#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_SIZE_MIN 16
#define PAYLOAD_FILLER 0x0123456789abcdefu
#define PAYLOAD_SENDER_SHIFT 48

struct payload {
	size_t size; /* of one message: a multiple of 8, at least PAYLOAD_SIZE_MIN */
	unsigned slots;
	unsigned slot;   /* the next to be sent */
	uint64_t number; /* word 0 of slot 0 */
	unsigned char *buffer;
};

/* Ends the process without memory. */
void payload_init(struct payload *payload, unsigned sender, size_t size);
void payload_deinit(struct payload *payload);

/* Writes down that the next message is sent now. */
void payload_stamp(struct payload *payload);

/* Gives each slot its number. */
void payload_number(struct payload *payload);

/* The next message to be sent; the same again until payload_advance(). */
static inline const void *payload_next(const struct payload *payload)
{
	return payload->buffer + payload->slot * payload->size;
}

static inline void payload_advance(struct payload *payload)
{
	if (++payload->slot < payload->slots)
		return;
	payload->number += payload->slots;
	payload->slot = 0;
	payload_number(payload);
}

#endif
