/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_PROTO_RECEIVER_H
#define EVCHAN_PROTO_PROTO_RECEIVER_H

/* Typed receiving: what proto_receiver.c, lane_verdicts.c and proto_hold.c share. */

#include "arena.h"
#include "decode.h"
#include "types.h"

/* What is registered for a type, and what has come of it. */
struct route {
	void (*callback)(const struct evchan_proto_message *message, void *arg);
	void *arg;
	struct evchan_proto_stats stats;
};

struct lane_verdicts;

struct evchan_proto_receiver {
	struct evchan_proto_types *types;
	struct route *routes; /* by the place of the type in the set */
	struct evchan_proto_stats stats;
	struct evchan_proto_callbacks callbacks;
	void *arg;
	struct decode_rules rules;
	bool evicts;
	size_t arena_limit;
	struct evchan_proto_arena *arena;
	struct evchan_proto_message message;       /* of the running callback */
	struct proto_held *held;                   /* its hold, if it has one */
	struct lane_verdicts *lanes;               /* a list */
};

/* lane_verdicts.c: whether the sender's idea of a type fits, found out once for each lane and type. `why` is written if not.
 * Errors: -ENOMEM. */
int verdict_of(struct evchan_proto_receiver *proto, const struct evchan_lane *lane,
		const struct known_type *known, bool *fits, char *why, size_t why_size);

void verdicts_forget(struct evchan_proto_receiver *proto, const struct evchan_lane *lane);
void verdicts_forget_all(struct evchan_proto_receiver *proto);

#endif
