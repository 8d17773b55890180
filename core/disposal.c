/* SPDX-License-Identifier: MIT */
/*
 * Letting go of what may take long to let go of, on a thread of its own.
 *
 * The thread does nothing but close(2) and munmap(2), never under a lock. Everything else here, counters
 * and queue, is touched between descriptor_begin() and descriptor_end(): not for want of another
 * mutex, but because that is also what keeps forks away. Invariant at every fork: a descriptor or mapping
 * that was handed to disposal is in the queue, with its number or address still taken; so the child's
 * copy of the queue tells exactly what the child has inherited, and the child's next disposal
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
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "descriptor.h"
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

/* All of this belongs to the process `fork_generation` says: see enter(). */
static struct list queue = { &queue, &queue };
static bool is_running; /* a thread is there, or is about to be started */
static pid_t thread_id; /* of the last one that ran; 0 none */
static int idle = -1;   /* of the running thread */
static unsigned fork_generation;

/* Keeps other threads and forks away; in a forked child it first finds that the parent's thread is not here. */
static void enter(void)
{
	descriptor_begin();
	if (!descriptor_is_forked(fork_generation))
		return;
	fork_generation = descriptor_fork_generation;
	is_running = false;
	thread_id = 0;
	descriptor_close(idle);
	idle = -1;
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

static void item_enqueue(struct item *item)
{
	item->fork_generation = fork_generation;
	if (item->account) {
		item->account->references++;
		item->account->pending++;
	}
	list_append(&queue, &item->link);
}

static void item_finish(struct item *item)
{
	list_remove(&item->link);
	if (item->account) {
		item->account->pending--;
		account_drop(item->account);
	}
	free(item);
}

/* Entered; leaves and enters again around what may block. */
static void item_close(struct item *item)
{
	int fd = item->fd, r;

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

/* Entered. An item stays in the queue until it is done: a child forked meanwhile has it to do, too. */
static void work_off_queue(void)
{
	/* Entered in the table so that a child is rid of it even if it never disposes of anything. */
	idle = idle_descriptor_new();
	if (idle >= 0 && descriptor_own(idle) < 0) {
		close(idle);
		idle = -1;
	}
	while (!list_is_empty(&queue)) {
		struct item *item = LIST_FIRST(&queue, struct item, link);

		if (item->fd >= 0)
			item_close(item);
		if (item->base)
			item_unmap(item);
		item_finish(item);
	}
	descriptor_close(idle);
	idle = -1;
	is_running = false;
}

static void *run(void *unused)
{
	(void)unused;
	enter();
	thread_id = (pid_t)syscall(SYS_gettid);
	work_off_queue();
	leave();
	return NULL;
}

static int create_thread(size_t stack)
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
	r = pthread_create(&thread, &attributes, run, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

/* `is_running` was set by the caller, so nobody else is here. */
static void start_thread(void)
{
	sigset_t all, before;
	int r;

	/* A new thread has its maker's mask. Blocked in the thread itself, signals of the process could still
	 * be delivered there for a moment, and run the application's handlers on this small stack. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = create_thread((size_t)PTHREAD_STACK_MIN + DISPOSAL_STACK);
	/* Some C libraries take all thread-local variables of the program out of the stack. */
	if (r == -EINVAL)
		r = create_thread(0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		return;
	/* No thread to be had. Others may have queued something meanwhile, relying on us. */
	enter();
	work_off_queue();
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
	bool must_start;
	struct item *item;

	if (fd < 0)
		return;
	item = item_new(account);
	enter();
	descriptor_disown(fd);
	must_start = item && !is_running;
	if (item) {
		item->fd = fd;
		item_enqueue(item);
		is_running = true;
	}
	leave();
	if (!item)
		close(fd);
	if (must_start)
		start_thread();
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
	madvise(base, size, MADV_DONTFORK);
	enter();
	must_start = !is_running;
	is_running = true;
	item_enqueue(item);
	leave();
	if (must_start)
		start_thread();
	errno = saved;
}

/* Whether the thread that ran last has left the kernel, too. */
static bool thread_is_gone(void)
{
	return thread_id == 0 ||
	       (syscall(SYS_tgkill, getpid(), thread_id, 0) < 0 && errno == ESRCH);
}

static bool all_is_done(void)
{
	bool must_start, is_done;

	enter();
	is_done = !is_running && list_is_empty(&queue) && thread_is_gone();
	/* In a child that has inherited a queue and disposed of nothing itself. */
	must_start = !is_running && !list_is_empty(&queue);
	is_running |= must_start;
	leave();
	if (must_start)
		start_thread();
	return is_done;
}

int disposal_wait(int timeout_ms)
{
	const struct timespec pause = { 0, 1000000 };
	uint64_t deadline = clock_milliseconds() + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);

	/* The one place of the library that asks again and again, and no loop calls it: that a detached thread
	 * has ended, with its stack returned, is an event that nothing announces. */
	while (!all_is_done()) {
		if (clock_milliseconds() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}
