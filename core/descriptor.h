/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_DESCRIPTOR_H
#define EVCHAN_CORE_DESCRIPTOR_H

/*
 * Every descriptor the library owns is in one table of the process, so that a forked child can
 * be freed of them: an inherited control socket would hide its owner's death, an inherited
 * listener would make a dead path look live (design, sections 5 and 10.20).
 */

#include <stdbool.h>

/*
 * Making a descriptor and entering it into the table must not be parted by a fork in another
 * thread: between begin and end no fork happens. Nothing that can block is called between them, and
 * they do not nest. The pthread_atfork handlers are installed when the library is loaded.
 *
 * In a forked child each number in the table is taken by an idle descriptor instead (idle_descriptor.h), so
 * that event_reinit(3) succeeds, and stays in the table until it is closed there as usual.
 */
void descriptor_begin(void);
void descriptor_end(void);

/*
 * Enters `fd` (>= 0) into the table, between begin and end or not (so with all that follow).
 * Errors: -ENOMEM; the descriptor is then still open and the caller's.
 */
int descriptor_own(int fd);

/* Takes `fd` out of the table and leaves it open. -1 is allowed. */
void descriptor_disown(int fd);

/* Takes `fd` out of the table, if it is there, and closes it, without a fork in between. -1 is allowed. Only
 * for descriptors whose close cannot block; others go to disposal.h. errno is kept. */
void descriptor_close(int fd);

/* Whether this process could open so many descriptors now (at most 4). `fd` is one that is open. */
bool descriptor_has_room(int fd, unsigned wanted);

/* How many descriptors the table has: for tests. */
unsigned descriptor_count(void);

/*
 * Number of forks between the process that loaded the library and this one. A handle notes it
 * when it is made; another value means: made by a parent. A plain load, for hot paths.
 */
extern unsigned descriptor_fork_generation;

static inline bool descriptor_is_forked(unsigned noted)
{
	return noted != descriptor_fork_generation;
}

#endif
