/* SPDX-License-Identifier: MIT */
/*
 * The contract of <evchan/loop.h> on a libevent base that has no room for timers: they go around with the loop instead,
 * and fire neither early nor out of turn. Room comes in each turn after a few tries: a base that has something active
 * does not come back from a turn that should only look.
 */

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include <evchan/libevent.h>

#include "faults.h"
#include "loop_contract.h"

#define REFUSALS_PER_TURN 5u

static struct fault_report report;

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

static void refuse_again(void)
{
	report.calls = 0;
	faults_begin();
}

static int make(struct evchan_loop **loop, void **out)
{
	struct host *host = malloc(sizeof(*host));

	host->base = event_base_new();
	host->limit = event_new(host->base, -1, 0, on_limit, NULL);
	*out = host;
	refuse_again();
	return evchan_libevent_loop_new(loop, host->base);
}

static void free_host(void *arg)
{
	struct host *host = arg;

	faults_end();
	event_free(host->limit);
	event_base_free(host->base);
	free(host);
}

static int run_turn(void *arg, int timeout_ms)
{
	struct host *host = arg;
	struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	int flags = timeout_ms == 0 ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE;
	int r;

	/* Not this one, which is no timer of the loop's. */
	faults_end();
	if (timeout_ms > 0)
		event_add(host->limit, &limit);
	faults_begin();
	r = event_base_loop(host->base, flags);
	faults_end();
	event_del(host->limit);
	refuse_again();
	return r < 0 ? -EIO : 0;
}

/* ---- Timers of zero length, for which there is never room ------------------------------ */

#define ROUNDS 100u

struct loop_round {
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_timer *timer;
	unsigned fired, ready;
	uint64_t turn;
};

static void on_round(void *arg)
{
	struct loop_round *round = arg;
	uint64_t turn = round->loop->ops->turn(round->loop);

	assert_int_not_equal(turn, round->turn);
	round->turn = turn;
	/* Each time, what is always ready was served in between. */
	assert_true(round->ready > round->fired);
	if (++round->fired == ROUNDS)
		event_base_loopbreak(round->base);
	else
		assert_int_equal(
				round->loop->ops->timer_set(round->loop, round->timer, 0),
				0);
}

static void on_ready(void *arg, unsigned events)
{
	struct loop_round *round = arg;

	(void)events;
	round->ready++;
}

/* One that sets itself to 0 again and again fires once a turn, behind the ready ones. */
static void timer_without_room_starves_nobody(void **state)
{
	const struct fault_plan all = {
		.first = 1, .row = UINT_MAX, .calls = FAULT_TIMERS
	};
	struct loop_round round = { .base = event_base_new() };
	struct evchan_watch *watch;
	const struct evchan_loop_ops *ops;
	int always_ready[2];

	(void)state;
	assert_int_equal(pipe(always_ready), 0);
	assert_int_equal(write(always_ready[1], "", 1), 1);
	faults_plan(&all, &report);
	refuse_again();
	assert_int_equal(evchan_libevent_loop_new(&round.loop, round.base), 0);
	ops = round.loop->ops;
	assert_int_equal(ops->watch_add(round.loop, &watch, always_ready[0],
					 EVCHAN_LOOP_READ, on_ready, &round),
			0);
	assert_int_equal(ops->timer_add(round.loop, &round.timer, on_round, &round), 0);
	assert_int_equal(ops->timer_set(round.loop, round.timer, 0), 0);
	event_base_dispatch(round.base);
	assert_int_equal(round.fired, ROUNDS);
	ops->timer_remove(round.loop, round.timer);
	ops->watch_remove(round.loop, watch);
	evchan_libevent_loop_free(round.loop);
	event_base_free(round.base);
	close(always_ready[0]);
	close(always_ready[1]);
	faults_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
			timer_without_room_starves_nobody) };
	const struct loop_contract_adapter adapter = { "libevent without room for timers",
		make, evchan_libevent_loop_free, free_host, run_turn };
	const struct fault_plan plan = {
		.first = 1, .row = REFUSALS_PER_TURN, .calls = FAULT_TIMERS
	};
	int failed;

	faults_use_real_time();
	faults_plan(&plan, &report);
	/* These count what runs in one call of event_base_loop(), which goes on while anything is active. */
	cmocka_set_skip_filter("zero_*");
	failed = loop_contract_run(&adapter);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	printf("%u times a timer was refused\n", report.struck);
	return failed > 0 || report.struck == 0;
}
