/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_FRAMED_H
#define EVCHAN_BENCH_FRAMED_H

/*
 * Messages with a length of 4 bytes before each, over a descriptor that carries bytes,
 * with buffers of 1 MiB written by hand over plain libevent events: the sender fills
 * its buffer and writes it, the receiver reads into one and parses in place.
 */

#include <event2/event.h>

#include "transport.h"

struct framed_sink {
	struct receiver_task *task;
	struct event_base *base;
	struct framed_connection *connections;
};

/* Sends the task's messages over a non-blocking descriptor, which it closes, until the
 * receiver is gone. */
void framed_send(struct sender_task *task, int fd);

/* Begins to receive from one more non-blocking descriptor. */
void framed_receive_from(struct framed_sink *sink, int fd);

/* Closes them. */
void framed_sink_deinit(struct framed_sink *sink);

#endif
