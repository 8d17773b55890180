/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_PROTO_CHANNEL_H
#define EVCHAN_BENCH_PROTO_CHANNEL_H

/* What the ways to send log records from one process to another have in common. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "telemetry.pb-c.h"

/* One round, in memory that its two processes share. */
struct channel_round {
	char address[64];
	double seconds;       /* to be measured, after a quarter as long to warm up */
	int fds[2];           /* a socket pair: the receiver's end first */
	atomic_bool is_open;  /* the receiver listens */
	double rate;          /* messages per second */
	uint64_t receiver_ns; /* CPU time of the receiver, in all */
	/* The receiver's. */
	uint64_t count;
	uint64_t begin_ns;
	uint64_t begin_count;
	uint64_t sum;
};

/* The record that is sent, with this number in it. Static. */
Evchan__Example__LogRecord *channel_record(uint32_t number);

/* Whether the round is over; called with each message. */
bool channel_count(struct channel_round *round);

/* What a receiver does with a record: looks whether it is the next, and reads here and there. */
void channel_read(struct channel_round *round, const Evchan__Example__LogRecord *record);

/* bench_proto_lane.c: through evchan. */
void channel_send_typed(struct channel_round *round);
void channel_send_batches(struct channel_round *round);
void channel_receive_typed(struct channel_round *round);
void channel_send_raw(struct channel_round *round);
void channel_receive_raw(struct channel_round *round);

/* bench_proto_stock.c: protobuf_c_message_pack(), libevent's bufferevent on a UNIX stream socket, protobuf_c_message_unpack(). */
void channel_send_stock(struct channel_round *round);
void channel_receive_stock(struct channel_round *round);
/* The same in the fastest way known. */
void channel_send_tuned(struct channel_round *round);
void channel_receive_tuned(struct channel_round *round);

#endif
