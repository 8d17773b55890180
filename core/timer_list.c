/* SPDX-License-Identifier: MIT */

/*
 * Timers as sorted lists.
 *
 * `due` is filled once in a turn, before the first callback of that turn, and never by
 * setting a timer. That is what lets a timer that a callback sets to 0 wait for the next
 * turn, and makes a timer which sets itself to 0 fire once a turn instead of for ever.
 *
 * A list and not a heap: time-outs of one kind have one length, so their deadlines come
 * in the order in which they are set, and looking for the place from the end finds it at
 * once.
 */

#include "timer_list.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "clock.h"

struct evchan_timer {
	struct list link;
	uint64_t deadline; /* on clock_milliseconds() */
	void (*fired)(void *arg);
	void *arg;
};

static struct evchan_timer *timer_of(struct list *link)
{
	return CONTAINER_OF(link, struct evchan_timer, link);
}

static struct evchan_timer *first_of(const struct list *list)
{
	return timer_of(list->next);
}

static void free_all(struct list *list)
{
	while (!list_is_empty(list))
		timer_list_remove(first_of(list));
}

void timer_list_init(struct timer_list *timers)
{
	list_init(&timers->idle);
	list_init(&timers->pending);
	list_init(&timers->due);
}

void timer_list_deinit(struct timer_list *timers)
{
	free_all(&timers->idle);
	free_all(&timers->pending);
	free_all(&timers->due);
}

int timer_list_add(struct timer_list *timers, struct evchan_timer **out,
		void (*fired)(void *arg), void *arg)
{
	struct evchan_timer *timer;

	timer = malloc(sizeof(*timer));
	if (timer == NULL)
		return -ENOMEM;
	timer->fired = fired;
	timer->arg = arg;
	list_append(&timers->idle, &timer->link);
	*out = timer;
	return 0;
}

void timer_list_set(struct timer_list *timers, struct evchan_timer *timer,
		uint32_t milliseconds)
{
	struct list *after;

	list_remove(&timer->link);
	timer->deadline = clock_milliseconds() + milliseconds;
	/* Behind its equals: of two that are set to the same time, the first set fires
	 * first. */
	for (after = timers->pending.previous; after != &timers->pending;
			after = after->previous) {
		if (timer_of(after)->deadline <= timer->deadline)
			break;
	}
	list_append(after->next, &timer->link);
}

void timer_list_clear(struct timer_list *timers, struct evchan_timer *timer)
{
	list_remove(&timer->link);
	list_append(&timers->idle, &timer->link);
}

void timer_list_remove(struct evchan_timer *timer)
{
	list_remove(&timer->link);
	free(timer);
}

void timer_list_collect(struct timer_list *timers)
{
	uint64_t now;

	if (list_is_empty(&timers->pending))
		return;
	now = clock_milliseconds();
	while (!list_is_empty(&timers->pending)) {
		struct evchan_timer *timer = first_of(&timers->pending);

		if (timer->deadline > now)
			return;
		list_remove(&timer->link);
		list_append(&timers->due, &timer->link);
	}
}

void timer_list_fire(struct timer_list *timers)
{
	while (!list_is_empty(&timers->due)) {
		struct evchan_timer *timer = first_of(&timers->due);

		/* Before the call, in which it may be set again or removed. */
		timer_list_clear(timers, timer);
		timer->fired(timer->arg);
	}
}

int timer_list_wait(const struct timer_list *timers, int limit)
{
	uint64_t now, deadline, wait;

	/* Left over by a turn that is on the stack. */
	if (!list_is_empty(&timers->due))
		return 0;
	if (list_is_empty(&timers->pending))
		return limit < 0 ? -1 : limit;
	now = clock_milliseconds();
	deadline = first_of(&timers->pending)->deadline;
	wait = deadline > now ? deadline - now : 0;
	/* Waking weeks too early is harmless: nothing is due then. */
	if (wait > INT_MAX)
		wait = INT_MAX;
	return limit >= 0 && (uint64_t)limit < wait ? limit : (int)wait;
}
