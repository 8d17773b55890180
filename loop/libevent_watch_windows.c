/* SPDX-License-Identifier: MIT */

/*
 * Watches on a libevent base where descriptors are handles, which libevent cannot wait for.
 *
 * The system's pool waits for each handle. A thread of it that finds one ready enters the watch into the list of those that
 * were hit, and, if the list was empty, sends a byte through a pair of sockets whose other end is an event of the
 * base. In the base's own thread that event makes each watch's event active, and from there on all is as elsewhere:
 * the watch may be removed before its turn has come, and priorities count.
 *
 * The pair also keeps the base going: event_base_dispatch() returns when nothing is left but events without a descriptor. So it is
 * waited for as long as there are watches, and no longer. And it asks nothing of the base: to make an event
 * active from another thread the application would have to have called evthread_use_windows_threads() before it made the base,
 * and that could not even be checked.
 *
 * Level and edge. A wait that has hit is over. A level-triggered watch waits anew when its pass of the loop is over, so that
 * the callback has had its chance to take what was there; an edge-triggered one does so before its callback. Both are for
 * events that reset themselves, where the wait has taken the signal, and for those that stay set, where a level is what is
 * wanted.
 *
 * Removing a watch takes the wait back and waits for the callback of the pool, should it be running just then: it enters a list
 * and sends a byte, so that is never long. Only then may the memory go.
 */

#include "libevent_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <winsock2.h>

#include <event2/util.h>

struct evchan_watch {
	struct libevent_loop *libevent_loop;
	struct event *event; /* is made active */
	HANDLE handle;
	HANDLE wait; /* NULL: none */
	unsigned events;
	bool is_hit;               /* under the lock: in the list of those */
	struct evchan_watch *next; /* there */
	bool is_parked;  /* has hit while nothing was wanted, and does not wait */
	bool is_resting; /* in the list of those that are to wait anew */
	struct evchan_watch *next_resting;
	void (*ready)(void *arg, unsigned events);
	void *arg;
};

struct libevent_watches {
	CRITICAL_SECTION lock;
	evutil_socket_t pair[2]; /* written to by the pool, read by the base */
	struct event *wake;
	struct event *rest_over;  /* active in a pass after which some wait anew */
	struct evchan_watch *hit; /* under the lock */
	struct evchan_watch *resting;
	size_t count;
};

/* ---- The pool's side ------------------------------------------------------------ */

static void CALLBACK on_hit(void *arg, BOOLEAN timed_out)
{
	struct evchan_watch *watch = arg;
	struct libevent_watches *watches = watch->libevent_loop->watches;
	bool is_first;

	(void)timed_out;
	EnterCriticalSection(&watches->lock);
	is_first = !watches->hit;
	if (!watch->is_hit) {
		watch->is_hit = true;
		watch->next = watches->hit;
		watches->hit = watch;
	}
	/* There is never more than a byte or two in it. */
	if (is_first)
		(void)send(watches->pair[0], "", 1, 0);
	LeaveCriticalSection(&watches->lock);
}

static void end_wait(struct evchan_watch *watch)
{
	if (watch->wait)
		(void)UnregisterWaitEx(watch->wait, INVALID_HANDLE_VALUE);
	watch->wait = NULL;
}

static int start_wait(struct evchan_watch *watch)
{
	end_wait(watch);
	if (!RegisterWaitForSingleObject(&watch->wait, watch->handle, on_hit, watch,
			    INFINITE, WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD))
		return -ENOMEM;
	return 0;
}

/* ---- The base's side ---------------------------------------------------------------- */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct libevent_watches *watches = arg;
	struct evchan_watch *watch;
	char bytes[16];

	(void)what;
	/* Before the look at the list: whoever comes after it sends another. */
	(void)recv(fd, bytes, sizeof(bytes), 0);
	EnterCriticalSection(&watches->lock);
	while ((watch = watches->hit)) {
		watches->hit = watch->next;
		watch->is_hit = false;
		event_active(watch->event, EV_READ, 0);
	}
	LeaveCriticalSection(&watches->lock);
}

/* Behind all others of the pass. One for which there is no wait to be had goes round with the loop. */
static void on_rest_over(evutil_socket_t fd, short what, void *arg)
{
	struct libevent_watches *watches = arg;
	struct evchan_watch *watch = watches->resting;

	(void)fd;
	(void)what;
	watches->resting = NULL;
	while (watch) {
		struct evchan_watch *next = watch->next_resting;

		watch->is_resting = false;
		if (start_wait(watch) < 0)
			on_hit(watch, FALSE);
		watch = next;
	}
}

static void rest(struct libevent_watches *watches, struct evchan_watch *watch)
{
	if (watch->is_resting)
		return;
	watch->is_resting = true;
	watch->next_resting = watches->resting;
	watches->resting = watch;
	event_active(watches->rest_over, EV_TIMEOUT, 0);
}

/* A handle that is ready is so for all that is wanted. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct evchan_watch *watch = arg;
	unsigned wanted = watch->events & (EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);

	(void)fd;
	(void)what;
	if (!wanted) {
		watch->is_parked = true;
		return;
	}
	if (!(watch->events & EVCHAN_LOOP_EDGE) || start_wait(watch) < 0)
		rest(watch->libevent_loop->watches, watch);
	watch->ready(watch->arg, wanted);
}

/* ---- Watches ------------------------------------------------------------------------------ */

static int add_first(struct libevent_watches *watches)
{
	if (watches->count++ > 0)
		return 0;
	return libevent_add(watches->wake);
}

