/* SPDX-License-Identifier: MIT */

/*
 * The adapter to libevent keeps the contract of <evchan/loop.h> on each of libevent's
 * ways to wait, and under the flags of a base that change how events and times are kept.
 * What only this adapter has, its priorities and its two tables, is tested behind that.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include <evchan/libevent.h>

#include "loop_contract.h"

struct host {
	struct event_base *base;
	struct event *limit; /* ends a turn in which nothing becomes ready */
};

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static const char *const methods[] = { "epoll", "poll", "select" };

/* A base that waits by `method` and no other. */
static struct event_base *new_base(const char *method, int flags)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	assert_non_null(config);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i], method) != 0)
			event_config_avoid_method(config, methods[i]);
	}
	event_config_set_flag(config, flags | EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(config);
	event_config_free(config);
	assert_non_null(base);
	assert_int_equal(strncmp(event_base_get_method(base), method, strlen(method)), 0);
	return base;
}

static int make(struct evchan_loop **loop, void **out, const char *method, int flags)
{
	struct host *host = malloc(sizeof(*host));

	assert_non_null(host);
	host->base = new_base(method, flags);
	host->limit = evtimer_new(host->base, on_limit, NULL);
	*out = host;
	return evchan_libevent_loop_new(loop, host->base);
}

static int make_epoll(struct evchan_loop **loop, void **host)
{
	return make(loop, host, "epoll", 0);
}

static int make_epoll_changelist(struct evchan_loop **loop, void **host)
{
	return make(loop, host, "epoll", EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
}

static int make_epoll_precise(struct evchan_loop **loop, void **host)
{
	return make(loop, host, "epoll", EVENT_BASE_FLAG_PRECISE_TIMER);
}

static int make_epoll_no_cache(struct evchan_loop **loop, void **host)
{
	return make(loop, host, "epoll", EVENT_BASE_FLAG_NO_CACHE_TIME);
}

static int make_poll(struct evchan_loop **loop, void **host)
{
	return make(loop, host, "poll", 0);
}

static int make_select(struct evchan_loop **loop, void **host)
{
	return make(loop, host, "select", 0);
}

static void free_host(void *arg)
{
	struct host *host = arg;

	event_free(host->limit);
	event_base_free(host->base);
	free(host);
}

/* EVLOOP_ONCE ends behind the first pass that has run something. EVLOOP_NONBLOCK alone
 * would not do: it goes on as long as anything is ready. */
static int run_turn(void *arg, int timeout_ms)
{
	struct host *host = arg;
	struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	int flags = timeout_ms == 0 ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE;
	int r;

	if (timeout_ms > 0)
		evtimer_add(host->limit, &limit);
	r = event_base_loop(host->base, flags);
	evtimer_del(host->limit);
	/* 1 is a base without events. */
	return r < 0 ? -EIO : 0;
}

static const struct loop_contract_adapter adapters[] = {
	{ "libevent on epoll", make_epoll, evchan_libevent_loop_free, free_host,
			run_turn },
	{ "libevent on epoll with a changelist", make_epoll_changelist,
			evchan_libevent_loop_free, free_host, run_turn },
	{ "libevent on epoll with precise timers", make_epoll_precise,
			evchan_libevent_loop_free, free_host, run_turn },
	{ "libevent on epoll without cached time", make_epoll_no_cache,
			evchan_libevent_loop_free, free_host, run_turn },
	{ "libevent on poll", make_poll, evchan_libevent_loop_free, free_host, run_turn },
	{ "libevent on select", make_select, evchan_libevent_loop_free, free_host,
			run_turn },
};

/* ---- What only this adapter has ---------------------------------------------- */

/* Counts its calls, and in each does what a receiver does: asks for the turn. */
struct counter {
	struct evchan_loop *loop;
	unsigned calls;
	unsigned when;
	uint64_t turn;
};

static unsigned now; /* counts all calls, for their order */

static void on_ready(void *arg, unsigned events)
{
	struct counter *counter = arg;

	(void)events;
	counter->calls++;
	counter->when = ++now;
	counter->turn = counter->loop->ops->turn(counter->loop);
}

static void on_fired(void *arg)
{
	on_ready(arg, 0);
}

static struct evchan_watch *watch(struct counter *counter, int fd, unsigned events)
{
	struct evchan_watch *made;

	assert_int_equal(counter->loop->ops->watch_add(counter->loop, &made, fd, events,
					 on_ready, counter),
			0);
	return made;
}

static void unwatch(struct counter *counter, struct evchan_watch *made)
{
	counter->loop->ops->watch_remove(counter->loop, made);
}

/* Edges are offered where the base has them, and nowhere else. */
static void edges_are_those_of_the_base(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct event_base *base = new_base(methods[i], 0);
		struct evchan_loop *loop;

		assert_int_equal(evchan_libevent_loop_new(&loop, base), 0);
		assert_int_equal(loop->ops->features,
				strcmp(methods[i], "epoll") == 0 ? EVCHAN_LOOP_EDGE : 0);
		evchan_libevent_loop_free(loop);
		event_base_free(base);
	}
}

