/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_CLOCK_H
#define EVCHAN_CORE_CLOCK_H

#include <stdint.h>

/* Milliseconds on the monotonic clock. */
uint64_t clock_milliseconds(void);

#endif
