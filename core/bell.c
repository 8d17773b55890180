/* SPDX-License-Identifier: MIT */
/*
 * Which kind of bell does what. The control socket is a bell too, but one that has its own life: here it
 * has no descriptors and nothing to reset.
 */

#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "bell_kind.h"
#include "descriptor.h"

static const struct bell_operations *operations_of(enum bell_kind kind)
{
	switch (kind) {
	case BELL_EVENTFD:
		return &bell_eventfd_operations;
	case BELL_PIPE:
		return &bell_pipe_operations;
	case BELL_SOCKET:
		break;
	}
	return NULL;
}

int bell_create(struct bell *bell, enum bell_kind kind, bool edge)
{
	const struct bell_operations *operations = operations_of(kind);

	return operations ? operations->create(bell, edge) : -EINVAL;
}

void bell_given_away(struct bell *bell)
{
	if (bell->ring_fd != bell->watch_fd)
		descriptor_close(bell->ring_fd);
	bell->ring_fd = -1;
}

int bell_reset(struct bell *bell)
{
	const struct bell_operations *operations = operations_of(bell->kind);

	return operations && bell->watch_fd >= 0 ? operations->reset(bell) : 0;
}

void bell_deinit(struct bell *bell)
{
	bell_given_away(bell);
	descriptor_close(bell->watch_fd);
	*bell = (struct bell)BELL_NONE;
}

int bell_ring(enum bell_kind kind, int fd)
{
	const struct bell_operations *operations = operations_of(kind);

	return operations ? operations->ring(fd) : -EINVAL;
}

int bell_check_ringer(enum bell_kind kind, int fd)
{
	const struct bell_operations *operations = operations_of(kind);

	return operations ? operations->check_ringer(fd) : -EBADF;
}

bool bell_can_write(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	/* Made without O_NONBLOCK, it would be a mistake of the peer's. (It can still clear the flag later: the
	 * ringer trusts its listener not to, see bell.h.) */
	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && (flags & O_NONBLOCK);
}
