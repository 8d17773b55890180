/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_RECOVERY_H
#define EVCHAN_STORM_RECOVERY_H

/*
 * How long things take after a SIGKILL: the processes that are killed, and what their
 * survivors note.
 */

#include <stdatomic.h>
#include <stdint.h>

/* Shared, also across an exec. Times are those of process_now_ns(); 0: not yet. */
struct recovery_board {
	_Atomic uint64_t listening_at; /* the new receiver has its address ... */
	_Atomic uint64_t first_at;     /* ... and is called back with its first message */
	_Atomic uint64_t served;       /* messages, by any receiver */
	_Atomic uint64_t victim_served; /* messages of the sender labelled "victim" */
	_Atomic uint64_t left_at;       /* its `left` was called */
};

struct recovery_role {
	struct recovery_board *board;
	const char *address;
	const char *label;
	uint32_t reconnect_min_ms; /* 0: the default */
	uint32_t interval_us;      /* between messages; 0: as many as there is room for */
};

/* For process_start(), with a struct recovery_role: until they are killed. */
void recovery_sender(void *role);
void recovery_receiver(void *role);

#endif
