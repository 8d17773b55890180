/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_REPORT_H
#define EVCHAN_BENCH_REPORT_H

/* Figures: kept, summed up, written as JSON in the end. Tables are printed by others. */

#include <stddef.h>

#define REPORT_REPEATS_MAX 101

/* The samples of one figure, one for each repeat. */
struct samples {
	double values[REPORT_REPEATS_MAX];
	unsigned count;
};

struct summary {
	double median;
	double min;
	double max;
};

static inline void samples_add(struct samples *samples, double value)
{
	samples->values[samples->count++] = value;
}

/* Keeps a figure for the JSON file under "CASE/what". An empty `what` is the figure of
 * the case itself. */
struct summary report_add(const char *name, const char *what, const char *unit,
		const struct samples *samples);

/* A fact about where and how this was measured. */
__attribute__((format(printf, 2, 3))) void report_fact(
		const char *key, const char *format, ...);

/* Prints the facts as lines of text. */
void report_print_facts(void);

void report_write_json(const char *path);

#endif
