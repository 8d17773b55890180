/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_TABLES_H
#define EVCHAN_BENCH_TABLES_H

/* Measures, and prints what was measured as tables on stdout. */

#include "plan.h"

/* Keeps what somebody else has measured. */
void tables_keep_added(const struct options *options);

void tables_measure(struct plan *plan);

void tables_print(const struct plan *plan);
void tables_print_added(const struct options *options);

#endif
