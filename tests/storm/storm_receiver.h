/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_RECEIVER_H
#define EVCHAN_STORM_RECEIVER_H

/*
 * A process that receives until it is killed, or shuts down (SIGTERM).
 */

#include <stdint.h>

#include "board.h"
#include "options.h"

struct receiver_role {
	const struct storm_options *options;
	struct board *board;
	const char *address;
	uint32_t generation;
};

/* For process_start(). */
void storm_receiver(void *role);

#endif
