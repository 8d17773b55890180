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

#define BOARD_SENDERS_MAX 64
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
	_Atomic unsigned phase_seen; /* the phase in which the last mark was made */
	struct board_mark begin;
	struct board_mark end;
	/* Round trips: see echo.h. */
	uint32_t sample_count;
	uint32_t samples_ns[BOARD_SAMPLES_MAX];
};

#endif
