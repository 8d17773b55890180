/* SPDX-License-Identifier: MIT */
/*
 * Letting go of what may take long to let go of, on threads of the system's pool: a handle that a stranger has named can be one
 * to anything, and closing it can wait for whoever is behind it; the end of a large mapping is work. Nothing is
 * waited for but by disposal_wait().
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <windows.h>

#include "clock.h"
#include "descriptor_windows.h"
#include "disposal_windows.h"

struct disposal_account {
	volatile LONG references;
	volatile LONG pending;
};

struct item {
	int fd;
	void *base;             /* where a view begins; NULL: the descriptor is meant */
	void (*run)(void *arg); /* unless NULL: to be called, instead of all that */
	void *arg;
	struct disposal_account *account;
};

/* Each may take a thread of the pool, which has some hundreds. */
#define PENDING_MAX 64

static volatile LONG pending_items;
static volatile LONG pending_descriptors;

int disposal_account_new(struct disposal_account **account)
{
	struct disposal_account *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->references = 1;
	*account = made;
	return 0;
}

void disposal_account_release(struct disposal_account *account)
{
	if (account && InterlockedDecrement(&account->references) == 0)
		free(account);
}

unsigned disposal_account_pending(const struct disposal_account *account)
{
	return (unsigned)account->pending;
}

unsigned disposal_pending_descriptors(void)
{
	return (unsigned)pending_descriptors;
}

static void do_away(const struct item *item)
{
	if (item->run)
		item->run(item->arg);
	else if (item->base)
		UnmapViewOfFile(item->base);
	else
		CloseHandle(handle_of(item->fd));
}

static void count(const struct item *item, LONG change)
{
	if (!item->base && !item->run) {
		InterlockedExchangeAdd(&pending_descriptors, change);
		if (item->account)
			InterlockedExchangeAdd(&item->account->pending, change);
	}
	InterlockedExchangeAdd(&pending_items, change);
}

static DWORD CALLBACK work(void *arg)
{
	struct item *item = arg;

	do_away(item);
	count(item, -1);
	disposal_account_release(item->account);
	free(item);
	return 0;
}

/* Without memory or a thread: at once. */
static void dispose(const struct item *what)
{
	struct item *item = malloc(sizeof(*item));

	if (!item) {
		do_away(what);
		return;
	}
	*item = *what;
	if (item->account)
		InterlockedIncrement(&item->account->references);
	count(item, 1);
	if (!QueueUserWorkItem(work, item, WT_EXECUTELONGFUNCTION))
		work(item);
}

void disposal_close(int fd, struct disposal_account *account)
{
	const struct item item = { .fd = fd, .account = account };

	if (fd < 0)
		return;
	/* What it stands for is ours, and closes at once. */
	if (descriptor_object(fd)) {
		descriptor_close(fd);
		return;
	}
	descriptor_disown(fd);
	dispose(&item);
}

void disposal_unmap(void *base, size_t size, struct disposal_account *account)
{
	const struct item item = { .fd = -1, .base = base, .account = account };

	if (size < DISPOSAL_LARGE_MAPPING)
		do_away(&item);
	else
		dispose(&item);
}

bool disposal_run(void (*run)(void *arg), void *arg)
{
	struct item *item = pending_items < PENDING_MAX ? malloc(sizeof(*item)) : NULL;

	if (!item)
		return false;
	*item = (struct item){ .fd = -1, .run = run, .arg = arg };
	count(item, 1);
	if (QueueUserWorkItem(work, item, WT_EXECUTELONGFUNCTION))
		return true;
	count(item, -1);
	free(item);
	return false;
}

int disposal_wait(int timeout_ms)
{
	uint64_t deadline = clock_milliseconds() +
			(timeout_ms > 0 ? (uint64_t)timeout_ms : 0);

	/* As elsewhere: the one place that asks again and again, and no loop calls it. */
	while (pending_items) {
		if (clock_milliseconds() >= deadline)
			return -ETIMEDOUT;
		Sleep(1);
	}
	return 0;
}
