/* SPDX-License-Identifier: MIT */
/* poll(2). */

#include "poll_wait.h"

#include <errno.h>

int poll_wait(struct pollfd *fds, size_t count, int timeout_ms)
{
	return poll(fds, count, timeout_ms) < 0 ? -errno : 0;
}
