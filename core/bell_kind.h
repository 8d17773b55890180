/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_BELL_KIND_H
#define EVCHAN_CORE_BELL_KIND_H

/* What a kind of bell is made of: between bell.c and the files bell_*.c only. The contracts are
 * those of the functions of the same names in bell.h. */

#include "bell.h"

struct bell_operations {
	/* Fills in all of *bell on success. */
	int (*create)(struct bell *bell, bool edge);
	int (*reset)(struct bell *bell);
	int (*ring)(int fd);
	int (*check_ringer)(int fd);
};

extern const struct bell_operations bell_eventfd_operations;
extern const struct bell_operations bell_pipe_operations;

/* The ringer's side of an eventfd, which is there also where none can be made. */
int bell_eventfd_ring(int fd);
int bell_eventfd_check_ringer(int fd);

/* Whether `fd` is open for writing and cannot make the ringer wait. */
bool bell_can_write(int fd);

#endif
