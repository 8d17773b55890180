/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_BACKOFF_H
#define EVCHAN_CORE_BACKOFF_H

/*
 * How long to wait before another attempt: doubles from the least to the most, and each
 * wait is drawn evenly from [half, whole] so that hundreds of senders that lost one
 * receiver do not come back at once. Pure: the random number is the caller's.
 */

#include <stdint.h>

/* `attempt` counts from 0. Result in [minimum_ms / 2, maximum_ms], at least 1. */
uint32_t backoff_delay(uint32_t attempt, uint32_t minimum_ms, uint32_t maximum_ms,
		uint32_t random);

#endif
