/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_LOOP_H
#define EVCHAN_LOOP_H

/**
 * @file evchan/loop.h
 *
 * What evchan asks of an event loop, as a table of operations, and the loop on
 * poll(2) that the library brings along. Most programs need only
 * <evchan/libevent.h>; this header is for those who write another adapter, or
 * who drive evchan from a loop of their own through plain descriptors. On Windows a
 * descriptor is a handle to an event, as an int.
 */

#include <stddef.h>
#include <stdint.h>

#include <evchan/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct evchan_loop;
struct evchan_watch; /* made by the loop, opaque to the core */
struct evchan_timer; /* likewise */
struct pollfd;       /* <poll.h> */

/** What a watch waits for. EVCHAN_LOOP_EDGE is a wish, and only used where the
 *  table's `features` offer it. */
#define EVCHAN_LOOP_READ (1u << 0)
#define EVCHAN_LOOP_WRITE (1u << 1) /**< see EVCHAN_LOOP_READ */
#define EVCHAN_LOOP_EDGE (1u << 2)  /**< see EVCHAN_LOOP_READ */

/**
 * The operations of a loop. An adapter embeds `struct evchan_loop` as a member
 * of a struct of its own and finds its way back from the pointer.
 *
 * Contract (tests/support/loop_contract.c checks it for every adapter):
 *  - nothing is called back from inside any of these functions;
 *  - after `watch_remove` or `timer_remove` has returned, the callback never
 *    runs again, even if its event was already waiting in the present turn;
 *  - a callback may remove its own watch or timer, or any other, and may free
 *    the loop itself once nothing is left on it;
 *  - a timer set to 0 ms fires on a *later* turn, after other ready events have
 *    had theirs; setting a timer that is set moves it; a timer fires once;
 *  - setting a timer should not fail: best take what it needs in `timer_add`. The
 *    two loops of this library never let it. Where one does, what the timer was for
 *    waits for the next event or call of the same handle;
 *  - `ready` is a hint: it may be spurious, never missing. A hang-up or an error
 *    of the descriptor counts as readable and as writable;
 *  - with EVCHAN_LOOP_EDGE each change of readiness gives at least one callback,
 *    also when the descriptor was ready already, and readiness that nobody
 *    consumes gives no second one.
 * Int results are 0 or a negative errno.
 */
struct evchan_loop_ops {
	size_t size;       /* sizeof(struct evchan_loop_ops) of the adapter */
	uint32_t features; /* EVCHAN_LOOP_EDGE where edges can be had */
	/** Makes a watch on a descriptor, for EVCHAN_LOOP_ bits. */
	int (*watch_add)(struct evchan_loop *loop, struct evchan_watch **watch,
			int fd, unsigned events,
			void (*ready)(void *arg, unsigned events), void *arg);
	/** Changes what a watch waits for; the descriptor stays. */
	int (*watch_change)(struct evchan_loop *loop, struct evchan_watch *watch,
			unsigned events);
	/** Ends a watch. */
	void (*watch_remove)(struct evchan_loop *loop, struct evchan_watch *watch);
	/** Makes a timer, which is not set. */
	int (*timer_add)(struct evchan_loop *loop, struct evchan_timer **timer,
			void (*fired)(void *arg), void *arg);
	/** Has it fire once, so long from now. */
	int (*timer_set)(struct evchan_loop *loop, struct evchan_timer *timer,
			uint32_t milliseconds);
	/** Takes that back. */
	void (*timer_clear)(struct evchan_loop *loop, struct evchan_timer *timer);
	/** Ends a timer, set or not. */
	void (*timer_remove)(struct evchan_loop *loop, struct evchan_timer *timer);
	/** Optional (NULL): a number that differs between one pass of the loop over
	 *  its ready events and the next, never 0, without a system call. With it a
	 *  receiver serves the first lane that rings at once; without it one turn
	 *  later. The same number twice in a row only makes turns smaller. */
	uint64_t (*turn)(struct evchan_loop *loop);
};

/** A loop, to this library: what an adapter embeds. */
struct evchan_loop {
	const struct evchan_loop_ops *ops; /* static, or as long as the loop */
};

/* ---- The loop on poll(2) ------------------------------------------------- */

/**
 * A loop on poll(2), level-triggered. It needs no other library and serves any
 * number of senders and receivers. Free it with evchan_poll_loop_free().
 * Errors: -ENOMEM.
 */
EVCHAN_API int evchan_poll_loop_new(struct evchan_loop **loop);

/** Frees; NULL is allowed. All senders and receivers on it must be freed first. */
EVCHAN_API void evchan_poll_loop_free(struct evchan_loop *loop);

/**
 * One turn: waits until something is ready, at most `timeout_ms` milliseconds
 * (0: only looks; negative: without end), then runs what is due.
 * Callback: those of the handles on the loop.
 * Errors: -EINTR a signal handler ran before anything was ready; -EINVAL not a
 * loop made by evchan_poll_loop_new(); -ENOMEM.
 */
EVCHAN_API int evchan_poll_loop_run_once(struct evchan_loop *loop, int timeout_ms);

/**
 * For use inside a loop of another kind: what to wait for. Writes up to
 * `capacity` entries to `fds`, the number there are to `*count` (more than
 * `capacity`: call again with more room), and to `*timeout_ms` how long to wait
 * at most (-1: without end). The answer changes with every call of this library
 * on a handle of the loop, so ask before each wait.
 * Errors: -EINVAL not a loop made by evchan_poll_loop_new().
 */
EVCHAN_API int evchan_poll_loop_prepare(struct evchan_loop *loop, struct pollfd *fds,
		size_t capacity, size_t *count, int *timeout_ms);

/**
 * For use inside a loop of another kind: runs what is ready, after the wait.
 * `fds` are the `count` entries of the last prepare, with their revents; entries whose
 * descriptor is no longer watched are passed over.
 * Callback: those of the handles on the loop.
 * Errors: -EINVAL not a loop made by evchan_poll_loop_new().
 */
EVCHAN_API int evchan_poll_loop_dispatch(struct evchan_loop *loop,
		const struct pollfd *fds, size_t count);

#ifdef __cplusplus
}
#endif
#endif
