/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_TABLE_H
#define EVCHAN_BENCH_TABLE_H

/* One kind of table: what is kept of its rounds, and how they are printed. */

#include "plan.h"
#include "report.h"

/* Ratios refer to this transport. */
#define TABLE_BASELINE "bufferevent"

struct table {
	size_t line_size; /* bytes of samples for each line, all zero at first */

	/* Runs one round, and keeps what it gave in the samples of its line. */
	void (*keep)(void *samples, const struct round_setup *setup);

	void (*print_header)(const struct plan_case *plan_case);
	void (*print)(const struct plan_case *plan_case, const void *samples);
};

extern const struct table table_stream;
extern const struct table table_rate;
extern const struct table table_echo;
extern const struct table table_idle;

/* Calls and wake-ups per message, of both sides. Each is kept as a figure. */
struct calls_samples {
	struct samples sender_calls;
	struct samples receiver_calls;
	struct samples sender_sleeps;
	struct samples receiver_sleeps;
};
void calls_keep(struct calls_samples *samples, const struct stream_figures *figures);
void calls_print_header(void);
void calls_print(const char *name, const struct calls_samples *samples);

/* The line of the baseline that a line is to be compared with: itself, if there is
 * none. */
unsigned table_baseline(const struct plan_case *plan_case, unsigned line);

#endif
