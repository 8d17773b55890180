/* SPDX-License-Identifier: MIT */
/*
 * What every loop owes the core, on handles: both loops of the library. As tests/support/loop_contract.c, whose peers are
 * descriptors of UNIX. Where something must *not* happen the loop is given a while in which it could.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <winsock2.h>

#include <event2/event.h>

#include <evchan/loop.h>

#include "scene.h"
#include "stage.h"

#define CROWD 200u /* more than the system waits for at once */
#define WHILE_MS 50

struct adapter {
	void (*make)(struct evchan_loop **loop);
	void (*end)(void);
	void (*run)(int timeout_ms); /* one turn */
};

static struct evchan_loop *loop;

/* ---- libevent ---------------------------------------------------------------------- */

static struct stage stage;

static void make_libevent(struct evchan_loop **out)
{
	stage_open(&stage, NULL);
	*out = stage.loop;
}

static void end_libevent(void)
{
	stage.loop = loop;
	stage_close(&stage);
}

static void nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void run_libevent(int timeout_ms)
{
	struct timeval time = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct event *event = event_new(stage.base, -1, 0, nothing, NULL);

	event_add(event, &time);
	event_base_loop(stage.base, EVLOOP_ONCE);
	event_free(event);
}

static const struct adapter on_libevent = { make_libevent, end_libevent, run_libevent };

/* ---- The poll loop -------------------------------------------------------------------- */

static void make_poll(struct evchan_loop **out)
{
	assert_int_equal(evchan_poll_loop_new(out), 0);
}

static void end_poll(void)
{
	evchan_poll_loop_free(loop);
}

static void run_poll(int timeout_ms)
{
	assert_int_equal(evchan_poll_loop_run_once(loop, timeout_ms), 0);
}

static const struct adapter on_poll = { make_poll, end_poll, run_poll };

/* ---- Probes ------------------------------------------------------------------------------ */

struct probe {
	HANDLE event;
	struct evchan_watch *watch;
	struct evchan_timer *timer;
	unsigned calls;
	struct probe *removes; /* in the callback */
	bool takes;            /* resets the event there */
	HANDLE answer;         /* set there */
};

static const struct adapter *adapter;

static void remove_watch(struct probe *probe)
{
	if (probe->watch)
		loop->ops->watch_remove(loop, probe->watch);
	probe->watch = NULL;
}

static void on_ready(void *arg, unsigned events)
{
	struct probe *probe = arg;

	assert_true(events & EVCHAN_LOOP_READ);
	probe->calls++;
	if (probe->takes)
		ResetEvent(probe->event);
	if (probe->answer)
		SetEvent(probe->answer);
	if (probe->removes)
		remove_watch(probe->removes);
}

static void on_fired(void *arg)
{
	((struct probe *)arg)->calls++;
}

static void watch(struct probe *probe, bool stays_set, unsigned edge)
{
	probe->event = CreateEventW(NULL, stays_set, FALSE, NULL);
	assert_non_null(probe->event);
	assert_int_equal(loop->ops->watch_add(loop, &probe->watch,
					 (int)(intptr_t)probe->event,
					 EVCHAN_LOOP_READ | edge, on_ready, probe),
			0);
}

static void end(struct probe *probe)
{
	remove_watch(probe);
	CloseHandle(probe->event);
}

static void run_for(int milliseconds)
{
	ULONGLONG until = GetTickCount64() + (ULONGLONG)milliseconds;

	while (GetTickCount64() < until)
		adapter->run(5);
}

#define RUN_UNTIL(condition) \
	while (!(condition)) \
	adapter->run(1000)

/* ---- What is owed -------------------------------------------------------------------------- */

static void each_ring_is_heard(void)
{
	struct probe probe = { 0 };

	watch(&probe, false, EVCHAN_LOOP_EDGE);
	run_for(WHILE_MS);
	assert_int_equal(probe.calls, 0);
	for (unsigned i = 1; i <= 500; i++) {
		SetEvent(probe.event);
		RUN_UNTIL(probe.calls == i);
	}
	run_for(WHILE_MS);
	assert_int_equal(probe.calls, 500);
	end(&probe);
}

