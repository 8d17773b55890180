/* SPDX-License-Identifier: MIT */

/*
 * The operations table on a libevent base (2.1 or later).
 *
 * A timer is one event without a descriptor; what a watch is depends on the system. The events are
 * made by event_new() although struct event could be embedded: its size differs between
 * libevent's releases, and a shared library must not depend on it.
 *
 * Nothing of a watch, a timer or the loop is touched after a callback has returned: each
 * may have been freed in it, the loop included. libevent allows it too: it has copied
 * what it needs by then.
 *
 * Turns. The obvious number is event_base_gettimeofday_cached(), which libevent keeps
 * constant while it runs a pass of callbacks. It is of no use: unless the application
 * asked for EVENT_BASE_FLAG_PRECISE_TIMER, the clock behind it is CLOCK_MONOTONIC_COARSE
 * and stands still for a tick of 1 to 10 ms. Of 100000 passes of a busy loop 99987 had
 * the number of the pass before, and a base with EVENT_BASE_FLAG_NO_CACHE_TIME changes it
 * inside a pass. So passes are counted: whoever asks first in a pass activates an event,
 * `pass_end`, which libevent puts behind all that are active and runs in the same pass,
 * and the next to ask after it gets the next number. That is one entry in a list and one
 * call for each pass that asks; no system call, and no turn of the loop that would not
 * have been. `pass_end` has the priority of the other events, because libevent breaks off
 * a pass for an event of a higher one, and leaves a lower one waiting.
 */

#include "libevent_loop.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

struct evchan_timer {
	struct event *event;
	/* where libevent has no room for it: see wait_without_room() */
	uint64_t deadline; /* 0: it has */
	bool goes_behind;  /* those that are ready */
	void (*fired)(void *arg);
	void *arg;
};

struct libevent_loop *libevent_from_loop(struct evchan_loop *loop)
{
	return (struct libevent_loop *)(void *)((char *)loop -
			offsetof(struct libevent_loop, loop));
}

/* ---- Events ------------------------------------------------------------------ */

/* libevent reports by -1 and, where a system call failed, errno. */
int libevent_add(struct event *event)
{
	errno = 0;
	if (event_add(event, NULL) == 0)
		return 0;
	return errno > 0 ? -errno : -EINVAL;
}

int libevent_make(struct event **out, struct libevent_loop *libevent_loop,
		evutil_socket_t fd, short what, event_callback_fn callback, void *arg)
{
	struct event *event;

	event = event_new(libevent_loop->base, fd, what, callback, arg);
	if (event == NULL)
		return -ENOMEM;
	/* Cannot fail: the event is not active, and set_priority has checked the
	 * number. If the base was given fewer priorities since, the middle one of
	 * event_new() stands. */
	if (libevent_loop->priority >= 0)
		(void)event_priority_set(event, libevent_loop->priority);
	*out = event;
	return 0;
}

/* ---- Timers ------------------------------------------------------------------ */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * libevent keeps timers in an array, and when that is full it may find no memory for a
 * larger one. A timer that is lost would leave its handle asleep for ever, so such a one
 * goes around with the loop, as an active event, and is offered to libevent again each
 * time until there is room or its time has come. That takes CPU for as long as memory is
 * short, but no memory. An active event alone would come round in the same pass, and keep
 * everybody else from theirs: the loop is told to look at the descriptors first, and then
 * the timer goes behind those that were found ready.
 */
static void wait_without_room(struct evchan_timer *timer)
{
	timer->goes_behind = true;
	event_active(timer->event, EV_TIMEOUT, 0);
	event_base_loopcontinue(event_get_base(timer->event));
}

/* Whether libevent has taken it. */
static bool wait_in_base(const struct evchan_timer *timer, uint64_t milliseconds)
{
	struct timeval timeout;

	timeout.tv_sec = (long)(milliseconds / 1000);
	timeout.tv_usec = (int)(milliseconds % 1000 * 1000);
	return event_add(timer->event, &timeout) == 0;
}

/* Whether the time of one that goes around has come. */
static bool has_come_round(struct evchan_timer *timer)
{
	uint64_t now;

	if (timer->goes_behind) {
		timer->goes_behind = false;
		event_active(timer->event, EV_TIMEOUT, 0);
		return false;
	}
	now = now_ms();
	if (timer->deadline <= now)
		return true;
	if (wait_in_base(timer, timer->deadline - now))
		timer->deadline = 0;
	else
		wait_without_room(timer);
	return false;
}

static void on_fired(evutil_socket_t fd, short what, void *arg)
{
	struct evchan_timer *timer = arg;

	(void)fd;
	(void)what;
	if (timer->deadline && !has_come_round(timer))
		return;
	timer->deadline = 0;
	timer->fired(timer->arg);
}

