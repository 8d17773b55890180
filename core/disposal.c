/* SPDX-License-Identifier: MIT */
/*
 * Letting go of what may take long to let go of, on threads of its own: one for descriptors, one for mappings. A
 * stranger decides how long a descriptor takes, and so nothing but other descriptors waits behind it; the end
 * of a mapping is only work, and never far.
 *
 * The threads do nothing but close(2) and munmap(2), never under a lock. Everything else here, counters
 * and queues, is touched between descriptor_begin() and descriptor_end(): not for want of another
 * mutex, but because that is also what keeps forks away. Invariant at every fork: a descriptor or mapping
 * that was handed to disposal is in its queue, with its number or address still taken; so the child's
 * copy of the queues tells exactly what the child has inherited, and the child's next disposal
 * starts a thread of its own that does away with it.
 *
 * Surprising: that invariant is why a descriptor is closed in two steps. close(2) frees the number at
 * once and only then, maybe for seconds, lets go of the file. A child that is forked meanwhile could not
 * know whether the number in its queue is still the old file or already
 * somebody's new one. So an idle descriptor is put in its place, which may block but keeps the number taken,
 * and that copy is then closed, which cannot block, together with the queue's entry. Mappings have it
 * simpler: the child does not inherit them.
 */

#include "disposal.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "descriptor.h"
#include "disposal_thread.h"
#include "idle_descriptor.h"
#include "list.h"

struct disposal_account {
	unsigned references;
	unsigned pending;
};

struct item {
	struct list link;
	int fd;     /* -1: none, or closed already */
	void *base; /* NULL: none */
	size_t size;
	unsigned fork_generation; /* of the process that has the mapping */
	struct disposal_account *account;
};

/* The thread needs a page or two, and whatever the C library puts on a stack of its own. */
#define DISPOSAL_STACK ((size_t)64 << 10)

/* A thread that comes and goes, and what it has to do. */
struct worker {
	struct list queue;
	bool is_running; /* a thread is there, or is about to be started */
	long thread_id;  /* of the last one that ran; 0 none */
	int idle;        /* of the running thread, if it closes descriptors */
};

/* All of this belongs to the process `fork_generation` says: see enter(). */
static struct worker closer = { .queue = { &closer.queue, &closer.queue }, .idle = -1 };
static struct worker unmapper = { .queue = { &unmapper.queue, &unmapper.queue }, .idle = -1 };
static unsigned pending_descriptors; /* in the closer's queue, whoever's */
static unsigned fork_generation;

/* In a forked child: the queue has come along, the thread has not. */
static void worker_forget_thread(struct worker *worker)
{
	worker->is_running = false;
	worker->thread_id = 0;
	descriptor_close(worker->idle);
	worker->idle = -1;
}

/* Keeps other threads and forks away; in a forked child it first finds that the parent's threads are not here. */
static void enter(void)
{
	descriptor_begin();
	if (!descriptor_is_forked(fork_generation))
		return;
	fork_generation = descriptor_fork_generation;
	worker_forget_thread(&closer);
	worker_forget_thread(&unmapper);
}

static void leave(void)
{
	descriptor_end();
}

int disposal_account_new(struct disposal_account **account)
{
	struct disposal_account *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->references = 1;
	*account = made;
	return 0;
}

static void account_drop(struct disposal_account *account)
{
	if (--account->references == 0)
		free(account);
}

void disposal_account_release(struct disposal_account *account)
{
	if (!account)
		return;
	enter();
	account_drop(account);
	leave();
}

unsigned disposal_account_pending(const struct disposal_account *account)
{
	unsigned pending;

	enter();
	pending = account->pending;
	leave();
	return pending;
}

unsigned disposal_pending_descriptors(void)
{
	unsigned pending;

	enter();
	pending = pending_descriptors;
	leave();
	return pending;
}

/* By +1 or -1. Descriptors only: how long one takes is up to its maker, and that is what is bounded. */
static void item_count(const struct item *item, int change)
{
	if (item->base)
		return;
	pending_descriptors += (unsigned)change;
	if (item->account)
		item->account->pending += (unsigned)change;
}

/* Entered. Whether the caller has to start the worker's thread, once it has left. */
static bool item_enqueue(struct item *item)
{
	struct worker *worker = item->base ? &unmapper : &closer;
	bool must_start = !worker->is_running;

	item->fork_generation = fork_generation;
	if (item->account)
		item->account->references++;
	item_count(item, 1);
	list_append(&worker->queue, &item->link);
	worker->is_running = true;
	return must_start;
}

static void item_finish(struct item *item)
{
	list_remove(&item->link);
	item_count(item, -1);
	if (item->account)
		account_drop(item->account);
	free(item);
}

