/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_SMALL_COPY_H
#define EVCHAN_CORE_SMALL_COPY_H

/*
 * memcpy(3) of few bytes without the call. What a call costs is not its instructions: whoever makes one keeps what he needs
 * afterwards in registers that he has to save first, and each save is a store, of which a processor finishes one per cycle. For a
 * message of 16 bytes they were most of the stores there are.
 *
 * Pieces that overlap do for every size between two powers of two, in two or four moves.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define SMALL_COPY_LEAST 8
#define SMALL_COPY_MOST 64

static inline bool small_copy_fits(size_t size)
{
	return size - SMALL_COPY_LEAST <= SMALL_COPY_MOST - SMALL_COPY_LEAST;
}

/* `size`: one that fits. */
static inline void small_copy(unsigned char *to, const unsigned char *from, size_t size)
{
	if (size < 16) {
		memcpy(to, from, 8);
		memcpy(to + size - 8, from + size - 8, 8);
		return;
	}
	memcpy(to, from, 16);
	if (size > 32) {
		memcpy(to + 16, from + 16, 16);
		memcpy(to + size - 32, from + size - 32, 16);
	}
	memcpy(to + size - 16, from + size - 16, 16);
}

#endif
