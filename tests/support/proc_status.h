/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_PROC_STATUS_H
#define EVCHAN_TESTS_PROC_STATUS_H

/*
 * What the kernel says of a process: proc(5).
 */

#include <stdint.h>
#include <sys/types.h>

/* CPU time of its first thread so far, in clock ticks. */
uint64_t proc_cpu_ticks(pid_t process);

/* How often its first thread went to sleep so far. */
uint64_t proc_sleeps(pid_t process);

/* Whether that thread sleeps, and can be woken. */
int proc_is_asleep(pid_t process);

/* Resident memory, pages of files and shared memory included, in bytes. */
uint64_t proc_resident(pid_t process);

/* Names in a folder of the file system, say /dev/shm; 0 if there is none. */
unsigned proc_count_names(const char *folder);

#endif
