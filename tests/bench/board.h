/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_BOARD_H
#define EVCHAN_BENCH_BOARD_H

/*
 * What the driver and the processes of one round tell each other: a page or two of
 * shared memory, mapped before the fork.
 *
 * The driver keeps the time and writes `phase`; the receiver, which alone counts,
 * notices the change with the next message and writes down the time and its count. So a
 * rate is always the number of messages between two arrivals, no transport needs a
 * clock or a timer of its own, and all a message costs is one load of a line that
 * nobody writes meanwhile.
 */

#include <stdatomic.h>
#include <stdint.h>

#define BOARD_SENDERS_MAX 128
#define BOARD_SAMPLES_MAX (1u << 18)

enum board_phase {
	PHASE_WARM_UP,
	PHASE_MEASURE,
	PHASE_OVER,
};

/* The receiver's state as a phase began. */
struct board_mark {
	uint64_t time_ns;
	uint64_t messages;
	uint64_t messages_of[BOARD_SENDERS_MAX];
};

struct board {
	_Alignas(128) _Atomic unsigned phase; /* the driver's */
	_Alignas(128) _Atomic unsigned ready; /* the receiver listens */
	_Atomic unsigned joined;              /* senders of whom a message came */
	_Atomic unsigned phase_seen;    /* the phase in which the last mark was made */
	_Atomic unsigned arrived;       /* idle connections that the receiver has */
	_Atomic uint64_t connecting_ns; /* when the first of them was begun */
	_Atomic uint64_t arrived_ns;    /* when the last of them was there */
	struct board_mark begin;
	struct board_mark end;
	/* Round trips (echo.h), or latencies one way. */
	uint32_t sample_count;
	uint32_t samples_ns[BOARD_SAMPLES_MAX];
};

#endif
