/* SPDX-License-Identifier: MIT */

/*
 * The table of operations of <evchan/loop.h> on libuv 1.x: about what an adapter to any other loop looks like.
 *
 * Watches are uv_poll_t handles. They are level-triggered, so no edges are offered, and receivers use pipes as bells. libuv has
 * one poll handle for each descriptor, which is all that evchan asks for. On an error of the descriptor (EPOLLERR
 * alone) libuv stops the handle and says UV_EBADF; to evchan that is readiness like any other, so the handle is
 * started again before it is told.
 *
 * Timers are uv_timer_t handles, except those of 0 ms: uv_timer_start(0) fires in the same turn when it is called by
 * another timer, and a loop in which evchan asks for "the next turn" each time would never come to its descriptors. So these
 * are in a list of their own. A prepare handle, which libuv calls before it waits, marks what is in
 * the list as due; a check handle, which it calls behind the ready descriptors, fires what is due; and an idle handle keeps libuv from
 * waiting while the list has something. What is set meanwhile is not due before the next turn.
 *
 * Closing a libuv handle takes until its next turn. Until then its memory must stay, hence the callbacks that free it. None of them
 * touches the adapter, which may be gone by then.
 */

#include "uv_loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/queue.h>

/* The handles that make turns, in memory of their own: they are closed after the adapter is freed. */
struct turn {
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	unsigned open; /* of these three */
};

struct uv_adapter {
	struct evchan_loop loop;
	uv_loop_t *uv;
	struct turn *turn;
	TAILQ_HEAD(timer_queue, evchan_timer) at_once;
	uint64_t number; /* of the turn */
};

struct evchan_watch {
	uv_poll_t poll;
	unsigned events;
	void (*ready)(void *arg, unsigned events);
	void *arg;
};

struct evchan_timer {
	uv_timer_t timer;
	TAILQ_ENTRY(evchan_timer) link;
	struct uv_adapter *adapter;
	bool is_at_once; /* in the list */
	bool is_due;
	void (*fired)(void *arg);
	void *arg;
};

/* libuv's errors are negative errno values on UNIX. */
static struct uv_adapter *from_loop(struct evchan_loop *loop)
{
	return (struct uv_adapter *)(void *)((char *)loop -
			offsetof(struct uv_adapter, loop));
}

static void free_handle(uv_handle_t *handle)
{
	free(handle->data);
}

/* ---- Watches ---------------------------------------------------------------------- */

static int start(struct evchan_watch *watch);

static void on_ready(uv_poll_t *poll, int status, int uv_events)
{
	struct evchan_watch *watch = poll->data;
	unsigned events = 0;

	if (status < 0) {
		events = watch->events;
		if (start(watch) < 0)
			return;
	}
	if (uv_events & UV_READABLE)
		events |= EVCHAN_LOOP_READ;
	if (uv_events & UV_WRITABLE)
		events |= EVCHAN_LOOP_WRITE;
	watch->ready(watch->arg, events);
}

/* A watch that waits for nothing is a handle that is stopped. */
static int start(struct evchan_watch *watch)
{
	int uv_events = 0;

	if (watch->events & EVCHAN_LOOP_READ)
		uv_events |= UV_READABLE;
	if (watch->events & EVCHAN_LOOP_WRITE)
		uv_events |= UV_WRITABLE;
	return uv_events ? uv_poll_start(&watch->poll, uv_events, on_ready)
			 : uv_poll_stop(&watch->poll);
}

static int watch_add(struct evchan_loop *loop, struct evchan_watch **out, int fd,
		unsigned events, void (*ready)(void *arg, unsigned events), void *arg)
{
	struct evchan_watch *watch;
	int r;

	if (fd < 0)
		return -EBADF;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->events = events & (EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);
	watch->ready = ready;
	watch->arg = arg;
	r = uv_poll_init(from_loop(loop)->uv, &watch->poll, fd);
	if (r < 0) {
		free(watch);
		return r;
	}
	watch->poll.data = watch;
	r = start(watch);
	if (r < 0)
		uv_close((uv_handle_t *)&watch->poll, free_handle);
	else
		*out = watch;
	return r;
}

static int watch_change(
		struct evchan_loop *loop, struct evchan_watch *watch, unsigned events)
{
	(void)loop;
	watch->events = events & (EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);
	return start(watch);
}

static void watch_remove(struct evchan_loop *loop, struct evchan_watch *watch)
{
	(void)loop;
	uv_close((uv_handle_t *)&watch->poll, free_handle);
}

/* ---- Timers ----------------------------------------------------------------------- */

static void on_time(uv_timer_t *handle)
{
	struct evchan_timer *timer = handle->data;

	timer->fired(timer->arg);
}

static void on_idle(uv_idle_t *handle)
{
	(void)handle;
}

