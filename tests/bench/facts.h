/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_FACTS_H
#define EVCHAN_BENCH_FACTS_H

#include "options.h"

/* Reports where and how this is measured. */
void facts_collect(const struct options *options);

#endif
