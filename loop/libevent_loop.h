/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_LOOP_LIBEVENT_LOOP_H
#define EVCHAN_LOOP_LIBEVENT_LOOP_H

/* Between libevent_loop.c and the file that has this system's watches. */

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/loop.h>

struct libevent_watches; /* what the watches of one loop have in common, on systems where they do */

struct libevent_loop {
	struct evchan_loop loop;
	struct evchan_loop_ops operations; /* with the features of this base */
	struct event_base *base;
	int priority; /* of new events; negative: the base's middle one */
	struct event *pass_end;
	bool in_pass; /* `turn` is this pass's number, and pass_end is active */
	uint64_t turn;
	struct libevent_watches *watches;
};

struct libevent_loop *libevent_from_loop(struct evchan_loop *loop);

/* A new event of the loop's priority. Errors: -ENOMEM. */
int libevent_make(struct event **out, struct libevent_loop *libevent_loop,
		evutil_socket_t fd, short what, event_callback_fn callback, void *arg);

/* event_add(), without a time. Errors: -errno, -EINVAL. */
int libevent_add(struct event *event);

/* What the watches of a base can offer: EVCHAN_LOOP_EDGE or nothing. */
uint32_t libevent_watch_features(struct event_base *base);

/* Errors: -ENOMEM and others. */
int libevent_watches_init(struct libevent_loop *libevent_loop);
void libevent_watches_deinit(struct libevent_loop *libevent_loop);
void libevent_watches_set_priority(struct libevent_loop *libevent_loop);

/* The operations of the table. */
int libevent_watch_add(struct evchan_loop *loop, struct evchan_watch **out, int fd,
		unsigned events, void (*ready)(void *arg, unsigned events), void *arg);
int libevent_watch_change(
		struct evchan_loop *loop, struct evchan_watch *watch, unsigned events);
void libevent_watch_remove(struct evchan_loop *loop, struct evchan_watch *watch);

#endif
