/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_AT_FORK_H
#define EVCHAN_CORE_AT_FORK_H

/* pthread_atfork(3), where processes fork. Returns 0 or a positive error. */
int at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

#endif
