/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_POLL_WAIT_H
#define EVCHAN_CORE_POLL_WAIT_H

/*
 * The one call of the poll loop that waits. `poll_descriptor` is the type of a pollfd's descriptor, which is unsigned on some
 * systems.
 */

#include <poll.h>
#include <stddef.h>

typedef __typeof__(((struct pollfd *)0)->fd) poll_descriptor;

/* Waits until one of them is ready, at most so long (negative: without end), and fills in revents of all. A descriptor that is
 * negative as an int is passed over. Returns 0, -EINTR, -ENOMEM. */
int poll_wait(struct pollfd *fds, size_t count, int timeout_ms);

#endif
