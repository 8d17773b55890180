/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_TYPES_H
#define EVCHAN_PROTO_TYPES_H

/* The set of types behind the public handle: plans, and the number under which each type travels. */

#include <stdatomic.h>

#include "plan.h"

#include <evchan/proto.h>

struct known_type {
	uint32_t id;
	const struct plan *plan;
};

struct evchan_proto_types {
	/* Counts users in any thread. Relaxed to add (whoever adds has one already), acquire-release to drop: the last
	 * one frees what the others may have read. */
	atomic_uint references;
	atomic_bool is_frozen; /* only ever set; what it guards is then never written again */
	struct plan_table plans;
	struct known_type *types; /* sorted by id */
	size_t count;
};

/* Takes a reference, and freezes the set. */
void types_use(struct evchan_proto_types *types);

/* Nothing is added from now on. Written once only: threads that decode all come by here. */
static inline void types_freeze(struct evchan_proto_types *types)
{
	if (!atomic_load_explicit(&types->is_frozen, memory_order_relaxed))
		atomic_store_explicit(&types->is_frozen, true, memory_order_relaxed);
}

/* NULL: none of this number. */
const struct known_type *types_by_id(const struct evchan_proto_types *types, uint32_t id);

/* NULL: not added (even if another type refers to it). */
const struct known_type *types_by_descriptor(const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor);

#endif