static int timer_add(struct evchan_loop *loop, struct evchan_timer **out,
		void (*fired)(void *arg), void *arg)
{
	struct evchan_timer *timer;
	int r;

	timer = malloc(sizeof(*timer));
	if (timer == NULL)
		return -ENOMEM;
	timer->deadline = 0;
	timer->fired = fired;
	timer->arg = arg;
	r = libevent_make(
			&timer->event, libevent_from_loop(loop), -1, 0, on_fired, timer);
	if (r < 0) {
		free(timer);
		return r;
	}
	*out = timer;
	return 0;
}

/*
 * Zero milliseconds are a zero timeval, not event_active(): libevent looks for timers
 * once in a turn, after it has asked for ready descriptors, so this one runs in the next
 * turn and behind these, whereas an event activated in a callback runs in the same pass
 * and can starve all others. Time counts from the beginning of the pass and on libevent's
 * coarse clock: a timer may be a few milliseconds early.
 */
static int timer_set(struct evchan_loop *loop, struct evchan_timer *timer,
		uint32_t milliseconds)
{
	(void)loop;
	timer->deadline = 0;
	if (!wait_in_base(timer, milliseconds)) {
		timer->deadline = now_ms() + milliseconds;
		wait_without_room(timer);
	}
	return 0;
}

static void timer_clear(struct evchan_loop *loop, struct evchan_timer *timer)
{
	(void)loop;
	timer->deadline = 0;
	event_del(timer->event);
}

static void timer_remove(struct evchan_loop *loop, struct evchan_timer *timer)
{
	(void)loop;
	event_free(timer->event);
	free(timer);
}

/* ---- Turns ------------------------------------------------------------------- */

static void on_pass_end(evutil_socket_t fd, short what, void *arg)
{
	struct libevent_loop *libevent_loop = arg;

	(void)fd;
	(void)what;
	libevent_loop->in_pass = false;
}

static uint64_t turn(struct evchan_loop *loop)
{
	struct libevent_loop *libevent_loop = libevent_from_loop(loop);

	if (!libevent_loop->in_pass) {
		libevent_loop->in_pass = true;
		libevent_loop->turn++;
		event_active(libevent_loop->pass_end, EV_TIMEOUT, 0);
	}
	return libevent_loop->turn;
}

/* ---- The loop ---------------------------------------------------------------- */

/* Of a base without edges. */
static const struct evchan_loop_ops operations = {
	.size = sizeof(struct evchan_loop_ops),
	.features = 0,
	.watch_add = libevent_watch_add,
	.watch_change = libevent_watch_change,
	.watch_remove = libevent_watch_remove,
	.timer_add = timer_add,
	.timer_set = timer_set,
	.timer_clear = timer_clear,
	.timer_remove = timer_remove,
	.turn = turn,
};

static bool is_ours(const struct evchan_loop *loop)
{
	return loop && loop->ops->turn == turn;
}

int evchan_libevent_loop_new(struct evchan_loop **loop, struct event_base *base)
{
	struct libevent_loop *libevent_loop;
	int r;

	if (base == NULL)
		return -EINVAL;
	libevent_loop = calloc(1, sizeof(*libevent_loop));
	if (libevent_loop == NULL)
		return -ENOMEM;
	libevent_loop->operations = operations;
	libevent_loop->operations.features = libevent_watch_features(base);
	libevent_loop->loop.ops = &libevent_loop->operations;
	libevent_loop->base = base;
	libevent_loop->priority = -1;
	r = libevent_make(&libevent_loop->pass_end, libevent_loop, -1, 0, on_pass_end,
			libevent_loop);
	if (r < 0)
		goto fail;
	r = libevent_watches_init(libevent_loop);
	if (r < 0)
		goto fail_event;
	*loop = &libevent_loop->loop;
	return 0;

fail_event:
	event_free(libevent_loop->pass_end);
fail:
	free(libevent_loop);
	return r;
}

void evchan_libevent_loop_free(struct evchan_loop *loop)
{
	struct libevent_loop *libevent_loop;

	if (!is_ours(loop))
		return;
	libevent_loop = libevent_from_loop(loop);
	/* Also takes it out of the pass that is running. */
	event_free(libevent_loop->pass_end);
	libevent_watches_deinit(libevent_loop);
	free(libevent_loop);
}

int evchan_libevent_loop_set_priority(struct evchan_loop *loop, int priority)
{
	struct libevent_loop *libevent_loop;

	if (!is_ours(loop))
		return -EINVAL;
	libevent_loop = libevent_from_loop(loop);
	if (priority < 0 || priority >= event_base_get_npriorities(libevent_loop->base))
		return -EINVAL;
	libevent_loop->priority = priority;
	/* An active event keeps its priority; one that is not runs no more, so the
	 * pass ends here. */
	event_del(libevent_loop->pass_end);
	libevent_loop->in_pass = false;
	(void)event_priority_set(libevent_loop->pass_end, priority);
	libevent_watches_set_priority(libevent_loop);
	return 0;
}