/* Entered; leaves and enters again around what may block. */
static void item_close(struct item *item)
{
	int idle = closer.idle, fd = item->fd, r;

	leave();
	r = idle_descriptor_replace(idle, fd);
	enter();
	/* Without an idle descriptor, or above a lowered limit, one step must do. A child forked during it
	 * forgets the number, which at worst leaks it there, rather than close one that is not ours. */
	item->fd = -1;
	if (r < 0)
		leave();
	close(fd);
	if (r < 0)
		enter();
}

static void item_unmap(struct item *item)
{
	/* The parent's: disposal_unmap() has kept it out of this process. */
	if (descriptor_is_forked(item->fork_generation))
		return;
	leave();
	munmap(item->base, item->size);
	enter();
}

/* Entered in the table so that a child is rid of it even if it never disposes of anything. */
static void make_idle(struct worker *worker)
{
	worker->idle = idle_descriptor_new();
	if (worker->idle < 0 || descriptor_own(worker->idle) == 0)
		return;
	close(worker->idle);
	worker->idle = -1;
}

/* Entered. An item stays in the queue until it is done: a child forked meanwhile has it to do, too. */
static void work_off_queue(struct worker *worker)
{
	if (worker == &closer)
		make_idle(worker);
	while (!list_is_empty(&worker->queue)) {
		struct item *item = LIST_FIRST(&worker->queue, struct item, link);

		if (item->base)
			item_unmap(item);
		else if (item->fd >= 0)
			item_close(item);
		item_finish(item);
	}
	descriptor_close(worker->idle);
	worker->idle = -1;
	worker->is_running = false;
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	enter();
	worker->thread_id = disposal_thread_self();
	work_off_queue(worker);
	leave();
	return NULL;
}

static int create_thread(struct worker *worker, size_t stack)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	r = pthread_attr_init(&attributes);
	if (r)
		return -r;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (stack)
		pthread_attr_setstacksize(&attributes, stack);
	r = pthread_create(&thread, &attributes, run, worker);
	pthread_attr_destroy(&attributes);
	return -r;
}

/* `is_running` was set by the caller, so nobody else is here. */
static void start_thread(struct worker *worker)
{
	sigset_t all, before;
	int r;

	/* A new thread has its maker's mask. Blocked in the thread itself, signals of the process could still
	 * be delivered there for a moment, and run the application's handlers on this small stack. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = create_thread(worker, (size_t)PTHREAD_STACK_MIN + DISPOSAL_STACK);
	/* Some C libraries take all thread-local variables of the program out of the stack. */
	if (r == -EINVAL)
		r = create_thread(worker, 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		return;
	/* No thread to be had: the caller, a loop maybe, does the work, and that may block. Waiting for a thread
	 * instead would keep strangers' descriptors without end, and those are what a process that cannot even
	 * make a thread is short of next. Others may have queued something meanwhile, relying on us. */
	enter();
	work_off_queue(worker);
	leave();
}

static struct item *item_new(struct disposal_account *account)
{
	struct item *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	item->fd = -1;
	item->account = account;
	return item;
}

void disposal_close(int fd, struct disposal_account *account)
{
	int saved = errno;
	bool must_start = false;
	struct item *item;

	if (fd < 0)
		return;
	item = item_new(account);
	enter();
	descriptor_disown(fd);
	if (item) {
		item->fd = fd;
		must_start = item_enqueue(item);
	}
	leave();
	if (!item)
		close(fd);
	if (must_start)
		start_thread(&closer);
	errno = saved;
}

void disposal_unmap(void *base, size_t size, struct disposal_account *account)
{
	int saved = errno;
	struct item *item = NULL;
	bool must_start;

	if (size >= DISPOSAL_LARGE_MAPPING)
		item = item_new(account);
	if (!item) {
		munmap(base, size);
		errno = saved;
		return;
	}
	item->base = base;
	item->size = size;
	/* From here on no child inherits it, so no child must ask what has become of it. Should this fail (it
	 * does on no kernel with memfds), a child keeps an unused mapping. */
	disposal_keep_from_children(base, size);
	enter();
	must_start = item_enqueue(item);
	leave();
	if (must_start)
		start_thread(&unmapper);
	errno = saved;
}

static bool worker_is_done(struct worker *worker)
{
	bool must_start, is_done;

	enter();
	is_done = !worker->is_running && list_is_empty(&worker->queue) &&
		  (worker->thread_id == 0 || disposal_thread_is_gone(worker->thread_id));
	/* In a child that has inherited a queue and disposed of nothing itself. */
	must_start = !worker->is_running && !list_is_empty(&worker->queue);
	worker->is_running |= must_start;
	leave();
	if (must_start)
		start_thread(worker);
	return is_done;
}

int disposal_wait(int timeout_ms)
{
	const struct timespec pause = { 0, 1000000 };
	uint64_t deadline = clock_milliseconds() + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);

	/* The one place of the library that asks again and again, and no loop calls it: that a detached thread
	 * has ended, with its stack returned, is an event that nothing announces. */
	while (!worker_is_done(&closer) || !worker_is_done(&unmapper)) {
		if (clock_milliseconds() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}
