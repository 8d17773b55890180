/* SPDX-License-Identifier: MIT */

/*
 * The operations table on poll(2): a loop of the library's own, for the calls that wait,
 * for programs without a loop, and as the bridge to loops of any other kind (prepare and
 * dispatch).
 *
 * Slots. The array that poll(2) reads is kept, not rebuilt: one slot for each watch, in
 * two parallel arrays (`fds` is poll's, `owners` says whose). A watch that waits for
 * nothing keeps its slot with descriptor -1, which poll skips, so changing what a watch
 * waits for never needs memory. A removed watch leaves a hole. Holes go only between
 * turns, so while callbacks run no slot moves, none is used again, and new ones come at
 * the end with nothing ready in them: whatever a callback adds or removes, even if the
 * kernel hands out the same descriptor again, the turn's readiness meets nobody it was
 * not meant for.
 *
 * A turn: which timers are due is settled (timer_list.h), then the ready watches are
 * served, then the due timers fire, so a timer always comes behind the descriptors that
 * were ready with it.
 *
 * Freeing in a callback: `depth` counts the turns on the stack (a callback may run the
 * loop again); the memory goes when the outermost has unwound. A callback's own watch or
 * timer may be gone when it returns, hence nothing is read from either after the call.
 *
 * In a forked child the watches are those of its parent's handles, on descriptors that
 * were taken from it (descriptor.h): the loop refuses to run there, and freeing it frees
 * whatever is left on it.
 */

#include "poll_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "descriptor.h"
#include "list.h"
#include "poll_wait.h"
#include "timer_list.h"

#define INTEREST (EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE)

struct poll_loop {
	struct evchan_loop loop;
	unsigned fork_generation;
	unsigned depth;
	bool is_freed; /* when the outermost turn has unwound */
	uint64_t turn;
	/* slots */
	struct pollfd *fds;
	struct evchan_watch **owners; /* NULL: a hole */
	size_t count;                 /* slots in use, holes included */
	size_t capacity;
	size_t prepared; /* the first so many were there at the last prepare */
	bool has_holes;
	struct timer_list timers;
};

struct evchan_watch {
	size_t slot;
	int fd;
	unsigned events; /* INTEREST only */
	void (*ready)(void *arg, unsigned events);
	void *arg;
};

static struct poll_loop *from_loop(struct evchan_loop *loop)
{
	return CONTAINER_OF(loop, struct poll_loop, loop);
}

/* ---- Slots ------------------------------------------------------------------- */

static void close_holes(struct poll_loop *poll_loop)
{
	size_t kept = 0;
	size_t prepared = 0;

	/* A turn on the stack is walking the slots. */
	if (poll_loop->depth > 0 || !poll_loop->has_holes)
		return;
	for (size_t i = 0; i < poll_loop->count; i++) {
		struct evchan_watch *watch = poll_loop->owners[i];

		if (watch == NULL)
			continue;
		if (i < poll_loop->prepared)
			prepared++;
		poll_loop->fds[kept] = poll_loop->fds[i];
		poll_loop->owners[kept] = watch;
		watch->slot = kept++;
	}
	poll_loop->count = kept;
	poll_loop->prepared = prepared;
	poll_loop->has_holes = false;
}

