/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_PROCESS_H
#define EVCHAN_BENCH_PROCESS_H

/* The processes of a round: where they run, how they start and end, what time they
 * took. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum placement {
	PLACEMENT_FREE,     /* wherever the scheduler likes */
	PLACEMENT_APART,    /* the receiver on one CPU, senders on the others */
	PLACEMENT_TOGETHER, /* all on one CPU */
};

const char *placement_name(enum placement placement);

/* CPUs this program may use; those are counted from 0 below. */
unsigned process_cpu_count(void);

/* Pins this process: number 0 is the receiver, the rest are senders. */
void process_pin(enum placement placement, unsigned number);

/* Prints one line on stderr and ends the process with status 1. */
__attribute__((format(printf, 1, 2), noreturn)) void process_die(const char *format, ...);

/* Runs run(arg) in a child that ends with it, and with its parent. */
pid_t process_start(void (*run)(void *arg), void *arg);

/* Whether a child has ended by itself. Dies if it failed. */
bool process_has_ended(pid_t pid);

/* Waits until a child has ended, at most so long. Whether it has. */
bool process_wait(pid_t pid, double seconds);

/* Ends a child, whatever it is doing. */
void process_kill(pid_t pid);

/* CPU time a live child has used. */
uint64_t process_cpu_ns(pid_t pid);

uint64_t process_now_ns(void);
void process_sleep(double seconds);

#endif
