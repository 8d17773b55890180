/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_RANDOM_H
#define EVCHAN_STORM_RANDOM_H

/*
 * Numbers that a seed determines (splitmix64).
 */

#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static inline uint64_t random_next(struct random *random)
{
	random->state += UINT64_C(0x9e3779b97f4a7c15);
	return random_mix(random->state);
}

/* From 0 to limit - 1; limit is below 2^32. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
	return (random_next(random) >> 32) * limit >> 32;
}

/* Another sequence for each `stream`. */
static inline struct random random_of(uint64_t seed, uint64_t stream)
{
	return (struct random){ random_mix(seed + random_mix(stream + 1)) };
}

#endif