static void ring_before_the_watch_is_heard(void)
{
	struct probe probe = { 0 };

	watch(&probe, false, 0);
	remove_watch(&probe);
	SetEvent(probe.event);
	assert_int_equal(loop->ops->watch_add(loop, &probe.watch,
					 (int)(intptr_t)probe.event, EVCHAN_LOOP_READ,
					 on_ready, &probe),
			0);
	RUN_UNTIL(probe.calls == 1);
	end(&probe);
}

static void level_is_told_until_it_is_taken(void)
{
	struct probe probe = { 0 };
	unsigned calls;

	watch(&probe, true, 0);
	SetEvent(probe.event);
	RUN_UNTIL(probe.calls >= 5);
	probe.takes = true;
	calls = probe.calls;
	RUN_UNTIL(probe.calls > calls);
	run_for(WHILE_MS);
	calls = probe.calls;
	run_for(WHILE_MS);
	assert_int_equal(probe.calls, calls);
	SetEvent(probe.event);
	RUN_UNTIL(probe.calls > calls);
	end(&probe);
}

/* The loop sleeps, but for a few turns that may be left over. */
static bool comes_to_rest(void)
{
	for (unsigned i = 0; i < 20; i++) {
		ULONGLONG before = GetTickCount64();

		adapter->run(2 * WHILE_MS);
		if (GetTickCount64() - before >= WHILE_MS)
			return true;
	}
	return false;
}

static void want(struct probe *probe, unsigned events)
{
	assert_int_equal(loop->ops->watch_change(loop, probe->watch, events), 0);
}

/* What is ready while nothing is wanted costs nothing, and is told when something is. */
static void what_is_not_wanted_waits(void)
{
	for (unsigned i = 0; i < 4; i++) {
		const unsigned edge = i & 2 ? EVCHAN_LOOP_EDGE : 0;
		struct probe probe = { .takes = true };

		watch(&probe, i & 1, edge);
		want(&probe, edge);
		SetEvent(probe.event);
		assert_true(comes_to_rest());
		assert_int_equal(probe.calls, 0);
		want(&probe, EVCHAN_LOOP_READ | edge);
		RUN_UNTIL(probe.calls);
		assert_true(comes_to_rest());
		SetEvent(probe.event);
		RUN_UNTIL(probe.calls > 1);
		end(&probe);
	}
}

