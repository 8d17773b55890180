/* SPDX-License-Identifier: MIT */
/*
 * The ringer's side of a counter: plain read(2) and write(2), so it is built everywhere, also where no
 * eventfd can be made (bell_no_eventfd.c).
 */

#include "bell_kind.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

static int add_one(int fd)
{
	const uint64_t one = 1;

	return write(fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

int bell_eventfd_ring(int fd)
{
	uint64_t count;
	int r;

	r = add_one(fd);
	if (r != -EAGAIN)
		return r;
	/* A plain read, so that it works on kernels without RWF_NOWAIT too: that the write came back shows
	 * that the descriptor does not block. If somebody fills the counter in between again, that was a
	 * ring. */
	(void)!read(fd, &count, sizeof(count));
	r = add_one(fd);
	return r == -EAGAIN ? 0 : r;
}

int bell_eventfd_check_ringer(int fd)
{
	struct stat status;

	/* An eventfd has no file type at all, like the other things without a name (a timer, an epoll instance): that is
	 * as far as can be told without ringing, which then says EINVAL. */
	if (!bell_can_write(fd) || fstat(fd, &status) < 0 || (status.st_mode & S_IFMT) != 0)
		return -EBADF;
	return 0;
}
