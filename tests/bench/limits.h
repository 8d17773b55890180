/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_LIMITS_H
#define EVCHAN_BENCH_LIMITS_H

/* What this machine can do at best, to compare with. All give nanoseconds. */

#include <stddef.h>
#include <stdint.h>

/* One process copies messages of this size into shared memory, around a ring of that
 * capacity which nobody reads. For each message. */
double limit_memcpy_ns(size_t size, uint64_t capacity, double seconds);

/* A system call that does nothing. */
double limit_system_call_ns(double seconds);

/* A cache line that two processes on different CPUs write in turn, there and back. */
double limit_line_ns(double seconds);

/* Reading so many bytes that a process on another CPU has just written. */
double limit_read_ns(size_t size, double seconds);

#endif
