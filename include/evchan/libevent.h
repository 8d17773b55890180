/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_LIBEVENT_H
#define EVCHAN_LIBEVENT_H

/**
 * @file evchan/libevent.h
 *
 * Library evchan-libevent: senders and receivers on a libevent base.
 */

#include <evchan/evchan.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;

/**
 * The loop of a libevent base. One per base is enough, and serves any number of
 * receivers and senders. The base must outlive it. Watches are edge-triggered
 * where the base can (epoll, kqueue), level-triggered elsewhere (poll, select).
 * Errors: -ENOMEM; -EINVAL base is NULL.
 */
EVCHAN_API int evchan_libevent_loop_new(struct evchan_loop **loop, struct event_base *base);

/** Frees; NULL is allowed. All receivers and senders on it must be freed first. May be called in
 *  a callback of the loop. */
EVCHAN_API void evchan_libevent_loop_free(struct evchan_loop *loop);

/**
 * The libevent priority of events made from now on, see
 * event_base_priority_init(); the default is the base's middle one.
 * Errors: -EINVAL no such priority on this base, or not a loop of this library.
 */
EVCHAN_API int evchan_libevent_loop_set_priority(struct evchan_loop *loop, int priority);

#ifdef __cplusplus
}
#endif
#endif