/* Wishes that change while rings arrive lose none. */
static void ring_during_a_change_is_heard(void)
{
	struct probe probe = { 0 };

	watch(&probe, false, EVCHAN_LOOP_EDGE);
	for (unsigned i = 1; i <= 1000; i++) {
		SetEvent(probe.event);
		want(&probe, EVCHAN_LOOP_EDGE);
		adapter->run(0);
		want(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
		for (unsigned turns = 0; probe.calls < i; turns++) {
			adapter->run(100);
			assert_true(turns < 20);
		}
		probe.calls = i;
	}
	end(&probe);
}

static void removed_watch_is_silent(void)
{
	struct probe one = { 0 }, other = { 0 };

	watch(&one, false, 0);
	watch(&other, false, 0);
	one.removes = &other;
	other.removes = &one;
	SetEvent(one.event);
	SetEvent(other.event);
	/* Both are ready before the loop turns. */
	Sleep(WHILE_MS);
	run_for(WHILE_MS);
	assert_int_equal(one.calls + other.calls, 1);
	end(&one);
	end(&other);
}

static void watch_removes_itself(void)
{
	struct probe probe = { 0 };

	watch(&probe, true, 0);
	probe.removes = &probe;
	SetEvent(probe.event);
	RUN_UNTIL(probe.calls);
	run_for(WHILE_MS);
	assert_int_equal(probe.calls, 1);
	end(&probe);
}

static DWORD WINAPI ring_for_ever(void *arg)
{
	struct probe *probe = arg;

	while (WaitForSingleObject(probe[1].event, 0) == WAIT_TIMEOUT)
		SetEvent(probe[0].event);
	return 0;
}

/* Removing meets the callback of the system's pool at every moment: nothing is called after it, and nothing freed is used. */
static void watch_is_removed_while_it_is_hit(void)
{
	struct probe probes[2] = { { 0 }, { 0 } };
	struct evchan_watch *again;
	HANDLE thread;

	probes[0].event = CreateEventW(NULL, FALSE, FALSE, NULL);
	probes[1].event = CreateEventW(NULL, TRUE, FALSE, NULL);
	thread = CreateThread(NULL, 0, ring_for_ever, probes, 0, NULL);
	for (unsigned i = 0; i < 600; i++) {
		unsigned calls;

		assert_int_equal(loop->ops->watch_add(loop, &again,
						 (int)(intptr_t)probes[0].event,
						 EVCHAN_LOOP_READ |
								 (i & 1 ? EVCHAN_LOOP_EDGE
									: 0),
						 on_ready, &probes[0]),
				0);
		if (i % 3)
			adapter->run(0);
		loop->ops->watch_remove(loop, again);
		calls = probes[0].calls;
		if (i % 7 == 0)
			adapter->run(0);
		assert_int_equal(probes[0].calls, calls);
	}
	SetEvent(probes[1].event);
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	CloseHandle(probes[0].event);
	CloseHandle(probes[1].event);
}

/* More handles than the system waits for in one call, rung one by one and all at once. */
static void crowd_is_heard(void)
{
	static struct probe crowd[CROWD];
	unsigned heard = 0;

	memset(crowd, 0, sizeof(crowd));
	for (unsigned i = 0; i < CROWD; i++)
		watch(&crowd[i], false, EVCHAN_LOOP_EDGE);
	for (unsigned i = 0; i < CROWD; i += 7) {
		SetEvent(crowd[i].event);
		RUN_UNTIL(crowd[i].calls == 1);
	}
	for (unsigned i = 0; i < CROWD; i++)
		SetEvent(crowd[i].event);
	for (unsigned i = 0; i < CROWD; i++)
		RUN_UNTIL(crowd[i].calls == 1u + (i % 7 == 0));
	run_for(WHILE_MS);
	for (unsigned i = 0; i < CROWD; i++) {
		heard += crowd[i].calls;
		end(&crowd[i]);
	}
	assert_int_equal(heard, CROWD + (CROWD + 6) / 7);
}

#define RINGS 1000u
#define PATIENCE_MS 10000

static struct probe rung[CROWD];
static volatile LONG rings_lost, is_over;

static DWORD WINAPI ring_and_wait(void *arg)
{
	unsigned random = 1;

	(void)arg;
	for (unsigned i = 0; i < RINGS && !rings_lost; i++) {
		random = random * 1103515245u + 12345u;
		SetEvent(rung[(random >> 16) % CROWD].event);
		rings_lost = WaitForSingleObject(rung[0].answer, PATIENCE_MS) !=
				WAIT_OBJECT_0;
	}
	is_over = 1;
	SetEvent(rung[0].event);
	return 0;
}

/* Rings that fall into every moment of a wait for many: none is lost. */
static void ring_among_many_is_never_lost(void)
{
	HANDLE answer = CreateEventW(NULL, FALSE, FALSE, NULL), thread;

	memset(rung, 0, sizeof(rung));
	rings_lost = is_over = 0;
	for (unsigned i = 0; i < CROWD; i++) {
		watch(&rung[i], false, i % 2 ? EVCHAN_LOOP_EDGE : 0);
		rung[i].answer = answer;
	}
	thread = CreateThread(NULL, 0, ring_and_wait, NULL, 0, NULL);
	while (!is_over)
		adapter->run(1000);
	WaitForSingleObject(thread, INFINITE);
	assert_false(rings_lost);
	for (unsigned i = 0; i < CROWD; i++)
		end(&rung[i]);
	CloseHandle(thread);
	CloseHandle(answer);
}

static void timers_come_in_order(void)
{
	struct probe early = { 0 }, late = { 0 }, at_once = { 0 };
	const struct evchan_loop_ops *ops = loop->ops;

	assert_int_equal(ops->timer_add(loop, &early.timer, on_fired, &early), 0);
	assert_int_equal(ops->timer_add(loop, &late.timer, on_fired, &late), 0);
	assert_int_equal(ops->timer_add(loop, &at_once.timer, on_fired, &at_once), 0);
	assert_int_equal(ops->timer_set(loop, late.timer, 60000), 0);
	assert_int_equal(ops->timer_set(loop, early.timer, 20), 0);
	assert_int_equal(ops->timer_set(loop, at_once.timer, 0), 0);
	RUN_UNTIL(early.calls);
	assert_int_equal(at_once.calls, 1);
	assert_int_equal(late.calls, 0);
	ops->timer_remove(loop, early.timer);
	ops->timer_remove(loop, late.timer);
	ops->timer_remove(loop, at_once.timer);
}

static void what_is_no_handle_is_refused(void)
{
	struct probe probe = { 0 };

	assert_int_equal(loop->ops->watch_add(loop, &probe.watch, -1, EVCHAN_LOOP_READ,
					 on_ready, &probe),
			-EBADF);
}

static void run_on(const struct adapter *which, void (*test)(void))
{
	adapter = which;
	which->make(&loop);
	test();
	which->end();
}

#define ON_BOTH(test) \
	static void test##_on_libevent(void **state) \
	{ \
		(void)state; \
		run_on(&on_libevent, test); \
	} \
	static void test##_on_poll(void **state) \
	{ \
		(void)state; \
		run_on(&on_poll, test); \
	}

ON_BOTH(each_ring_is_heard)
ON_BOTH(ring_before_the_watch_is_heard)
ON_BOTH(level_is_told_until_it_is_taken)
ON_BOTH(what_is_not_wanted_waits)
ON_BOTH(ring_during_a_change_is_heard)
ON_BOTH(removed_watch_is_silent)
ON_BOTH(watch_removes_itself)
ON_BOTH(watch_is_removed_while_it_is_hit)
ON_BOTH(crowd_is_heard)
ON_BOTH(ring_among_many_is_never_lost)
ON_BOTH(timers_come_in_order)
ON_BOTH(what_is_no_handle_is_refused)

/* ---- libevent alone -------------------------------------------------------------------------- */

static void ring_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	SetEvent(((struct probe *)arg)->event);
}