static void timer_clear(struct evchan_loop *loop, struct evchan_timer *timer)
{
	struct uv_adapter *adapter = from_loop(loop);

	uv_timer_stop(&timer->timer);
	if (!timer->is_at_once)
		return;
	TAILQ_REMOVE(&adapter->at_once, timer, link);
	timer->is_at_once = timer->is_due = false;
	if (TAILQ_EMPTY(&adapter->at_once))
		uv_idle_stop(&adapter->turn->idle);
}

static int timer_add(struct evchan_loop *loop, struct evchan_timer **out,
		void (*fired)(void *arg), void *arg)
{
	struct evchan_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	timer->adapter = from_loop(loop);
	timer->fired = fired;
	timer->arg = arg;
	uv_timer_init(timer->adapter->uv, &timer->timer);
	timer->timer.data = timer;
	*out = timer;
	return 0;
}

static int timer_set(struct evchan_loop *loop, struct evchan_timer *timer,
		uint32_t milliseconds)
{
	struct uv_adapter *adapter = from_loop(loop);

	timer_clear(loop, timer);
	if (milliseconds > 0) {
		/* libuv counts from when it last looked at the clock. */
		uv_update_time(adapter->uv);
		return uv_timer_start(&timer->timer, on_time, milliseconds, 0);
	}
	timer->is_at_once = true;
	TAILQ_INSERT_TAIL(&adapter->at_once, timer, link);
	return uv_idle_start(&adapter->turn->idle, on_idle);
}

static void timer_remove(struct evchan_loop *loop, struct evchan_timer *timer)
{
	timer_clear(loop, timer);
	uv_close((uv_handle_t *)&timer->timer, free_handle);
}

/* ---- Turns ------------------------------------------------------------------------ */

static void on_prepare(uv_prepare_t *handle)
{
	struct uv_adapter *adapter = handle->data;
	struct evchan_timer *timer;

	adapter->number++;
	TAILQ_FOREACH(timer, &adapter->at_once, link)
	timer->is_due = true;
}

/* The due ones are at the front. A callback may free the adapter; the handle is there until the turn ends, and says so. */
static void on_check(uv_check_t *handle)
{
	struct uv_adapter *adapter = handle->data;
	struct evchan_timer *timer;

	while ((timer = TAILQ_FIRST(&adapter->at_once)) && timer->is_due) {
		timer_clear(&adapter->loop, timer);
		timer->fired(timer->arg);
		if (handle->data != adapter)
			return;
	}
}

static uint64_t turn_number(struct evchan_loop *loop)
{
	return from_loop(loop)->number;
}

static const struct evchan_loop_ops operations = {
	.size = sizeof(struct evchan_loop_ops),
	.watch_add = watch_add,
	.watch_change = watch_change,
	.watch_remove = watch_remove,
	.timer_add = timer_add,
	.timer_set = timer_set,
	.timer_clear = timer_clear,
	.timer_remove = timer_remove,
	.turn = turn_number,
};

/* They do not keep the loop alive: what waits for something does. */
static void open_turn(struct uv_adapter *adapter)
{
	struct turn *turn = adapter->turn;

	uv_prepare_init(adapter->uv, &turn->prepare);
	uv_check_init(adapter->uv, &turn->check);
	uv_idle_init(adapter->uv, &turn->idle);
	turn->prepare.data = turn->check.data = adapter;
	uv_prepare_start(&turn->prepare, on_prepare);
	uv_check_start(&turn->check, on_check);
	uv_unref((uv_handle_t *)&turn->prepare);
	uv_unref((uv_handle_t *)&turn->check);
}

static void on_turn_closed(uv_handle_t *handle)
{
	struct turn *turn = handle->data;

	if (--turn->open == 0)
		free(turn);
}

static void close_turn(struct turn *turn)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&turn->prepare,
		(uv_handle_t *)&turn->check, (uv_handle_t *)&turn->idle };

	turn->open = 3;
	for (int i = 0; i < 3; i++) {
		handles[i]->data = turn;
		uv_close(handles[i], on_turn_closed);
	}
}

/* ---- The loop --------------------------------------------------------------------- */

int uv_loop_adapter_new(struct evchan_loop **loop, uv_loop_t *uv)
{
	struct uv_adapter *adapter = calloc(1, sizeof(*adapter));

	if (!adapter)
		return -ENOMEM;
	adapter->turn = calloc(1, sizeof(*adapter->turn));
	if (!adapter->turn) {
		free(adapter);
		return -ENOMEM;
	}
	adapter->loop.ops = &operations;
	adapter->uv = uv;
	adapter->number = 1;
	TAILQ_INIT(&adapter->at_once);
	open_turn(adapter);
	*loop = &adapter->loop;
	return 0;
}

void uv_loop_adapter_free(struct evchan_loop *loop)
{
	struct uv_adapter *adapter;

	if (!loop)
		return;
	adapter = from_loop(loop);
	close_turn(adapter->turn);
	free(adapter);
}
