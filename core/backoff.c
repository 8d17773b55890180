/* SPDX-License-Identifier: MIT */

/*
 * Exponential back-off with jitter over the upper half of each step. Jitter over the
 * whole step ("full jitter") would spread a crowd wider, but lets some attempts follow at
 * once, and each attempt costs a receiver that is just starting an accept. The lower half
 * is kept as a pause for everybody.
 */

#include "backoff.h"

/* minimum_ms * 2^attempt, but no more than maximum_ms; `attempt` may be any number. */
static uint32_t step(uint32_t attempt, uint32_t minimum_ms, uint32_t maximum_ms)
{
	uint64_t whole = minimum_ms;

	/* 32 doublings take every start but 0 past any maximum, and cannot leave 64
	 * bits. */
	whole <<= attempt < 32 ? attempt : 32;
	return whole < maximum_ms ? (uint32_t)whole : maximum_ms;
}

uint32_t backoff_delay(uint32_t attempt, uint32_t minimum_ms, uint32_t maximum_ms,
		uint32_t random)
{
	uint32_t whole = step(attempt, minimum_ms > 0 ? minimum_ms : 1, maximum_ms);
	uint32_t least = whole / 2;
	uint64_t choices = (uint64_t)whole - least + 1;
	uint32_t delay;

	/* Scaled, not a remainder: every wait is drawn alike, and from the random
	 * number's high bits, which are the good ones should a caller's generator be a
	 * poor one. */
	delay = least + (uint32_t)((random * choices) >> 32);
	return delay > 0 ? delay : 1;
}