static int grow(struct poll_loop *poll_loop)
{
	size_t capacity = poll_loop->capacity > 0 ? 2 * poll_loop->capacity : 8;
	struct pollfd *fds;
	struct evchan_watch **owners;

	if (capacity > SIZE_MAX / sizeof(*fds))
		return -ENOMEM;
	/* If the second fails, the first has merely become larger than `capacity`
	 * says. */
	fds = realloc(poll_loop->fds, capacity * sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	poll_loop->fds = fds;
	owners = realloc(poll_loop->owners, capacity * sizeof(*owners));
	if (owners == NULL)
		return -ENOMEM;
	poll_loop->owners = owners;
	poll_loop->capacity = capacity;
	return 0;
}

static int make_room(struct poll_loop *poll_loop)
{
	if (poll_loop->count == poll_loop->capacity)
		close_holes(poll_loop);
	if (poll_loop->count == poll_loop->capacity)
		return grow(poll_loop);
	return 0;
}

/* revents stay: what became ready before the change is held against the new interest
 * when it is served. */
static void set_interest(
		struct poll_loop *poll_loop, struct evchan_watch *watch, unsigned events)
{
	struct pollfd *slot = &poll_loop->fds[watch->slot];

	watch->events = events & INTEREST;
	slot->events = 0;
	if (watch->events & EVCHAN_LOOP_READ)
		slot->events |= POLLIN;
	if (watch->events & EVCHAN_LOOP_WRITE)
		slot->events |= POLLOUT;
	/* poll(2) reports a hang-up whether asked or not: a watch that waits for
	 * nothing would turn the loop without end. */
	slot->fd = (poll_descriptor)(watch->events ? watch->fd : -1);
}

static int watch_add(struct evchan_loop *loop, struct evchan_watch **out, int fd,
		unsigned events, void (*ready)(void *arg, unsigned events), void *arg)
{
	struct poll_loop *poll_loop = from_loop(loop);
	struct evchan_watch *watch;
	int r;

	if (fd < 0)
		return -EBADF;
	r = make_room(poll_loop);
	if (r < 0)
		return r;
	watch = malloc(sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	watch->fd = fd;
	watch->ready = ready;
	watch->arg = arg;
	watch->slot = poll_loop->count++;
	poll_loop->owners[watch->slot] = watch;
	poll_loop->fds[watch->slot].revents = 0;
	set_interest(poll_loop, watch, events);
	*out = watch;
	return 0;
}

static int watch_change(
		struct evchan_loop *loop, struct evchan_watch *watch, unsigned events)
{
	set_interest(from_loop(loop), watch, events);
	return 0;
}

static void watch_remove(struct evchan_loop *loop, struct evchan_watch *watch)
{
	struct poll_loop *poll_loop = from_loop(loop);

	poll_loop->fds[watch->slot].fd = (poll_descriptor)-1;
	poll_loop->owners[watch->slot] = NULL;
	poll_loop->has_holes = true;
	free(watch);
}

/* ---- Timers ------------------------------------------------------------------ */

static int timer_add(struct evchan_loop *loop, struct evchan_timer **timer,
		void (*fired)(void *arg), void *arg)
{
	return timer_list_add(&from_loop(loop)->timers, timer, fired, arg);
}

static int timer_set(struct evchan_loop *loop, struct evchan_timer *timer,
		uint32_t milliseconds)
{
	timer_list_set(&from_loop(loop)->timers, timer, milliseconds);
	return 0;
}

static void timer_clear(struct evchan_loop *loop, struct evchan_timer *timer)
{
	timer_list_clear(&from_loop(loop)->timers, timer);
}

static void timer_remove(struct evchan_loop *loop, struct evchan_timer *timer)
{
	(void)loop;
	timer_list_remove(timer);
}

/* ---- A turn ------------------------------------------------------------------ */

static unsigned events_of(short revents)
{
	unsigned events = 0;

	if (revents & POLLIN)
		events |= EVCHAN_LOOP_READ;
	if (revents & POLLOUT)
		events |= EVCHAN_LOOP_WRITE;
	/* Whatever a watch waits for, an attempt at it will now tell of the end. */
	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		events |= INTEREST;
	return events;
}

static void serve_slot(struct poll_loop *poll_loop, size_t slot)
{
	struct evchan_watch *watch = poll_loop->owners[slot];
	unsigned events = events_of(poll_loop->fds[slot].revents);

	/* Served now, and not once more by a turn further up the stack. */
	poll_loop->fds[slot].revents = 0;
	if (watch == NULL)
		return;
	events &= watch->events;
	if (events)
		watch->ready(watch->arg, events);
}

static void destroy(struct poll_loop *poll_loop)
{
	for (size_t i = 0; i < poll_loop->count; i++)
		free(poll_loop->owners[i]);
	timer_list_deinit(&poll_loop->timers);
	free(poll_loop->fds);
	free(poll_loop->owners);
	free(poll_loop);
}

/* Runs what revents and the clock say. */
static void serve(struct poll_loop *poll_loop)
{
	poll_loop->depth++;
	poll_loop->turn++;
	timer_list_collect(&poll_loop->timers);
	/* `count` may rise under way; the new slots have nothing ready. */
	for (size_t i = 0; i < poll_loop->count; i++)
		serve_slot(poll_loop, i);
	timer_list_fire(&poll_loop->timers);
	poll_loop->depth--;
	if (poll_loop->is_freed && poll_loop->depth == 0)
		destroy(poll_loop);
}

static uint64_t turn(struct evchan_loop *loop)
{
	return from_loop(loop)->turn;
}

static const struct evchan_loop_ops poll_loop_ops = {
	.size = sizeof(struct evchan_loop_ops),
	.features = 0,
	.watch_add = watch_add,
	.watch_change = watch_change,
	.watch_remove = watch_remove,
	.timer_add = timer_add,
	.timer_set = timer_set,
	.timer_clear = timer_clear,
	.timer_remove = timer_remove,
	.turn = turn,
};

bool poll_loop_is(const struct evchan_loop *loop)
{
	return loop && loop->ops == &poll_loop_ops;
}

/* ---- The public face --------------------------------------------------------- */

int evchan_poll_loop_new(struct evchan_loop **loop)
{
	struct poll_loop *poll_loop;

	poll_loop = calloc(1, sizeof(*poll_loop));
	if (poll_loop == NULL)
		return -ENOMEM;
	poll_loop->loop.ops = &poll_loop_ops;
	poll_loop->fork_generation = descriptor_fork_generation;
	/* 0 is no turn, and the first may be asked for before any has run. */
	poll_loop->turn = 1;
	timer_list_init(&poll_loop->timers);
	*loop = &poll_loop->loop;
	return 0;
}

void evchan_poll_loop_free(struct evchan_loop *loop)
{
	struct poll_loop *poll_loop;

	if (!poll_loop_is(loop))
		return;
	poll_loop = from_loop(loop);
	if (poll_loop->depth > 0)
		poll_loop->is_freed = true;
	else
		destroy(poll_loop);
}

static int check(struct evchan_loop *loop)
{
	if (!poll_loop_is(loop))
		return -EINVAL;
	if (descriptor_is_forked(from_loop(loop)->fork_generation))
		return -EOWNERDEAD;
	return 0;
}

int evchan_poll_loop_run_once(struct evchan_loop *loop, int timeout_ms)
{
	struct poll_loop *poll_loop;
	int r;

	r = check(loop);
	if (r < 0)
		return r;
	poll_loop = from_loop(loop);
	close_holes(poll_loop);
	timeout_ms = timer_list_wait(&poll_loop->timers, timeout_ms);
	r = poll_wait(poll_loop->fds, poll_loop->count, timeout_ms);
	if (r < 0)
		return r;
	serve(poll_loop);
	return 0;
}

int evchan_poll_loop_prepare(struct evchan_loop *loop, struct pollfd *fds,
		size_t capacity, size_t *count, int *timeout_ms)
{
	struct poll_loop *poll_loop;
	size_t found = 0;
	int r;

	r = check(loop);
	if (r < 0)
		return r;
	poll_loop = from_loop(loop);
	close_holes(poll_loop);
	for (size_t i = 0; i < poll_loop->count; i++) {
		if ((int)poll_loop->fds[i].fd < 0)
			continue;
		if (found < capacity) {
			fds[found] = poll_loop->fds[i];
			fds[found].revents = 0;
		}
		found++;
	}
	poll_loop->prepared = poll_loop->count;
	*count = found;
	*timeout_ms = timer_list_wait(&poll_loop->timers, -1);
	return 0;
}

/*
 * The slot that watches `fd`, of those that were there at the last prepare; SIZE_MAX if
 * none does any more. Begins behind the last one found: entries come in the order they
 * were given out, so the first look hits but for what has been removed since, and a loop
 * that hands back only the ready ones, or in another order, is served as well. A newer
 * watch on the same number is left out, since the readiness was that of a descriptor
 * closed by now.
 */
static size_t find_slot(const struct poll_loop *poll_loop, int fd, size_t from)
{
	for (size_t i = 0; i < poll_loop->prepared; i++) {
		size_t slot = (from + i) % poll_loop->prepared;

		if ((int)poll_loop->fds[slot].fd == fd)
			return slot;
	}
	return SIZE_MAX;
}

int evchan_poll_loop_dispatch(
		struct evchan_loop *loop, const struct pollfd *fds, size_t count)
{
	struct poll_loop *poll_loop;
	size_t from = 0;
	int r;

	r = check(loop);
	if (r < 0)
		return r;
	poll_loop = from_loop(loop);
	/* All readiness first, then the callbacks: these may free the caller's array. */
	for (size_t i = 0; i < count; i++) {
		size_t slot;

		if (fds[i].revents == 0 || (int)fds[i].fd < 0)
			continue;
		slot = find_slot(poll_loop, (int)fds[i].fd, from);
		if (slot == SIZE_MAX)
			continue;
		poll_loop->fds[slot].revents = fds[i].revents;
		from = slot + 1;
	}
	serve(poll_loop);
	return 0;
}
