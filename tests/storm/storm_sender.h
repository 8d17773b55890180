/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_SENDER_H
#define EVCHAN_STORM_SENDER_H

/*
 * A process that sends until it is killed, or wants to leave, or is told to finish
 * (SIGTERM).
 */

#include <stdint.h>

#include "board.h"
#include "options.h"

struct sender_role {
	const struct storm_options *options;
	struct board *board;
	const char *address;
	unsigned slot;
	uint32_t lane;
	uint64_t leave_at; /* number of the message it goes after by itself */
};

/* For process_start(). */
void storm_sender(void *role);

#endif