/* What is no base or no loop of this library is refused; freeing NULL is harmless. */
static void strangers_are_refused(void **state)
{
	struct evchan_loop *loop = NULL;

	(void)state;
	assert_int_equal(evchan_libevent_loop_new(&loop, NULL), -EINVAL);
	assert_null(loop);
	assert_int_equal(evchan_libevent_loop_set_priority(NULL, 0), -EINVAL);
	assert_int_equal(evchan_poll_loop_new(&loop), 0);
	assert_int_equal(evchan_libevent_loop_set_priority(loop, 0), -EINVAL);
	evchan_poll_loop_free(loop);
	evchan_libevent_loop_free(NULL);
}

/* A loop of libevent is none of poll(2)'s. */
static void libevent_is_no_poll_loop(void **state)
{
	struct event_base *base = new_base("epoll", 0);
	struct evchan_loop *loop;
	size_t count;
	int wait;

	(void)state;
	assert_int_equal(evchan_libevent_loop_new(&loop, base), 0);
	assert_int_equal(evchan_poll_loop_run_once(loop, 0), -EINVAL);
	assert_int_equal(evchan_poll_loop_prepare(loop, NULL, 0, &count, &wait), -EINVAL);
	assert_int_equal(evchan_poll_loop_dispatch(loop, NULL, 0), -EINVAL);
	evchan_libevent_loop_free(loop);
	event_base_free(base);
}

/* Only priorities that the base has can be set; the default is its middle one. */
static void priorities_are_those_of_the_base(void **state)
{
	struct event_base *base = new_base("epoll", 0);
	struct evchan_loop *loop;

	(void)state;
	event_base_priority_init(base, 3);
	assert_int_equal(evchan_libevent_loop_new(&loop, base), 0);
	assert_int_equal(evchan_libevent_loop_set_priority(loop, -1), -EINVAL);
	assert_int_equal(evchan_libevent_loop_set_priority(loop, 3), -EINVAL);
	assert_int_equal(evchan_libevent_loop_set_priority(loop, 0), 0);
	assert_int_equal(evchan_libevent_loop_set_priority(loop, 2), 0);
	evchan_libevent_loop_free(loop);
	event_base_free(base);
}

/* Of watches that are ready together, those of the higher priority (the lower number)
 * come first, and a change of interest keeps the priority. */
static void priority_decides_the_order(void **state)
{
	/* The first has the default, the middle one: nothing takes a loop back to it. */
	static const int priorities[] = { -1, 4, 0, 1 };
	static const unsigned order[] = { 3, 4, 1, 2 };
	struct event_base *base = new_base("epoll", 0);
	struct evchan_watch *watches[4];
	struct counter counters[4];
	struct evchan_loop *loop;
	int fds[4];

	(void)state;
	event_base_priority_init(base, 5);
	assert_int_equal(evchan_libevent_loop_new(&loop, base), 0);
	for (int i = 0; i < 4; i++) {
		int r = evchan_libevent_loop_set_priority(loop, priorities[i]);

		assert_int_equal(r, priorities[i] < 0 ? -EINVAL : 0);
		fds[i] = eventfd(1, EFD_NONBLOCK);
		counters[i] = (struct counter){ .loop = loop };
		watches[i] = watch(&counters[i], fds[i], EVCHAN_LOOP_WRITE);
		r = loop->ops->watch_change(
				loop, watches[i], EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
		assert_int_equal(r, 0);
	}
	now = 0;
	event_base_loop(base, EVLOOP_NONBLOCK);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(counters[i].when, order[i]);
		unwatch(&counters[i], watches[i]);
		close(fds[i]);
	}
	evchan_libevent_loop_free(loop);
	event_base_free(base);
}

/* Asking for the turn costs no turn: nothing is left active that would keep the base
 * from sleeping. */