static void remove_last(struct libevent_watches *watches)
{
	if (--watches->count == 0)
		event_del(watches->wake);
}

int libevent_watch_add(struct evchan_loop *loop, struct evchan_watch **out, int fd,
		unsigned events, void (*ready)(void *arg, unsigned events), void *arg)
{
	struct libevent_loop *libevent_loop = libevent_from_loop(loop);
	struct evchan_watch *watch;
	DWORD flags;
	int r;

	if (fd < 0 || !GetHandleInformation((HANDLE)(intptr_t)fd, &flags))
		return -EBADF;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->libevent_loop = libevent_loop;
	watch->handle = (HANDLE)(intptr_t)fd;
	watch->events = events;
	watch->ready = ready;
	watch->arg = arg;
	r = libevent_make(&watch->event, libevent_loop, -1, EV_PERSIST, on_ready, watch);
	if (r < 0)
		goto fail;
	r = add_first(libevent_loop->watches);
	if (r == 0)
		r = start_wait(watch);
	if (r < 0)
		goto fail_added;
	*out = watch;
	return 0;

fail_added:
	remove_last(libevent_loop->watches);
	event_free(watch->event);
fail:
	free(watch);
	return r;
}

/* A wait that is under way goes on, since to take it back could lose a signal: what is wanted counts when it hits. One that has
 * hit while nothing was wanted is told now. */
int libevent_watch_change(
		struct evchan_loop *loop, struct evchan_watch *watch, unsigned events)
{
	(void)loop;
	watch->events = events;
	if (!watch->is_parked || !(events & (EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE)))
		return 0;
	watch->is_parked = false;
	on_hit(watch, FALSE);
	return 0;
}

static void unlink_resting(
		struct libevent_watches *watches, const struct evchan_watch *watch)
{
	struct evchan_watch **at = &watches->resting;

	while (*at && *at != watch)
		at = &(*at)->next_resting;
	if (*at)
		*at = watch->next_resting;
}

static void unlink_hit(struct libevent_watches *watches, const struct evchan_watch *watch)
{
	struct evchan_watch **at;

	EnterCriticalSection(&watches->lock);
	for (at = &watches->hit; *at && *at != watch; at = &(*at)->next)
		;
	if (*at)
		*at = watch->next;
	LeaveCriticalSection(&watches->lock);
}

void libevent_watch_remove(struct evchan_loop *loop, struct evchan_watch *watch)
{
	struct libevent_watches *watches = libevent_from_loop(loop)->watches;

	end_wait(watch);
	unlink_hit(watches, watch);
	unlink_resting(watches, watch);
	event_free(watch->event);
	free(watch);
	remove_last(watches);
}

/* ---- The loop ---------------------------------------------------------------------------------- */

uint32_t libevent_watch_features(struct event_base *base)
{
	(void)base;
	return EVCHAN_LOOP_EDGE;
}

static void destroy(struct libevent_watches *watches)
{
	if (watches->wake)
		event_free(watches->wake);
	if (watches->rest_over)
		event_free(watches->rest_over);
	for (int i = 0; i < 2; i++)
		if (watches->pair[i] >= 0)
			evutil_closesocket(watches->pair[i]);
	DeleteCriticalSection(&watches->lock);
	free(watches);
	WSACleanup();
}

/* libevent's own kind of pair, by way of the loopback interface: TCP, which keeps a byte back as long as the one before it is not
 * acknowledged. Windows puts that off for up to 200 ms (Microsoft, "Design issues: sending small data segments over TCP with
 * Winsock"), and so would be late with a wake-up that follows another. */
static int make_pair(evutil_socket_t pair[2])
{
	const int on = 1;

	if (evutil_socketpair(AF_INET, SOCK_STREAM, 0, pair) < 0)
		return -ENOMEM;
	for (int i = 0; i < 2; i++) {
		evutil_make_socket_nonblocking(pair[i]);
		(void)setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, (const char *)&on,
				sizeof(on));
	}
	return 0;
}

int libevent_watches_init(struct libevent_loop *libevent_loop)
{
	struct libevent_watches *watches = calloc(1, sizeof(*watches));
	WSADATA data;
	int r;

	/* Once for each loop: the application need not have. */
	if (!watches || WSAStartup(MAKEWORD(2, 2), &data) != 0) {
		free(watches);
		return -ENOMEM;
	}
	InitializeCriticalSection(&watches->lock);
	watches->pair[0] = watches->pair[1] = -1;
	r = make_pair(watches->pair);
	if (r == 0)
		r = libevent_make(&watches->wake, libevent_loop, watches->pair[1],
				EV_READ | EV_PERSIST, on_wake, watches);
	if (r == 0)
		r = libevent_make(&watches->rest_over, libevent_loop, -1, EV_PERSIST,
				on_rest_over, watches);
	if (r < 0) {
		destroy(watches);
		return r;
	}
	libevent_loop->watches = watches;
	return 0;
}

void libevent_watches_deinit(struct libevent_loop *libevent_loop)
{
	destroy(libevent_loop->watches);
}

void libevent_watches_set_priority(struct libevent_loop *libevent_loop)
{
	struct libevent_watches *watches = libevent_loop->watches;

	event_del(watches->rest_over);
	(void)event_priority_set(watches->rest_over, libevent_loop->priority);
	if (watches->resting)
		event_active(watches->rest_over, EV_TIMEOUT, 0);
	/* An active one keeps its own. */
	(void)event_priority_set(watches->wake, libevent_loop->priority);
}
