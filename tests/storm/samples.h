/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_SAMPLES_H
#define EVCHAN_STORM_SAMPLES_H

/*
 * Series of measured times, their quantiles and histograms.
 */

#include <stdint.h>

struct samples {
	const char *name;  /* of the histogram's file */
	const char *title; /* of the table's row */
	unsigned count;
	unsigned room;
	double *microseconds;
};

void samples_open(struct samples *samples, const char *name, const char *title,
		unsigned room);
void samples_close(struct samples *samples);
void samples_add(struct samples *samples, uint64_t nanoseconds);

/* The value that this part of all is not above. Sorts. */
double samples_quantile(struct samples *samples, double part);

/* A row of a table in Markdown: title, count, median, 99 %, longest. */
void samples_print(struct samples *samples);

/* Writes FOLDER/NAME: for gnuplot, `from to share` of each class, on a scale of powers.
 * */
void samples_write_histogram(const struct samples *samples, const char *folder);

#endif
