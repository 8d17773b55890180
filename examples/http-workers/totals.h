/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_TOTALS_H
#define HTTP_WORKERS_TOTALS_H

/* What the collector knows, for those who show it. It starts at zero with each collector. */

#include <stdint.h>

#include "histogram.h"
#include "options.h"

/* Of one worker; of all processes that have been it since this collector began. */
struct worker_totals {
	uint64_t answers[6]; /* by the first digit of the status; 0: none of 1 to 5 */
	uint64_t body_bytes;
	uint64_t dropped;
	uint32_t incarnation; /* of the present one: how often it was started again */
	unsigned lanes;       /* that it has here: 1, or 0 while it is away */
};

struct totals {
	unsigned worker_count;
	struct worker_totals workers[WORKERS_MAX];
	struct histogram durations_us;
	uint64_t repeats;   /* records that the collector before this one had logged */
	uint64_t malformed; /* messages that were no records */
	uint64_t log_lines;
	uint64_t log_bytes;
	uint64_t log_failures; /* of write(2) */
	uint32_t incarnation;  /* of the collector */
	uint64_t start_us;     /* wall clock */
};

#endif
