/* SPDX-License-Identifier: MIT */
/*
 * Time that passes only in poll(2): instead of sleeping until nothing has become ready, poll(2) puts the clock
 * forward. So seconds of back-off take no time, every run takes the same steps, and who sleeps without end shows at
 * once.
 *
 * What makes a descriptor ready meanwhile is the other end, in the same thread (faults_when_idle()), or the disposal
 * thread, whose work is waited for.
 */

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"
#include "disposal.h"
#include "wrap.h"

/* Turns of the other end without anything that is ready. */
#define IDLE_MOST 100000u

static _Atomic uint64_t clock_ms = 1000000;
static void (*when_idle)(void *arg);
static void *when_idle_arg;
static bool is_idle;
static bool is_real;

uint64_t faults_clock_ms(void)
{
	return clock_ms;
}

void faults_when_idle(void (*function)(void *arg), void *arg)
{
	when_idle = function;
	when_idle_arg = arg;
}

void faults_use_real_time(void)
{
	is_real = true;
}

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_MONOTONIC || is_real)
		return __real_clock_gettime(clock, now);
	now->tv_sec = (time_t)(clock_ms / 1000);
	now->tv_nsec = (long)(clock_ms % 1000 * 1000000);
	return 0;
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

void faults_settle(void)
{
	/* If it never ends, the alarm ends it. */
	while (disposal_wait(0) < 0)
		sched_yield();
}

/* Gives everybody else the time to make something ready. */
static void let_others_work(void)
{
	faults_settle();
	if (!when_idle || is_idle)
		return;
	is_idle = true;
	when_idle(when_idle_arg);
	is_idle = false;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	uint64_t deadline = clock_ms + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
	int ready;

	if (fault(FAULT_SYSTEM, "poll", FAULT_ERRORS(EINTR, ENOMEM)))
		return -1;
	for (unsigned i = 0; i < IDLE_MOST; i++) {
		ready = __real_poll(fds, count, 0);
		if (ready != 0 || timeout_ms == 0)
			return ready;
		let_others_work();
		ready = __real_poll(fds, count, 0);
		if (ready != 0)
			return ready;
		if (timeout_ms > 0 && (clock_ms >= deadline || !when_idle || is_idle)) {
			clock_ms = clock_ms > deadline ? clock_ms : deadline;
			return 0;
		}
		CHECK(timeout_ms > 0 || (when_idle && !is_idle));
	}
	CHECK(!"sleeps without end");
	return 0;
}
