/* SPDX-License-Identifier: MIT */
/*
 * A pipe as a bell, for loops without edge-triggering and systems without eventfd. The read end never leaves
 * the listener, so nobody can make a read of it wait; it is always watched level-triggered.
 */

#include "bell_kind.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_pipe.h"
#include "descriptor.h"

/* Rings that are taken by one reset. More stay for the next: the bell is level-triggered. */
#define RESET_BYTES 4096

static int own_both(const int ends[2])
{
	int r;

	r = descriptor_own(ends[0]);
	if (r < 0)
		return r;
	return descriptor_own(ends[1]);
}

static int make_pipe(int ends[2])
{
	int r;

	descriptor_begin();
	r = bell_pipe_open(ends);
	if (r == 0) {
		r = own_both(ends);
		if (r < 0) {
			descriptor_close(ends[0]);
			descriptor_close(ends[1]);
		}
	}
	descriptor_end();
	return r;
}

static int create(struct bell *bell, bool edge)
{
	int ends[2], r;

	(void)edge; /* it would have to be read until it is empty, and a hostile ringer could prevent that */
	r = make_pipe(ends);
	if (r < 0)
		return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : -ENOTSUP;
	*bell = (struct bell){ BELL_PIPE, false, ends[0], ends[1] };
	return 0;
}

static int reset(struct bell *bell)
{
	char rings[RESET_BYTES];

	return read(bell->watch_fd, rings, sizeof(rings)) == 0 ? -EPIPE : 0;
}

static int check_ringer(int fd)
{
	struct stat status;

	if (!bell_can_write(fd) || fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode))
		return -EBADF;
	return 0;
}

const struct bell_operations bell_pipe_operations = {
	.create = create,
	.reset = reset,
	.ring = bell_pipe_ring,
	.check_ringer = check_ringer,
};
