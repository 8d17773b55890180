/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_HOLD_H
#define EVCHAN_CORE_HOLD_H

/* Messages kept after their delivery. The public struct is a member, and is how a hold is found back. */

#include <stdalign.h>

#include <evchan/evchan.h>

#include "ring_reader.h"

struct held_message {
	struct evchan_message message;
	struct ring_hold hold;
	struct evchan_lane *lane; /* NULL: an orphan, its receiver was freed */
	unsigned fork_generation;
	alignas(8) unsigned char copy[]; /* the payload, if it was delivered as a copy */
};

/* Cuts all holds of a lane off: their data is gone, releasing them stays legal. */
void hold_orphan_all(struct evchan_lane *lane);

#endif
