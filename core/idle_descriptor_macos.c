/* SPDX-License-Identifier: MIT */
/*
 * Without timers that are descriptors: a UNIX stream socket that was never connected. On systems with kqueue it is not
 * readable, not writable and not hung up. An empty kqueue would be as idle, but a child of a fork does not inherit one,
 * and the number that it had there would be free.
 *
 * Surprising: there is no dup3(2), so a program that another thread starts between two calls here inherits the copy. It is
 * of no use to anybody.
 */

#include "idle_descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int idle_descriptor_new(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0)
		return -errno;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

int idle_descriptor_replace(int idle, int fd)
{
	int r;

	do
		r = dup2(idle, fd);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}
