/* SPDX-License-Identifier: MIT */
/*
 * Making and ringing a pipe where neither pipe(2) nor writev(2) takes flags. The signal for a listener that is gone is
 * switched off at the descriptor, before each ring: the setting belongs to the open file description, which the
 * listener's process has too. One that switches it on again in the very moment of a ring can raise the signal, and one that
 * clears O_NONBLOCK and does not read can make a ring wait: a bell is taken from the own user only.
 */

#include "bell_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
			fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int bell_pipe_open(int ends[2])
{
	int r;

	if (pipe(ends) < 0)
		return -errno;
	r = set_flags(ends[0]);
	if (r == 0)
		r = set_flags(ends[1]);
	if (r < 0) {
		close(ends[0]);
		close(ends[1]);
	}
	return r;
}

int bell_pipe_ring(int fd)
{
	if (fcntl(fd, F_SETNOSIGPIPE, 1) < 0)
		return -errno;
	return write(fd, "", 1) < 0 && errno != EAGAIN ? -errno : 0;
}
