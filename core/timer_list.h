/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_TIMER_LIST_H
#define EVCHAN_CORE_TIMER_LIST_H

/*
 * The timers of poll_loop.h: which are set, which are due in this turn, and how long
 * poll(2) may wait for the next. Timers are `struct evchan_timer` of <evchan/loop.h> and
 * keep that header's contract.
 */

#include <stdint.h>

#include <evchan/loop.h>

#include "list.h"

/* Every timer is in exactly one of the three. */
struct timer_list {
	struct list idle;    /* not set */
	struct list pending; /* set, sorted by deadline */
	struct list due;     /* time has come, not fired yet */
};

void timer_list_init(struct timer_list *timers);
void timer_list_deinit(struct timer_list *timers); /* frees the timers too */

/* Errors: -ENOMEM. */
int timer_list_add(struct timer_list *timers, struct evchan_timer **timer,
		void (*fired)(void *arg), void *arg);
void timer_list_set(struct timer_list *timers, struct evchan_timer *timer,
		uint32_t milliseconds);
void timer_list_clear(struct timer_list *timers, struct evchan_timer *timer);
void timer_list_remove(struct evchan_timer *timer); /* frees it */

/* Marks as due what is to fire in this turn. Timers set later, to 0 ms too, are not
 * among them. */
void timer_list_collect(struct timer_list *timers);

/* Fires what is due, oldest deadline first. A callback may remove any timer. */
void timer_list_fire(struct timer_list *timers);

/* Milliseconds to wait for the next timer, no more than `limit` (negative: no limit);
 * as poll(2) takes them: -1 without end. */
int timer_list_wait(const struct timer_list *timers, int limit);

#endif
