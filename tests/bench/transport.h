/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_TRANSPORT_H
#define EVCHAN_BENCH_TRANSPORT_H

/*
 * What the driver asks of a transport. Each is one file, bench_NAME.c, and one line in
 * transport.c; it may define several, for several ways to use the same thing.
 *
 * The functions run in processes of their own, forked for one round. They fail by
 * process_die(): nothing is retried, nothing is passed over.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echo.h"
#include "payload.h"
#include "tally.h"

struct sender_task {
	const char *address; /* "@name", in the abstract UNIX socket namespace */
	uint64_t capacity;   /* of a ring, for transports that have one */
	/* Messages per turn of the sender's loop, at most; all that the transport takes
	 * is UINT_MAX. At the end of a turn they must be on their way. */
	unsigned turn_messages;
	int pace_fd; /* see pacer.h; -1: no fixed rate, but all that the transport takes */
	struct payload payload;
};

struct receiver_task {
	const char *address;
	struct tally tally;
};

/* Connections over which nothing is sent: `count` of them, from one process. */
struct idle_task {
	const char *address;
	uint64_t capacity;
	unsigned count;
	struct board *board;
};

struct echo_task {
	const char *address;
	uint64_t capacity;
	int fds[2]; /* what prepare_echo() made; -1 else */
	struct echo echo;
};

struct transport {
	const char *name; /* without spaces or slashes */
	bool is_extra;    /* only shown for one sender that sends all it can */
	bool is_not_told; /* its sender is not told that the receiver is gone: it is killed */
	bool is_limit; /* what it says is compared with, but is no transport */
	size_t size_min; /* smaller messages make no sense, or larger ones do not fit; 0: all do */
	size_t size_max;

	/* Sends task->payload over and over, as fast as the transport takes it, or at
	 * the rate of task->pace_fd (pacer.h) if it `is_paced`: then each message is
	 * stamped before it is sent. Returns when the receiver is gone. NULL, as the
	 * next, if the transport
	 * has no streams. */
	void (*send)(struct sender_task *task);
	bool is_paced;

	/* Listens, calls transport_ready(), hands each message to tally_message(), and
	 * returns when that says that the round is over. */
	void (*receive)(struct receiver_task *task);

	/* One of two processes that send to each other. The asker calls
	 * transport_ready() when the other may start, sends echo_begin(), and returns
	 * when echo_next() is NULL. The other is killed then. NULL if the transport has
	 * no echo. */
	void (*echo)(struct echo_task *task);

	/* May be NULL. Make descriptors for all processes, before these are forked. */
	void (*prepare_echo)(struct echo_task *task);
	void (*prepare)(unsigned senders);

	/* Makes connections to the receiver, which calls board_arrived() for each, and waits in a
	 * loop until it is killed. NULL if that is not measured. */
	void (*idle)(struct idle_task *task);
	size_t idle_ring_bytes; /* that it touches for each of them beforehand */

	/* Instead of a stream: nanoseconds per message, measured alone. */
	double (*limit_ns)(size_t size, uint64_t capacity, double seconds);
};

/* All, ended by NULL. */
extern const struct transport *const transports[];

extern const struct transport transport_evchan;
extern const struct transport transport_evchan_corked;
extern const struct transport transport_evchan_interval;
extern const struct transport transport_evchan_spin;
extern const struct transport transport_evchan_wait;
extern const struct transport transport_bufferevent;
extern const struct transport transport_bufferevent_plain;
extern const struct transport transport_socket;
extern const struct transport transport_seqpacket;
extern const struct transport transport_zmq;
extern const struct transport transport_nng;
extern const struct transport transport_qb;
extern const struct transport transport_eventfd;
extern const struct transport transport_evchan_in_place;
extern const struct transport transport_pipe;
extern const struct transport transport_memcpy;
extern const struct transport transport_spin;
extern const struct transport transport_pacing;

/* The receiver listens, or the asker: the others are started after this. */
void transport_ready(struct board *board);

/* The first connection of an idle_task is about to be made; the receiver has one more
 * connection. */
void transport_connecting(struct board *board);
void transport_arrived(struct board *board);

/* ---- For transports on a UNIX stream socket --------------------------------- */

/* A listening socket, and one connected to it; both non-blocking. */
int transport_listen(const char *address);
int transport_connect(const char *address);

/* Asks for large buffers. */
void transport_raise_buffers(int fd);

#endif
