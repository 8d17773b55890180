/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_PROTO_SENDER_H
#define EVCHAN_PROTO_PROTO_SENDER_H

/* Typed sending: what proto_sender.c and writer.c share. */

#include "types.h"

/* What a sender remembers of each type. */
struct sent_type {
	const ProtobufCMessageDescriptor *descriptor;
	const struct plan *plan;
	uint32_t id;
	bool is_described; /* in a note of the lane */
	size_t guess;      /* bytes a message will probably take */
};

struct evchan_proto_sender {
	struct evchan_sender *sender;
	struct evchan_proto_types *types;
	struct sent_type *sent; /* by the place of the type in the set */
	struct sent_type *
			last; /* the type that was sent last, which is described; NULL: none */
};

/* The type of a descriptor, described to the receiver. Errors: -ENOENT; -ENOSPC; -ENOMEM; those of
 * evchan_sender_add_note(). */
int proto_sender_type(struct evchan_proto_sender *proto,
		const ProtobufCMessageDescriptor *descriptor, struct sent_type **sent);

#endif
