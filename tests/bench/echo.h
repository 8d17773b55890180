/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_ECHO_H
#define EVCHAN_BENCH_ECHO_H

/*
 * Round trips. One process asks, the other answers with the same bytes; both do it in
 * their loop, so a sample is two wake-ups and two messages. The asker keeps the time
 * and the samples.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board.h"

#define ECHO_SIZE_MAX 1024

struct echo {
	struct board *board;
	size_t size;
	bool asks;
	uint64_t asked_ns; /* when the present question left */
	uint64_t begin_ns; /* samples before this are warm-up */
	uint64_t end_ns;
	unsigned char message[ECHO_SIZE_MAX];
};

void echo_init(struct echo *echo, struct board *board, size_t size, bool asks,
		double warm_up, double seconds);

/* The first question, for the asker to send. */
const void *echo_begin(struct echo *echo);

/* Takes a message that came. What to send next, or NULL if the asker has asked enough. */
const void *echo_next(struct echo *echo, const void *data, size_t size);

#endif
