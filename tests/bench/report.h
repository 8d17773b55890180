/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_REPORT_H
#define EVCHAN_BENCH_REPORT_H

/*
 * Figures and facts: samples are kept as rounds give them, and can be written as JSON at
 * any time, so that what was measured is not lost when a run is cut off. Tables are
 * printed by others.
 */

#include <stddef.h>

#define REPORT_REPEATS_MAX 101

struct summary {
	double median;
	double min;
	double max;
	unsigned count; /* of samples; 0: there is no such figure */
};

/* One more sample of the figure "CASE/what". An empty `what` is the figure of the case
 * itself. `unit` lives as long as the program. */
void report_sample(const char *name, const char *what, const char *unit, double value);

/* All zero for a figure that is not there. */
struct summary report_summary(const char *name, const char *what);

/* A sample that was kept, the first of which is number 0; 0 if it is not there. */
double report_value(const char *name, const char *what, unsigned number);

/* A fact about where and how this was measured. Said again, it takes the place of what
 * was said before. */
__attribute__((format(printf, 2, 3))) void report_fact(
		const char *key, const char *format, ...);

/* Prints the facts as lines of text. */
void report_print_facts(void);

/* The file is always whole: the new one takes the place of the old at once. */
void report_write_json(const char *path);

#endif
