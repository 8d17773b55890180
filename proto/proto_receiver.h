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

struct verdict_table {
	struct lane_verdicts **chains;
	size_t chain_count; /* a power of two, or 0 */
	size_t count;
	struct lane_verdicts *last; /* asked for; may be NULL */
};
#define VERDICT_TABLE_NONE { NULL, 0, 0, NULL }

struct proto_held;

/* A message whose callback runs. They nest: a callback may run a loop that delivers messages of another receiver. */
struct dispatch {
	struct dispatch *outer;
	struct evchan_proto_message message;
	struct evchan_proto_arena *arena; /* NULL: it went with the hold */
	struct proto_held *held;          /* NULL: it is not held */
};

struct evchan_proto_receiver {
	struct evchan_proto_types *types;
	struct route *routes; /* by the place of the type in the set */
	struct evchan_proto_stats stats;
	struct evchan_proto_callbacks callbacks;
	void *arg;
	struct decode_rules rules;
	bool evicts;
	size_t arena_limit;
	struct evchan_proto_arena *arena; /* of no running callback; may be NULL */
	struct dispatch *running;         /* the innermost; NULL: none */
	struct verdict_table verdicts;
	const struct known_type
			*last; /* of the last message that was of one; NULL: none */
	unsigned depth;        /* of callbacks that run, of any kind */
	bool is_freed; /* by one of them: frees itself when the outermost returns */
};

/* lane_verdicts.c: whether the sender's idea of a type fits, found out once for each lane and type. `*refusal` becomes why not,
 * which is valid until the lane is forgotten, or NULL: it fits. Errors: -ENOMEM. */
int verdict_of(struct evchan_proto_receiver *proto, const struct evchan_lane *lane,
		const struct known_type *known, const char **refusal);

void verdicts_forget(struct verdict_table *table, const struct evchan_lane *lane);
void verdicts_forget_all(struct verdict_table *table);

/* proto_hold.c: the callback has returned. Gives back what it used, unless that is held. */
void dispatch_end(struct evchan_proto_receiver *proto, struct dispatch *dispatch);

#endif