static void asking_for_the_turn_wakes_nobody(void **state)
{
	struct event_base *base = new_base("epoll", 0);
	struct counter counter = { 0 };
	struct evchan_watch *made;
	int fd = eventfd(1, EFD_NONBLOCK);

	(void)state;
	assert_int_equal(evchan_libevent_loop_new(&counter.loop, base), 0);
	made = watch(&counter, fd, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(counter.calls, 1);
	assert_int_not_equal(counter.turn, 0);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
	unwatch(&counter, made);
	close(fd);
	evchan_libevent_loop_free(counter.loop);
	event_base_free(base);
}

static void leave(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

/* An application that leaves its loop in the middle of a pass, and the loop that is
 * freed then, leave nothing behind in the base. */
static void loop_can_be_freed_with_a_pass_unfinished(void **state)
{
	struct event_base *base = new_base("epoll", 0);
	struct counter counter = { 0 };
	struct evchan_watch *made;
	struct event *leaver;
	int fd = eventfd(1, EFD_NONBLOCK);

	(void)state;
	assert_int_equal(evchan_libevent_loop_new(&counter.loop, base), 0);
	made = watch(&counter, fd, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	leaver = event_new(base, -1, 0, leave, base);
	/* Order of the pass: the leaver, then the watch, whose question for the turn
	 * is not answered by an end of the pass before the loop is left. */
	event_active(leaver, EV_TIMEOUT, 0);
	assert_int_not_equal(counter.loop->ops->turn(counter.loop), 0);
	event_base_loop(base, EVLOOP_ONCE);
	assert_true(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0);
	unwatch(&counter, made);
	evchan_libevent_loop_free(counter.loop);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_free(leaver);
	close(fd);
	event_base_free(base);
}

/* The application's own events take part in the same passes: what becomes active
 * behind them sees the same number until the pass is over. */
static void loop_shares_its_base(void **state)
{
	struct event_base *base = new_base("epoll", 0);
	struct counter first = { 0 }, second = { 0 };
	struct evchan_watch *watches[2];
	struct event *own;
	uint64_t turn;
	int fds[2] = { eventfd(1, EFD_NONBLOCK), eventfd(1, EFD_NONBLOCK) };

	(void)state;
	assert_int_equal(evchan_libevent_loop_new(&first.loop, base), 0);
	second.loop = first.loop;
	own = event_new(base, -1, 0, on_limit, NULL);
	watches[0] = watch(&first, fds[0], EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	watches[1] = watch(&second, fds[1], EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	event_active(own, EV_TIMEOUT, 0);
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(first.calls + second.calls, 2);
	assert_int_equal(first.turn, second.turn);
	turn = first.turn;
	assert_int_equal(eventfd_write(fds[0], 1), 0);
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(first.calls, 2);
	assert_int_not_equal(first.turn, turn);
	unwatch(&first, watches[0]);
	unwatch(&second, watches[1]);
	event_free(own);
	evchan_libevent_loop_free(first.loop);
	close(fds[0]);
	close(fds[1]);
	event_base_free(base);
}

/* The priority may change in the middle of a pass; timers and turns go on. */
static void priority_can_change_in_a_pass(void **state)
{
	struct event_base *base = new_base("epoll", 0);
	struct counter counter = { 0 };
	struct evchan_timer *timer;
	uint64_t turn;

	(void)state;
	event_base_priority_init(base, 3);
	assert_int_equal(evchan_libevent_loop_new(&counter.loop, base), 0);
	turn = counter.loop->ops->turn(counter.loop);
	assert_int_equal(evchan_libevent_loop_set_priority(counter.loop, 2), 0);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
	assert_int_equal(counter.loop->ops->timer_add(
					 counter.loop, &timer, on_fired, &counter),
			0);
	assert_int_equal(counter.loop->ops->timer_set(counter.loop, timer, 0), 0);
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(counter.calls, 1);
	assert_int_not_equal(counter.turn, turn);
	counter.loop->ops->timer_remove(counter.loop, timer);
	evchan_libevent_loop_free(counter.loop);
	event_base_free(base);
}

/* With the highest priority and with the lowest, callbacks of one pass see one number,
 * and those of the next another, although no pass ever finds the base idle. */
static void turns_do_not_depend_on_the_priority(void **state)
{
	(void)state;
	for (int priority = 0; priority < 3; priority++) {
		struct event_base *base = new_base("epoll", 0);
		struct counter counters[2] = { { 0 }, { 0 } };
		struct evchan_watch *watches[2];
		struct evchan_loop *loop;
		uint64_t last = 0;
		int fd = eventfd(1, EFD_NONBLOCK);

		event_base_priority_init(base, 3);
		assert_int_equal(evchan_libevent_loop_new(&loop, base), 0);
		assert_int_equal(evchan_libevent_loop_set_priority(loop, priority), 0);
		for (int i = 0; i < 2; i++) {
			counters[i].loop = loop;
			watches[i] = watch(&counters[i], fd, EVCHAN_LOOP_READ);
		}
		for (unsigned i = 1; i <= 10; i++) {
			event_base_loop(base, EVLOOP_ONCE);
			assert_int_equal(counters[0].calls, i);
			assert_int_equal(counters[1].calls, i);
			assert_int_equal(counters[0].turn, counters[1].turn);
			assert_int_not_equal(counters[0].turn, last);
			last = counters[0].turn;
		}
		for (int i = 0; i < 2; i++)
			unwatch(&counters[i], watches[i]);
		close(fd);
		evchan_libevent_loop_free(loop);
		event_base_free(base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_are_those_of_the_base),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(libevent_is_no_poll_loop),
		cmocka_unit_test(priorities_are_those_of_the_base),
		cmocka_unit_test(priority_decides_the_order),
		cmocka_unit_test(asking_for_the_turn_wakes_nobody),
		cmocka_unit_test(loop_can_be_freed_with_a_pass_unfinished),
		cmocka_unit_test(loop_shares_its_base),
		cmocka_unit_test(priority_can_change_in_a_pass),
		cmocka_unit_test(turns_do_not_depend_on_the_priority),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(adapters) / sizeof(adapters[0]); i++)
		failed += loop_contract_run(&adapters[i]);
	failed += cmocka_run_group_tests_name("libevent adapter", tests, NULL, NULL);
	return failed > 0;
}
