/* SPDX-License-Identifier: MIT */

/*
 * Watches on a libevent base: one persistent event for each.
 *
 * Edges. Without epoll or kqueue libevent accepts EV_ET and then behaves as if it had not
 * been asked, so the base's features decide, once, what the loop offers. With edges,
 * removing an event and adding it again reports a readiness that is there already, so
 * that a change of interest loses none.
 *
 * Hang-ups. On epoll they arrive as EV_READ | EV_WRITE, edge or not, and each event is
 * given those of the two that it waits for. Nothing here needs EV_CLOSED.
 */

#include "libevent_loop.h"

#include <errno.h>
#include <stdlib.h>

struct evchan_watch {
	struct event *event;
	void (*ready)(void *arg, unsigned events);
	void *arg;
};

uint32_t libevent_watch_features(struct event_base *base)
{
	return event_base_get_features(base) & EV_FEATURE_ET ? EVCHAN_LOOP_EDGE : 0;
}

int libevent_watches_init(struct libevent_loop *libevent_loop)
{
	libevent_loop->watches = NULL;
	return 0;
}

void libevent_watches_deinit(struct libevent_loop *libevent_loop)
{
	(void)libevent_loop;
}

void libevent_watches_set_priority(struct libevent_loop *libevent_loop)
{
	(void)libevent_loop;
}

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

int libevent_watch_add(struct evchan_loop *loop, struct evchan_watch **out, int fd,
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
	r = libevent_make(&watch->event, libevent_from_loop(loop), fd,
			what_of(loop, events), on_ready, watch);
	if (r < 0)
		goto fail_watch;
	/* Adding an event that waits for nothing does nothing. */
	r = libevent_add(watch->event);
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
	return libevent_add(event);
}

int libevent_watch_change(
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

void libevent_watch_remove(struct evchan_loop *loop, struct evchan_watch *watch)
{
	(void)loop;
	event_free(watch->event);
	free(watch);
}
