/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_TABLE_H
#define EVCHAN_BENCH_TABLE_H

/* One kind of table: what is kept of its rounds, and how they are printed. */

#include "plan.h"
#include "report.h"

/* Ratios refer to this transport. */
#define TABLE_BASELINE "bufferevent"

struct table {
	/* Runs one round, and keeps what it gave as figures of this line. */
	void (*keep)(const struct plan_case *plan_case, unsigned line,
			const struct round_setup *setup);

	void (*print_header)(const struct plan_case *plan_case);
	void (*print)(const struct plan_case *plan_case);
};

extern const struct table table_stream;
extern const struct table table_rate;
extern const struct table table_echo;
extern const struct table table_idle;

/* Calls and wake-ups per message, of both sides. Each is a figure. */
void calls_keep(const char *name, const struct stream_figures *figures);
void calls_print(const char *name);

/* The line of the baseline that a line is to be compared with: itself, if there is
 * none. */
unsigned table_baseline(const struct plan_case *plan_case, unsigned line);

#endif
