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

const struct bell_operations bell_eventfd_operations = {
	.create = create,
	.reset = reset,
	.ring = bell_eventfd_ring,
	.check_ringer = bell_eventfd_check_ringer,
};
