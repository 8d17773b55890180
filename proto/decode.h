/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_DECODE_H
#define EVCHAN_PROTO_DECODE_H

/* Decoding by a plan: what is behind evchan_proto_decode(), for those who have the plan at hand. */

#include "arena.h"
#include "plan.h"

/* Options that were read and checked. */
struct decode_rules {
	unsigned flags; /* enum evchan_proto_decode_flags */
	uint32_t max_depth;
	size_t max_bytes; /* 0: none */
};

/* Reads the public struct (NULL: defaults). Errors: -EINVAL; -E2BIG. */
int decode_read_options(struct decode_rules *rules,
		const struct evchan_proto_decode_options *options);

/* As evchan_proto_decode(); `problem` is not NULL. */
int decode_message(const ProtobufCMessage **message, struct evchan_proto_arena *arena,
		const struct plan *plan, const void *data, size_t size,
		const struct decode_rules *rules, struct evchan_proto_problem *problem);

#endif
