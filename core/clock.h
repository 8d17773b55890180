/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_CLOCK_H
#define EVCHAN_CORE_CLOCK_H

#include <stdint.h>

/* Milliseconds on the monotonic clock. */
uint64_t clock_milliseconds(void);

/* Nanoseconds on the same clock. */
uint64_t clock_nanoseconds(void);

/* Nanoseconds of CPU that the calling thread has used. */
uint64_t clock_thread_nanoseconds(void);

#endif
