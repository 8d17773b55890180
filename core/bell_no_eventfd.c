/* SPDX-License-Identifier: MIT */
/*
 * For systems without eventfd(2), or builds that shall do without (EVCHAN_EVENTFD=OFF): none can be made, so
 * receivers take pipes. Ringing stays, because it is plain write(2): where the system does have
 * eventfds, a sender built so still works with a receiver that makes them.
 */

#include "bell_kind.h"

#include <errno.h>

static int create(struct bell *bell, bool edge)
{
	(void)bell;
	(void)edge;
	return -ENOTSUP;
}

/* Never called: no bell of this kind is made here. */
static int reset(struct bell *bell)
{
	(void)bell;
	return 0;
}

const struct bell_operations bell_eventfd_operations = {
	.create = create,
	.reset = reset,
	.ring = bell_eventfd_ring,
	.check_ringer = bell_eventfd_check_ringer,
};
