/* SPDX-License-Identifier: MIT */
/*
 * A counter as a bell. Watched edge-triggered it is never read: every write, whatever the counter says, is an
 * event of its own, so a wake-up costs one system call on each side. The counter only grows, and
 * would take 2^64 - 1 rings to come to its end; but the peer can bring it there with one write. What
 * matters then: a write that is refused makes no event.
 *
 * Its value means nothing. (Between processes of different byte order, as under emulation, a 1 is not even
 * a 1.)
 */

#include "bell_kind.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "linux_compat.h"

/* Reads the counter, if it is not zero, without waiting: O_NONBLOCK is not ours alone to decide. */
static int take_count(int fd)
{
	uint64_t count;
	struct iovec vector = { &count, sizeof(count) };

	return linux_readv2(fd, &vector, 1, RWF_NOWAIT) < 0 ? -errno : 0;
}

/* Returns the descriptor. */
static int make_eventfd(void)
{
	int fd, r;

	descriptor_begin();
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = fd < 0 ? -errno : descriptor_own(fd);
	descriptor_end();
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int create(struct bell *bell, bool edge)
{
	int fd = make_eventfd();

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	if (fd < 0)
		return -ENOTSUP; /* not built into the kernel, or forbidden by a sandbox */
	/* Nothing to read yet: anything but "try again" means that the flag is not known here. */
	if (!edge && take_count(fd) != -EAGAIN) {
		descriptor_close(fd);
		return -ENOTSUP;
	}
	*bell = (struct bell){ BELL_EVENTFD, edge, fd, fd };
	return 0;
}

static int reset(struct bell *bell)
{
	if (!bell->edge)
		take_count(bell->watch_fd);
	return 0;
}

static int add_one(int fd)
{
	const uint64_t one = 1;

	return write(fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

static int ring(int fd)
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

static int check_ringer(int fd)
{
	struct stat status;

	/* An eventfd has no file type at all, like the other things without a name (a timer, an epoll instance): that is
	 * as far as can be told without ringing, which then says EINVAL. */
	if (!bell_can_write(fd) || fstat(fd, &status) < 0 || (status.st_mode & S_IFMT) != 0)
		return -EBADF;
	return 0;
}

const struct bell_operations bell_eventfd_operations = {
	.create = create,
	.reset = reset,
	.ring = ring,
	.check_ringer = check_ringer,
};
