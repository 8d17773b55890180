/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_WIRE_BYTES_H
#define EVCHAN_CORE_WIRE_BYTES_H

/*
 * Little-endian integers in frames of the control socket, whatever the machine, and the header that frames
 * have.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control_message.h"

static inline void wire_put(unsigned char *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static inline uint64_t wire_get(const unsigned char *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static inline bool wire_is_zero(const unsigned char *at, size_t size)
{
	while (size--)
		if (at[size])
			return false;
	return true;
}

/* Writes the header of a frame whose body is there. Returns its length. */
static inline size_t wire_finish_frame(
		unsigned char *frame, enum control_type type, size_t length)
{
	frame[0] = (unsigned char)type;
	frame[1] = 0;
	wire_put(frame + 2, length, 2);
	return length;
}

#endif