/* event_base_dispatch() goes on while there is a watch, and returns when there is none. */
static void base_lives_as_long_as_its_watches(void **state)
{
	static const struct timeval soon = { 0, 50000 };
	struct probe probe = { .removes = &probe };
	struct event *later;

	(void)state;
	adapter = &on_libevent;
	make_libevent(&loop);
	later = event_new(stage.base, -1, 0, ring_later, &probe);
	watch(&probe, false, 0);
	event_add(later, &soon);
	assert_true(event_base_dispatch(stage.base) >= 0);
	assert_int_equal(probe.calls, 1);
	assert_int_equal(event_base_dispatch(stage.base), 1);
	event_free(later);
	end(&probe);
	end_libevent();
}

static int check_socket(
		const struct event_base *base, const struct event *event, void *arg)
{
	int on = 0, size = sizeof(on);

	(void)base;
	if ((int)event_get_fd(event) < 0)
		return 0;
	++*(unsigned *)arg;
	assert_int_equal(getsockopt(event_get_fd(event), IPPROTO_TCP, TCP_NODELAY,
					 (char *)&on, &size),
			0);
	assert_true(on);
	return 0;
}

/* The bytes that wake the loop go out at once, not when those before them are acknowledged. */
static void wake_ups_are_not_kept_back(void **state)
{
	struct probe probe = { 0 };
	unsigned sockets = 0;

	(void)state;
	adapter = &on_libevent;
	make_libevent(&loop);
	watch(&probe, false, 0);
	event_base_foreach_event(stage.base, check_socket, &sockets);
	assert_int_equal(sockets, 1);
	end(&probe);
	end_libevent();
}

/* The loop may be freed in a callback of its last watch. */
static void free_loop(void *arg, unsigned events)
{
	struct probe *probe = arg;

	(void)events;
	probe->calls++;
	remove_watch(probe);
	evchan_libevent_loop_free(loop);
	loop = NULL;
}

