/* SPDX-License-Identifier: MIT */

/*
 * The operations table on a libevent base (2.1 or later).
 *
 * A watch is one persistent event, a timer one event without a descriptor. The events are
 * made by event_new() although struct event could be embedded: its size differs between
 * libevent's releases, and a shared library must not depend on it.
 *
 * Nothing of a watch, a timer or the loop is touched after a callback has returned: each
 * may have been freed in it, the loop included. libevent allows it too: it has copied
 * what it needs by then.
 *
 * Edges. Without epoll or kqueue libevent accepts EV_ET and then behaves as if it had not
 * been asked, so the base's features decide, once, what the loop offers. With edges,
 * removing an event and adding it again reports a readiness that is there already, so
 * that a change of interest loses none.
 *
 * Hang-ups. On epoll they arrive as EV_READ | EV_WRITE, edge or not, and each event is
 * given those of the two that it waits for. Nothing here needs EV_CLOSED.
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

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/loop.h>

struct libevent_loop {
	struct evchan_loop loop;
	struct evchan_loop_ops operations; /* with the features of this base */
	struct event_base *base;
	int priority; /* of new events; negative: the base's middle one */
	struct event *pass_end;
	bool in_pass; /* `turn` is this pass's number, and pass_end is active */
	uint64_t turn;
};

struct evchan_watch {
	struct event *event;
	void (*ready)(void *arg, unsigned events);
	void *arg;
};

struct evchan_timer {
	struct event *event;
	/* where libevent has no room for it: see wait_without_room() */
	uint64_t deadline; /* 0: it has */
	bool goes_behind;  /* those that are ready */
	void (*fired)(void *arg);
	void *arg;
};

static struct libevent_loop *from_loop(struct evchan_loop *loop)
{
	return (struct libevent_loop *)(void *)((char *)loop -
			offsetof(struct libevent_loop, loop));
}

/* ---- Events ------------------------------------------------------------------ */

/* libevent reports by -1 and, where a system call failed, errno. */
static int add(struct event *event)
{
	errno = 0;
	if (event_add(event, NULL) == 0)
		return 0;
	return errno > 0 ? -errno : -EINVAL;
}

static int make(struct event **out, struct libevent_loop *libevent_loop, int fd,
		short what, event_callback_fn callback, void *arg)
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

/* ---- Watches ----------------------------------------------------------------- */

static short what_of(struct evchan_loop *loop, unsigned events)
{
	short what = EV_PERSIST;

	if (events & EVCHAN_LOOP_READ)
		what |= EV_READ;
	if (events & EVCHAN_LOOP_WRITE)
		what |= EV_WRITE;
	if (events & loop->ops->features & EVCHAN_LOOP_EDGE)
		what |= EV_ET;
	return what;
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct evchan_watch *watch = arg;
	unsigned events = 0;

	(void)fd;
	if (what & EV_READ)
		events |= EVCHAN_LOOP_READ;
	if (what & EV_WRITE)
		events |= EVCHAN_LOOP_WRITE;
	watch->ready(watch->arg, events);
}

static int watch_add(struct evchan_loop *loop, struct evchan_watch **out, int fd,
		unsigned events, void (*ready)(void *arg, unsigned events), void *arg)
{
	struct evchan_watch *watch;
	int r;

	/* libevent would take it, and never call back. */
	if (fd < 0)
		return -EBADF;
	watch = malloc(sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	watch->ready = ready;
	watch->arg = arg;
	r = make(&watch->event, from_loop(loop), fd, what_of(loop, events), on_ready,
			watch);
	if (r < 0)
		goto fail_watch;
	/* Adding an event that waits for nothing does nothing. */
	r = add(watch->event);
	if (r < 0)
		goto fail_event;
	*out = watch;
	return 0;

fail_event:
	event_free(watch->event);
fail_watch:
	free(watch);
	return r;
}

/* event_assign() forgets the priority. */
static int restart(struct event *event, short what, int priority)
{
	event_assign(event, event_get_base(event), event_get_fd(event), what,
			event_get_callback(event), event_get_callback_arg(event));
	(void)event_priority_set(event, priority);
	return add(event);
}

static int watch_change(
		struct evchan_loop *loop, struct evchan_watch *watch, unsigned events)
{
	struct event *event = watch->event;
	short before = event_get_events(event);
	short what = what_of(loop, events);
	int priority = event_get_priority(event);
	int r;

	if (what == before)
		return 0;
	event_del(event);
	r = restart(event, what, priority);
	if (r < 0)
		(void)restart(event, before, priority);
	return r;
}

static void watch_remove(struct evchan_loop *loop, struct evchan_watch *watch)
{
	(void)loop;
	event_free(watch->event);
	free(watch);
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

	timeout.tv_sec = (time_t)(milliseconds / 1000);
	timeout.tv_usec = (suseconds_t)(milliseconds % 1000 * 1000);
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
	r = make(&timer->event, from_loop(loop), -1, 0, on_fired, timer);
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
	struct libevent_loop *libevent_loop = from_loop(loop);

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
	.watch_add = watch_add,
	.watch_change = watch_change,
	.watch_remove = watch_remove,
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
	if (event_base_get_features(base) & EV_FEATURE_ET)
		libevent_loop->operations.features = EVCHAN_LOOP_EDGE;
	libevent_loop->loop.ops = &libevent_loop->operations;
	libevent_loop->base = base;
	libevent_loop->priority = -1;
	r = make(&libevent_loop->pass_end, libevent_loop, -1, 0, on_pass_end,
			libevent_loop);
	if (r < 0) {
		free(libevent_loop);
		return r;
	}
	*loop = &libevent_loop->loop;
	return 0;
}

void evchan_libevent_loop_free(struct evchan_loop *loop)
{
	struct libevent_loop *libevent_loop;

	if (!is_ours(loop))
		return;
	libevent_loop = from_loop(loop);
	/* Also takes it out of the pass that is running. */
	event_free(libevent_loop->pass_end);
	free(libevent_loop);
}

int evchan_libevent_loop_set_priority(struct evchan_loop *loop, int priority)
{
	struct libevent_loop *libevent_loop;

	if (!is_ours(loop))
		return -EINVAL;
	libevent_loop = from_loop(loop);
	if (priority < 0 || priority >= event_base_get_npriorities(libevent_loop->base))
		return -EINVAL;
	libevent_loop->priority = priority;
	/* An active event keeps its priority; one that is not runs no more, so the
	 * pass ends here. */
	event_del(libevent_loop->pass_end);
	libevent_loop->in_pass = false;
	(void)event_priority_set(libevent_loop->pass_end, priority);
	return 0;
}
