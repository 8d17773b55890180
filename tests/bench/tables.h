/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_TABLES_H
#define EVCHAN_BENCH_TABLES_H

/* Measures, and prints what was measured as tables on stdout. */

#include "plan.h"

void tables_print_limits(const struct options *options);
void tables_print_cases(struct plan *plan);
void tables_print_added(const struct options *options);

#endif
