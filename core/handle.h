/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_HANDLE_H
#define EVCHAN_CORE_HANDLE_H

/*
 * What senders and receivers have in common as objects that live in a loop: callbacks may free
 * them, forked children may still hold them, and only one thread may use them.
 *
 * Freed in a callback: `depth` counts the library's frames that will touch the handle again after a
 * callback has returned. free marks the handle and stops everything; the memory goes when the
 * outermost such frame leaves. Never through the loop, which may itself be freed in that callback.
 */

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "descriptor.h"

struct handle {
	unsigned depth;
	bool is_freed;
	unsigned fork_generation;
#ifndef NDEBUG
	bool has_thread;
	pthread_t thread;
#endif
};

static inline void handle_init(struct handle *handle)
{
	handle->depth = 0;
	handle->is_freed = false;
	handle->fork_generation = descriptor_fork_generation;
#ifndef NDEBUG
	handle->has_thread = false;
#endif
}

/* In debug builds: the first thread that uses the handle owns it. A second one is the caller's bug. */
static inline void handle_check_thread(struct handle *handle)
{
#ifndef NDEBUG
	if (!handle->has_thread) {
		handle->has_thread = true;
		handle->thread = pthread_self();
	}
	assert(pthread_equal(handle->thread, pthread_self()) &&
	       "an evchan handle is used in two threads");
#else
	(void)handle;
#endif
}

/* Whether this process is a forked child of the one that made the handle. */
static inline bool handle_is_foreign(const struct handle *handle)
{
	return descriptor_is_forked(handle->fork_generation);
}

static inline void handle_enter(struct handle *handle)
{
	handle->depth++;
}

/* Whether the handle was freed meanwhile and this was the last frame: the caller must release it now. */
static inline bool handle_leave(struct handle *handle)
{
	return --handle->depth == 0 && handle->is_freed;
}

#endif
