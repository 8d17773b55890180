/* SPDX-License-Identifier: MIT */
/*
 * Waiting for any number of handles.
 *
 * One call of the system waits for 64 at most. Up to so many are waited for directly. If there are more, all are looked at
 * first, in batches; if none is ready and there is time, each batch has a thread, of which this is one and the others are a
 * pool's, and each batch has one handle more, an event that ends all the waits as soon as one has hit. All have ended before this
 * returns, so nobody waits for the handles but whoever calls. That they end relies on each getting its thread, so the pool is one of
 * its own: the process's has some hundred, and the application may keep them all busy, or waiting for this very thread.
 *
 * A wait takes the signal of an event that resets itself. So every hit is noted, and no wait is ever taken back from outside: a wait
 * of the pool (RegisterWaitForSingleObject) that is taken back at the wrong moment has the signal, and tells nobody.
 *
 * A handle that is ready is so for reading and for writing, whatever was asked.
 */

#include "poll_wait.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <windows.h>

#define BATCH MAXIMUM_WAIT_OBJECTS

struct batch {
	HANDLE handles[BATCH];
	struct pollfd *owners[BATCH]; /* NULL: the event that ends the waits */
	DWORD count;
};

/* Of all batches. */
struct crowd {
	HANDLE over;         /* one has hit, or the time is over */
	HANDLE all_are_back; /* the pool's threads */
	volatile LONG away;  /* how many are not, and one more until all are sent */
};

struct errand {
	struct batch batch;
	struct crowd *crowd;
};

static void note(struct pollfd *fd)
{
	fd->revents = (short)(fd->events ? fd->events : POLLERR);
}

static bool is_open(const struct pollfd *fd)
{
	return (int)fd->fd >= 0;
}

/* The next of them, at most so many, from `*at` on. */
static void collect(struct batch *batch, DWORD most, struct pollfd *fds, size_t count,
		size_t *at)
{
	batch->count = 0;
	for (; *at < count && batch->count < most; ++*at) {
		if (!is_open(&fds[*at]))
			continue;
		batch->handles[batch->count] = (HANDLE)(intptr_t)(int)fds[*at].fd;
		batch->owners[batch->count++] = &fds[*at];
	}
}

/* A handle that is none would make the whole wait fail: its owner is told. */
static void note_broken(struct batch *batch)
{
	DWORD flags;

	for (DWORD i = 0; i < batch->count; i++)
		if (batch->owners[i] && !GetHandleInformation(batch->handles[i], &flags))
			batch->owners[i]->revents = POLLNVAL;
}

/* Waits for one, and takes all that are ready with it. Returns how many. */
static unsigned wait_for(struct batch *batch, DWORD milliseconds)
{
	unsigned hits = 0;
	DWORD from = 0;

	while (from < batch->count) {
		DWORD r = WaitForMultipleObjects(batch->count - from,
				batch->handles + from, FALSE, milliseconds);

		if (r == WAIT_FAILED) {
			note_broken(batch);
			return hits + 1;
		}
		if (r >= WAIT_OBJECT_0 + BATCH)
			return hits;
		/* Those before it were not ready. */
		from += r - WAIT_OBJECT_0;
		if (batch->owners[from]) {
			note(batch->owners[from]);
			hits++;
		}
		from++;
		milliseconds = 0;
	}
	return hits;
}

static unsigned look_at_all(struct pollfd *fds, size_t count)
{
	struct batch batch;
	unsigned hits = 0;
	size_t at = 0;

	while (at < count) {
		collect(&batch, BATCH, fds, count, &at);
		hits += wait_for(&batch, 0);
	}
	return hits;
}

static void come_back(struct crowd *crowd)
{
	if (InterlockedDecrement(&crowd->away) == 0)
		SetEvent(crowd->all_are_back);
}

static SRWLOCK pool_lock = SRWLOCK_INIT;
static PTP_POOL pool; /* under the lock, like what follows; made once, for good */
static TP_CALLBACK_ENVIRON in_pool;
static DWORD pool_threads; /* there are so many at least */
static DWORD pool_errands;

