/* SPDX-License-Identifier: MIT */
/*
 * Waiting for any number of handles.
 *
 * One call of the system waits for 64 at most. Up to so many are waited for directly. If there are more, all are looked at
 * first, in batches; if none is ready and there is time, the system's pool waits for them: each hit notes itself and sets
 * one event that this thread waits for. The waits are taken back before this returns, so nobody waits for the
 * handles but whoever calls.
 *
 * A wait takes the signal of an event that resets itself. So every hit is noted, and none is asked for twice.
 *
 * A handle that is ready is so for reading and for writing, whatever was asked.
 */

#include "poll_wait.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <windows.h>

#define BATCH MAXIMUM_WAIT_OBJECTS

struct batch {
	HANDLE handles[BATCH];
	struct pollfd *owners[BATCH];
	DWORD count;
};

/* One wait of the pool's. */
struct hit {
	struct pollfd *owner;
	HANDLE wait;
	HANDLE event; /* to be set */
};

static void note(struct pollfd *fd)
{
	fd->revents = (short)(fd->events ? fd->events : POLLERR);
}

static bool is_open(const struct pollfd *fd)
{
	return (int)fd->fd >= 0;
}

/* The next of them, from `*at` on. */
static void collect(struct batch *batch, struct pollfd *fds, size_t count, size_t *at)
{
	batch->count = 0;
	for (; *at < count && batch->count < BATCH; ++*at) {
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
		if (!GetHandleInformation(batch->handles[i], &flags))
			batch->owners[i]->revents = POLLNVAL;
}

/* Waits for one, and takes all that are ready with it. Returns how many. */
static unsigned wait_for(struct batch *batch, DWORD milliseconds)
{
	unsigned hits = 0;
	DWORD from = 0;

	while (from < batch->count) {
		DWORD r = WaitForMultipleObjects(batch->count - from, batch->handles + from, FALSE, milliseconds);

		if (r == WAIT_FAILED) {
			note_broken(batch);
			return hits + 1;
		}
		if (r >= WAIT_OBJECT_0 + BATCH)
			return hits;
		/* Those before it were not ready. */
		from += r - WAIT_OBJECT_0;
		note(batch->owners[from++]);
		hits++;
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
		collect(&batch, fds, count, &at);
		hits += wait_for(&batch, 0);
	}
	return hits;
}

static void CALLBACK on_hit(void *arg, BOOLEAN timed_out)
{
	const struct hit *hit = arg;

	(void)timed_out;
	note(hit->owner);
	SetEvent(hit->event);
}

/* Errors: -ENOMEM. */
static int start_waits(struct hit *hits, struct pollfd *fds, size_t count, HANDLE event)
{
	for (size_t i = 0; i < count; i++) {
		hits[i] = (struct hit){ .owner = &fds[i], .event = event };
		if (is_open(&fds[i]) && !RegisterWaitForSingleObject(&hits[i].wait, (HANDLE)(intptr_t)(int)fds[i].fd,
						on_hit, &hits[i], INFINITE, WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD))
			return -ENOMEM;
	}
	return 0;
}

/* A callback that is running is waited for: it ends at once. */
static void end_waits(struct hit *hits, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (hits[i].wait)
			(void)UnregisterWaitEx(hits[i].wait, INVALID_HANDLE_VALUE);
}

static int wait_in_pool(struct pollfd *fds, size_t count, DWORD milliseconds)
{
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
	struct hit *hits = calloc(count, sizeof(*hits));
	int r = -ENOMEM;

	if (event && hits) {
		r = start_waits(hits, fds, count, event);
		if (r == 0)
			(void)WaitForSingleObject(event, milliseconds);
		end_waits(hits, count);
	}
	free(hits);
	if (event)
		CloseHandle(event);
	return r;
}

int poll_wait(struct pollfd *fds, size_t count, int timeout_ms)
{
	DWORD milliseconds = timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms;
	struct batch batch;
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		fds[i].revents = 0;
	collect(&batch, fds, count, &at);
	if (at < count) {
		if (look_at_all(fds, count) || milliseconds == 0)
			return 0;
		return wait_in_pool(fds, count, milliseconds);
	}
	if (batch.count == 0)
		Sleep(milliseconds);
	else
		(void)wait_for(&batch, milliseconds);
	return 0;
}
