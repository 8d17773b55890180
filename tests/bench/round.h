/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_ROUND_H
#define EVCHAN_BENCH_ROUND_H

/* One round: its processes are started, watched and ended, and its figures read. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process.h"
#include "transport.h"

struct round_setup {
	const struct transport *transport;
	enum placement placement;
	size_t size;
	unsigned senders;
	unsigned idle;     /* connections besides, over which nothing is sent */
	double rate;       /* messages per second of each sender; 0: all it can */
	uint64_t capacity; /* of a ring; raised for messages that need more */
	bool one_per_turn; /* the sender sends one message in each turn of its loop */
	bool touch_all;    /* the receiver reads every byte */
	bool counts_calls; /* system calls are counted: not for figures of time */
	double warm_up;    /* seconds */
	double seconds;
};

struct latency_figures {
	double p50_ns;
	double p99_ns;
	double p999_ns;
};

/* Of one side, per message. */
struct side_figures {
	double cpu_ns;
	double sleeps;       /* as many wake-ups */
	double system_calls; /* negative: they could not be counted */
};

struct stream_figures {
	double messages_per_second;
	struct side_figures sender; /* all senders together */
	struct side_figures receiver;
	double least_share;             /* of the slowest sender; 1 is its fair share */
	uint64_t messages;              /* of the whole round, warm-up included */
	struct latency_figures latency; /* one way, at a fixed rate */
};

/* Connections over which nothing is sent. */
struct idle_figures {
	double connect_ns; /* until the receiver had all of them */
	double cpu_ns;     /* per second, of both sides */
	double sleeps;     /* likewise */
	double system_calls;
	double sender_memory; /* bytes of each side, all connections together */
	double receiver_memory;
	double sender_descriptors;
	double receiver_descriptors;
};

/* Both die if the round fails: a process fails, messages are lost, or none comes for
 * long. */
void round_stream(struct stream_figures *figures, const struct round_setup *setup);
void round_echo(struct latency_figures *figures, const struct round_setup *setup);
void round_idle(struct idle_figures *figures, const struct round_setup *setup);

/* What the ring's capacity is for this size of message. */
uint64_t round_capacity(const struct round_setup *setup);

#endif
