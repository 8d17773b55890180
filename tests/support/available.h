/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_AVAILABLE_H
#define EVCHAN_TESTS_AVAILABLE_H

/*
 * What the library under test has to work with: builds differ (EVCHAN_EVENTFD, EVCHAN_MEMFD), and so do sandboxes
 * (../sandbox/).
 */

#include <stdbool.h>

#include "bell.h"
#include "shared_memory.h"

/* On a loop with or without edges: the latter needs preadv2(2), which some emulators lack. */
static inline bool has_eventfd_for(bool edge)
{
	struct bell bell;

	if (bell_create(&bell, BELL_EVENTFD, edge) < 0)
		return false;
	bell_deinit(&bell);
	return true;
}

static inline bool has_eventfd(void)
{
	return has_eventfd_for(true);
}

/* Whether memory of other users can be taken: see shared_memory_has_seals(). */
static inline bool has_seals(void)
{
	return shared_memory_has_seals();
}

#endif
