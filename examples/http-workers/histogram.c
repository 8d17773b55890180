/* SPDX-License-Identifier: MIT */

/*
 * A histogram of fixed size whose relative error is the same everywhere, as HdrHistogram has it.
 *
 * Values below 16 have a bucket each. Above, each power of two is divided into sixteen steps: the bucket is told by
 * the position of the highest bit and the four bits behind it. So limits that are powers of two
 * fall between buckets, which makes the cumulative counts that Prometheus wants exact.
 */

#include "histogram.h"

#define STEP_BITS 4

static unsigned index_of(uint64_t value)
{
	unsigned power, step;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	power = 63 -
			(unsigned)__builtin_clzll(
					value); /* of the highest bit, at least 4 */
	step = (unsigned)(value >> (power - STEP_BITS)) & (HISTOGRAM_STEPS - 1);
	return (power - STEP_BITS + 1) * HISTOGRAM_STEPS + step;
}

/* The largest value of a bucket; that of the last one by overflow to 0. */
static uint64_t last_of(unsigned index)
{
	unsigned shift = index / HISTOGRAM_STEPS;
	uint64_t step = index % HISTOGRAM_STEPS;

	if (shift == 0)
		return step;
	shift--;
	return ((HISTOGRAM_STEPS + step + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->counts[index_of(value)]++;
	histogram->count++;
	histogram->sum += value;
}

uint64_t histogram_below(const struct histogram *histogram, uint64_t limit)
{
	unsigned end = index_of(limit);
	uint64_t below = 0;

	for (unsigned i = 0; i < end; i++)
		below += histogram->counts[i];
	return below;
}

uint64_t histogram_quantile(const struct histogram *histogram, unsigned permille)
{
	/* So many values are enough, rounded up. */
	uint64_t wanted = (histogram->count * permille + 999) / 1000;
	uint64_t seen = 0;

	if (histogram->count == 0)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_POWERS * HISTOGRAM_STEPS; i++) {
		seen += histogram->counts[i];
		if (seen >= wanted && seen > 0)
			return last_of(i);
	}
	return UINT64_MAX;
}
