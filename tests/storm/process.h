/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_PROCESS_H
#define EVCHAN_STORM_PROCESS_H

/*
 * Processes, clocks and a folder: what the programs here share besides evchan itself.
 */

#include <stdint.h>
#include <sys/types.h>

/* Ends the process with status 1. In the first process, all others end with it. */
void process_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* process_die() if `r`, of a function of evchan's, is an error. */
void process_check(int r, const char *what);

/* Forks a process that runs this, and ends with status 0; or with the first process.
 * SIGTERM waits until the process says that it is ready for it. */
pid_t process_start(void (*run)(void *arg), void *arg);
void process_accept_signal(int signal);

/* Waits for its end. Returns its exit status, or minus the signal that has killed it. */
int process_wait(pid_t pid);
/* The same if it has ended already; else returns 0 and leaves `*result` as it is. */
int process_poll(pid_t pid, int *result);
/* SIGKILL; when this returns it is gone. */
void process_kill(pid_t pid);

/* CLOCK_MONOTONIC, the same for all processes. */
uint64_t process_now_ns(void);
void process_sleep_ns(uint64_t nanoseconds);
#define MILLISECOND UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

/* How many times slower than usual everything is here: EVCHAN_TEST_SLOWDOWN. */
unsigned process_slowdown(void);

/* A path in a folder that belongs to this run and is removed at its end. Made once, by
 * the first process. */
const char *process_path(void);

/* Memory that processes forked later share. All zero. */
void *process_share(size_t size);

/* Of a process: bytes of anonymous memory in RAM, and open descriptors. 0: it is gone. */
uint64_t process_anonymous_bytes(pid_t pid);
unsigned process_descriptors(pid_t pid);

#endif
