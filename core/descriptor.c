/* SPDX-License-Identifier: MIT */
/*
 * The table of owned descriptors, and what happens to them in a forked child.
 *
 * Invariant: whenever no thread holds the mutex, `owned` lists exactly the open descriptors of the library.
 * fork(2) waits for the mutex (the prepare handler takes it), so the child's copy of the table
 * is right too, whatever the parent's other threads were doing.
 *
 * The child may neither keep those descriptors (they would hide the parent's death from its peers) nor simply
 * close them: the child's copy of the application's event loop still has them registered, and event_reinit(3)
 * fails on a number that is not open; worse, the next open(2) would get the number, and a
 * later free in the child would close it. So each number stays taken, by an idle descriptor, and stays in the
 * table until its handle is freed.
 *
 * Surprising: the handlers are installed when the library is loaded, not on first use. A fork
 * in another thread during the first use could otherwise leave the child with a mutex that is held by a
 * thread it does not have, or with handlers that are installed twice.
 */

#include "descriptor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "idle_descriptor.h"

unsigned descriptor_fork_generation;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* This thread is between begin and end. Per thread rather than a recursive mutex, because the child must be able
 * to unlock what its parent's thread locked, and a recursive one remembers the thread's number. */
static _Thread_local bool is_held;

/* A dense array, so that the child walks over nothing but what it must replace, and for each descriptor its
 * place there plus one (0: not in the table), so that taking one out needs no search. */
static int *owned;
static unsigned owned_count;
static unsigned owned_room;
static unsigned *places;
static size_t places_room;

static bool is_fork_guarded;
/* Set in a child that had to let go of a number: it may be anybody's now. */
static bool is_table_incomplete;

static void table_lock(void)
{
	if (!is_held)
		pthread_mutex_lock(&mutex);
}

static void table_unlock(void)
{
	if (!is_held)
		pthread_mutex_unlock(&mutex);
}

static bool table_has(int fd)
{
	return (size_t)fd < places_room && places[fd];
}

static int table_grow_owned(void)
{
	unsigned room = owned_room ? 2 * owned_room : 32;
	int *grown;

	if (owned_count < owned_room)
		return 0;
	grown = realloc(owned, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	owned = grown;
	owned_room = room;
	return 0;
}

static int table_grow_places(int fd)
{
	size_t room = places_room ? places_room : 64;
	unsigned *grown;

	if ((size_t)fd < places_room)
		return 0;
	while (room <= (size_t)fd)
		room *= 2;
	if (room > SIZE_MAX / sizeof(*grown))
		return -ENOMEM;
	grown = realloc(places, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + places_room, 0, (room - places_room) * sizeof(*grown));
	places = grown;
	places_room = room;
	return 0;
}

static int table_add(int fd)
{
	int r;

	r = table_grow_owned();
	if (r < 0)
		return r;
	r = table_grow_places(fd);
	if (r < 0)
		return r;
	/* A number that is still here although the kernel gave it out anew was closed behind our back; the
	 * entry is right again now. */
	if (places[fd])
		return 0;
	owned[owned_count++] = fd;
	places[fd] = owned_count;
	return 0;
}

/* Whether it was there. */
static bool table_take(int fd)
{
	unsigned place;
	int last;

	if (!table_has(fd))
		return false;
	place = places[fd];
	last = owned[--owned_count];
	owned[place - 1] = last;
	places[last] = place;
	places[fd] = 0;
	return true;
}

static void before_fork(void)
{
	pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&mutex);
}

static void replace_all(void)
{
	unsigned i;
	int idle;

	idle = idle_descriptor_new();
	if (idle < 0) {
		/* No number is left: there is one after this. The idle descriptor may get the very
		 * same. */
		close(owned[0]);
		idle = idle_descriptor_new();
	}
	/* From the end, because taking one out moves the last into its place. */
	for (i = owned_count; i-- > 0;) {
		int fd = owned[i];

		if (fd == idle || idle_descriptor_replace(idle, fd) == 0)
			continue;
		close(fd);
		table_take(fd);
		is_table_incomplete = true;
	}
	if (idle >= 0 && !table_has(idle))
		close(idle);
}

/*
 * Runs in a process with one thread, in which malloc's locks and those of every other library may be
 * held for ever: system calls and our own memory only. The mutex was locked by this very thread.
 */
static void after_fork_in_child(void)
{
	descriptor_fork_generation++;
	if (owned_count)
		replace_all();
	pthread_mutex_unlock(&mutex);
}

__attribute__((constructor)) static void install_fork_handlers(void)
{
	is_fork_guarded = pthread_atfork(before_fork, after_fork_in_parent,
			after_fork_in_child) == 0;
}

void descriptor_begin(void)
{
	assert(!is_held);
	pthread_mutex_lock(&mutex);
	is_held = true;
}

void descriptor_end(void)
{
	assert(is_held);
	is_held = false;
	pthread_mutex_unlock(&mutex);
}

int descriptor_own(int fd)
{
	int r;

	/* Without the handlers no promise about forks could be kept. pthread_atfork fails for want of memory only. */
	if (!is_fork_guarded)
		return -ENOMEM;
	table_lock();
	r = table_add(fd);
	table_unlock();
	return r;
}

void descriptor_disown(int fd)
{
	if (fd < 0)
		return;
	table_lock();
	table_take(fd);
	table_unlock();
}

void descriptor_close(int fd)
{
	int saved = errno;

	if (fd < 0)
		return;
	table_lock();
	/* Under the mutex: a fork between the two would leave the child with a descriptor that no table
	 * knows. And in the other order another thread's open could get the number, own it, and have it taken out
	 * again by us. */
	if (table_take(fd) || !is_table_incomplete)
		close(fd);
	table_unlock();
	errno = saved;
}

bool descriptor_has_room(int fd, unsigned wanted)
{
	int fds[4], r = 0;
	unsigned count = 0;

	/* Closed at once, and ours alone: no fork needs to know of them. */
	descriptor_begin();
	while (count < wanted && (r = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		fds[count++] = r;
	while (count)
		close(fds[--count]);
	descriptor_end();
	return r >= 0;
}

unsigned descriptor_count(void)
{
	unsigned count;

	table_lock();
	count = owned_count;
	table_unlock();
	return count;
}