static void loop_is_freed_in_its_callback(void **state)
{
	struct probe probe = { 0 };

	(void)state;
	adapter = &on_libevent;
	make_libevent(&loop);
	probe.event = CreateEventW(NULL, TRUE, TRUE, NULL);
	assert_int_equal(loop->ops->watch_add(loop, &probe.watch,
					 (int)(intptr_t)probe.event, EVCHAN_LOOP_READ,
					 free_loop, &probe),
			0);
	RUN_UNTIL(probe.calls);
	run_libevent(0);
	CloseHandle(probe.event);
	end_libevent();
}

/* ---- The poll loop alone ----------------------------------------------------------------------- */

/* A loop of another kind waits for the handles itself. */
static void handles_are_waited_for_elsewhere(void **state)
{
	struct pollfd fds[4];
	struct probe probe = { 0 };
	size_t count;
	int timeout;

	(void)state;
	adapter = &on_poll;
	make_poll(&loop);
	watch(&probe, false, 0);
	SetEvent(probe.event);
	assert_int_equal(evchan_poll_loop_prepare(loop, fds, 4, &count, &timeout), 0);
	assert_int_equal(count, 1);
	assert_int_equal(timeout, -1);
	assert_int_equal(WaitForSingleObject((HANDLE)fds[0].fd, 1000), WAIT_OBJECT_0);
	fds[0].revents = fds[0].events;
	assert_int_equal(evchan_poll_loop_dispatch(loop, fds, count), 0);
	assert_int_equal(probe.calls, 1);
	end(&probe);
	end_poll();
}

/* More than the system's pool has threads. */
#define BLOCKERS 600u

static HANDLE end_of_block, blockers_back;

static DWORD WINAPI block(void *arg)
{
	(void)arg;
	WaitForSingleObject(end_of_block, INFINITE);
	ReleaseSemaphore(blockers_back, 1, NULL);
	return 0;
}

/* What the application does with the pool of its process is its own business, and no loop waits for it. */
static void busy_pool_delays_no_wait(void **state)
{
	static struct probe crowd[CROWD];

	(void)state;
	adapter = &on_poll;
	make_poll(&loop);
	memset(crowd, 0, sizeof(crowd));
	end_of_block = CreateEventW(NULL, TRUE, FALSE, NULL);
	blockers_back = CreateSemaphoreW(NULL, 0, BLOCKERS, NULL);
	for (unsigned i = 0; i < CROWD; i++)
		watch(&crowd[i], false, 0);
	for (unsigned i = 0; i < BLOCKERS; i++)
		assert_true(QueueUserWorkItem(block, NULL, WT_EXECUTELONGFUNCTION));
	run_poll(1);
	SetEvent(crowd[CROWD - 1].event);
	RUN_UNTIL(crowd[CROWD - 1].calls);
	SetEvent(end_of_block);
	for (unsigned i = 0; i < BLOCKERS; i++)
		WaitForSingleObject(blockers_back, INFINITE);
	for (unsigned i = 0; i < CROWD; i++)
		end(&crowd[i]);
	end_poll();
	CloseHandle(end_of_block);
	CloseHandle(blockers_back);
}

#define BOTH(test) SCENE_TEST(test##_on_libevent), SCENE_TEST(test##_on_poll)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(each_ring_is_heard),
		BOTH(ring_before_the_watch_is_heard),
		BOTH(level_is_told_until_it_is_taken),
		BOTH(what_is_not_wanted_waits),
		BOTH(ring_during_a_change_is_heard),
		BOTH(removed_watch_is_silent),
		BOTH(watch_removes_itself),
		BOTH(watch_is_removed_while_it_is_hit),
		BOTH(crowd_is_heard),
		BOTH(ring_among_many_is_never_lost),
		BOTH(timers_come_in_order),
		BOTH(what_is_no_handle_is_refused),
		SCENE_TEST(base_lives_as_long_as_its_watches),
		SCENE_TEST(wake_ups_are_not_kept_back),
		SCENE_TEST(loop_is_freed_in_its_callback),
		SCENE_TEST(handles_are_waited_for_elsewhere),
		SCENE_TEST(busy_pool_delays_no_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
