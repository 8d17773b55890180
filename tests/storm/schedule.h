/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_SCHEDULE_H
#define EVCHAN_STORM_SCHEDULE_H

/*
 * What happens when: drawn from the seed alone, so that the same seed means the same
 * blows at the same times after the start, as far as processes keep pace.
 */

#include <stdint.h>

#include "random.h"
#include "supervisor.h"

struct schedule {
	struct random senders;    /* blows against senders ... */
	struct random receivers;  /* ... and against receivers are drawn apart */
	uint64_t sender_interval; /* on average, in ns; 0: none */
	uint64_t receiver_interval;
	uint64_t next_sender;
	uint64_t next_receiver;
	/* A kill of the receiver that waits until it owes nothing, for so long at most;
	 * 0: none. */
	uint64_t kill_by;
	uint64_t kill_pause;
};

void schedule_open(struct schedule *schedule, const struct storm_options *options);

/* Deals the blows that are due. */
void schedule_turn(struct schedule *schedule, struct supervisor *supervisor);

#endif
