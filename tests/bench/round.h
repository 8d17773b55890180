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
	uint64_t capacity; /* of a ring; raised for messages that need more */
	bool one_per_turn; /* the sender sends one message in each turn of its loop */
	bool touch_all;    /* the receiver reads every byte */
	double warm_up;    /* seconds */
	double seconds;
};

struct stream_figures {
	double messages_per_second;
	double sender_cpu_ns;   /* per message, of all senders together */
	double receiver_cpu_ns; /* per message */
	double least_share;     /* of the slowest sender; 1 is its fair share */
	uint64_t messages;      /* of the whole round, warm-up included */
};

struct echo_figures {
	double p50_ns;
	double p99_ns;
	double p999_ns;
};

/* Both die if the round fails: a process fails, messages are lost, or none comes for
 * long. */
void round_stream(struct stream_figures *figures, const struct round_setup *setup);
void round_echo(struct echo_figures *figures, const struct round_setup *setup);

/* What the ring's capacity is for this size of message. */
uint64_t round_capacity(const struct round_setup *setup);

#endif
