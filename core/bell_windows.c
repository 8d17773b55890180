/* SPDX-License-Identifier: MIT */
/*
 * An event of the kernel as a bell: the listener waits for it, which takes the ring in the same step, and the ringer is given a
 * handle that can set it and nothing else, and of which no copy can do more. Setting never waits and never fails for want of anything. What a hostile
 * ringer can do is ring, or take back its own rings.
 *
 * It is the kind called BELL_EVENTFD, because it is to this system what an eventfd is to Linux. There are no pipes: what
 * would be had by them is had by this.
 */

#include "bell.h"

#include <errno.h>
#include <windows.h>

#include "descriptor_windows.h"

/* A handle that can only ring. */
static int make_ringer(HANDLE event, int *fd)
{
	HANDLE ringer, self = GetCurrentProcess();

	if (!DuplicateHandle(self, event, self, &ringer, EVENT_MODIFY_STATE, FALSE, 0))
		return descriptor_error();
	return descriptor_take(ringer, fd);
}

int bell_create(struct bell *bell, enum bell_kind kind, bool edge)
{
	struct bell made = { BELL_EVENTFD, edge, -1, -1 };
	struct descriptor_security security;
	SECURITY_ATTRIBUTES *nobody = descriptor_allow_nobody(&security);
	HANDLE event;
	int r;

	if (kind == BELL_SOCKET)
		return -EINVAL;
	if (kind != BELL_EVENTFD)
		return -ENOTSUP;
	event = nobody ? CreateEventW(nobody, FALSE, FALSE, NULL) : NULL;
	if (!event)
		return descriptor_error();
	r = descriptor_take(event, &made.watch_fd);
	if (r < 0)
		return r;
	r = make_ringer(event, &made.ring_fd);
	if (r < 0) {
		descriptor_close(made.watch_fd);
		return r;
	}
	*bell = made;
	return 0;
}

void bell_given_away(struct bell *bell)
{
	descriptor_close(bell->ring_fd);
	bell->ring_fd = -1;
}

/* The wait has reset it. */
int bell_reset(struct bell *bell)
{
	(void)bell;
	return 0;
}

void bell_deinit(struct bell *bell)
{
	bell_given_away(bell);
	descriptor_close(bell->watch_fd);
	*bell = (struct bell)BELL_NONE;
}

int bell_ring(enum bell_kind kind, int fd)
{
	if (kind != BELL_EVENTFD)
		return -EINVAL;
	return SetEvent(handle_of(fd)) ? 0 : -EBADF;
}

int bell_check_ringer(enum bell_kind kind, int fd)
{
	return kind == BELL_EVENTFD && descriptor_has_type(fd, L"Event") ? 0 : -EBADF;
}
