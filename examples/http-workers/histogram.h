/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_HISTOGRAM_H
#define HTTP_WORKERS_HISTOGRAM_H

/* How often which duration occurred, to a sixteenth of the duration. */

#include <stdint.h>

#define HISTOGRAM_STEPS 16  /* buckets for each power of two */
#define HISTOGRAM_POWERS 61 /* the values below 16, and then up to 2^64 */

struct histogram {
	uint64_t counts[HISTOGRAM_POWERS * HISTOGRAM_STEPS];
	uint64_t count;
	uint64_t sum;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* How many values were below `limit`, which must be a power of two: then it is exact. */
uint64_t histogram_below(const struct histogram *histogram, uint64_t limit);

/* The value that `permille` of 1000 values do not exceed: the largest of its bucket. 0: there is none. */
uint64_t histogram_quantile(const struct histogram *histogram, unsigned permille);

#endif
