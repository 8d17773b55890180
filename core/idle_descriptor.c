/* SPDX-License-Identifier: MIT */
/*
 * An unarmed timer is what fits. An eventfd is always ready to be written, so a watch for
 * writability that a forked child inherits would spin; the read end of a pipe is idle only as long as its write
 * end is kept open somewhere, which is a second descriptor; regular files and /dev/null cannot be
 * watched by epoll at all.
 */

#include "idle_descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int idle_descriptor_new(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int idle_descriptor_replace(int idle, int fd)
{
	int r;

	/* EBUSY: another thread is in the middle of an open(2) that was given this number.
	 * It is ours, so that cannot last. */
	do
		r = dup3(idle, fd, O_CLOEXEC);
	while (r < 0 && (errno == EINTR || errno == EBUSY));
	return r < 0 ? -errno : 0;
}
