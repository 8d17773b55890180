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
	unsigned clock_every; /* so many messages the clock is read */
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

/* ---- Frames: bench_proto_frame.c; in bench_proto_frame_lane.c and bench_proto_stock.c how they go --- */

#define FRAME_WIDTH 3840u
#define FRAME_HEIGHT 2160u
#define FRAME_Y_BYTES (FRAME_WIDTH * FRAME_HEIGHT)
#define FRAME_BYTES (FRAME_Y_BYTES / 2 * 3)

/* bench_proto_frame.c: a frame with this number in private memory, its planes as the camera has left them. Static. */
Evchan__Example__VideoFrame *frame_in_memory(uint32_t number);

/* The camera: writes every byte of a plane. */
void frame_fill(uint8_t *plane, size_t size, uint32_t number);

/* Looks whether it is the next, and reads every byte of it; then as channel_count(). */
bool frame_read(struct channel_round *round, const Evchan__Example__VideoFrame *frame);

void frame_send_in_place(struct channel_round *round);
void frame_send_packed(struct channel_round *round);
void frame_receive_in_place(struct channel_round *round);
void frame_send_stock_packed(struct channel_round *round);
void frame_receive_stock_unpacked(struct channel_round *round);
void frame_send_socket(struct channel_round *round);
void frame_receive_socket(struct channel_round *round);

#endif