static void CALLBACK run_errand(PTP_CALLBACK_INSTANCE instance, void *arg)
{
	struct errand *errand = arg;

	(void)instance;
	(void)wait_for(&errand->batch, INFINITE);
	SetEvent(errand->crowd->over);
	AcquireSRWLockExclusive(&pool_lock);
	pool_errands--;
	ReleaseSRWLockExclusive(&pool_lock);
	come_back(errand->crowd);
}

/* Under the lock. */
static bool make_pool(void)
{
	if (pool)
		return true;
	pool = CreateThreadpool(NULL);
	if (!pool)
		return false;
	SetThreadpoolThreadMaximum(pool, LONG_MAX);
	InitializeThreadpoolEnvironment(&in_pool);
	SetThreadpoolCallbackPool(&in_pool, pool);
	return true;
}

/* Under the lock. A thread for each: a pool that is left to itself may put off making another, or wait for one to be idle. */
static bool make_threads(DWORD wanted)
{
	if (wanted <= pool_threads)
		return true;
	if (!SetThreadpoolThreadMinimum(pool, wanted))
		return false;
	pool_threads = wanted;
	return true;
}

static bool send_off(struct errand *errand)
{
	bool is_sent;

	AcquireSRWLockExclusive(&pool_lock);
	is_sent = make_pool() && make_threads(pool_errands + 1) &&
			TrySubmitThreadpoolCallback(run_errand, errand, &in_pool);
	pool_errands += is_sent;
	ReleaseSRWLockExclusive(&pool_lock);
	return is_sent;
}

/* The next batch, and the event behind it, which so is looked at last. */
static void prepare(struct errand *errand, struct crowd *crowd, struct pollfd *fds,
		size_t count, size_t *at)
{
	struct batch *batch = &errand->batch;

	errand->crowd = crowd;
	collect(batch, BATCH - 1, fds, count, at);
	batch->handles[batch->count] = crowd->over;
	batch->owners[batch->count++] = NULL;
}

/* `errands` has room for all batches. The first is this thread's. Errors: -ENOMEM. */
static int run_all(struct errand *errands, struct crowd *crowd, struct pollfd *fds,
		size_t count, DWORD milliseconds)
{
	size_t at = 0, sent = 1;
	int r = 0;

	prepare(&errands[0], crowd, fds, count, &at);
	while (r == 0 && at < count) {
		prepare(&errands[sent], crowd, fds, count, &at);
		InterlockedIncrement(&crowd->away);
		if (!send_off(&errands[sent++])) {
			InterlockedDecrement(&crowd->away);
			r = -ENOMEM;
		}
	}
	(void)wait_for(&errands[0].batch, r == 0 ? milliseconds : 0);
	SetEvent(crowd->over);
	come_back(crowd);
	(void)WaitForSingleObject(crowd->all_are_back, INFINITE);
	return r;
}

static int wait_in_crowd(struct pollfd *fds, size_t count, DWORD milliseconds)
{
	struct crowd crowd = {
		.over = CreateEventW(NULL, TRUE, FALSE, NULL),
		.all_are_back = CreateEventW(NULL, TRUE, FALSE, NULL),
		.away = 1,
	};
	struct errand *errands = calloc(count / (BATCH - 1) + 1, sizeof(*errands));
	int r = -ENOMEM;

	if (crowd.over && crowd.all_are_back && errands)
		r = run_all(errands, &crowd, fds, count, milliseconds);
	free(errands);
	if (crowd.over)
		CloseHandle(crowd.over);
	if (crowd.all_are_back)
		CloseHandle(crowd.all_are_back);
	return r;
}

int poll_wait(struct pollfd *fds, size_t count, int timeout_ms)
{
	DWORD milliseconds = timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms;
	struct batch batch;
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		fds[i].revents = 0;
	collect(&batch, BATCH, fds, count, &at);
	if (at < count) {
		if (look_at_all(fds, count) || milliseconds == 0)
			return 0;
		return wait_in_crowd(fds, count, milliseconds);
	}
	if (batch.count == 0)
		Sleep(milliseconds);
	else
		(void)wait_for(&batch, milliseconds);
	return 0;
}
