/* SPDX-License-Identifier: MIT */
/*
 * Keeping a decoded message: the raw one is held in the ring, because `bytes` point there, and the arena goes with it,
 * because everything else is there. Each held message therefore has an arena of its own; the receiver makes itself a new one
 * when it needs it.
 */

#include <errno.h>
#include <stdlib.h>

#include "proto_receiver.h"

struct proto_held {
	struct evchan_proto_message message; /* first: what the application has is a pointer to it */
	struct evchan_proto_arena *arena;
};

int evchan_proto_hold(const struct evchan_proto_message **held, struct evchan_proto_receiver *proto,
		const struct evchan_proto_message *message)
{
	struct proto_held *made;
	int r;

	if (message != &proto->message || !message->raw)
		return -EINVAL;
	if (proto->held)
		return -EALREADY;
	made = malloc(sizeof(*made));
	if (!made)
		return -ENOMEM;
	r = evchan_message_hold(&made->message.raw, message->raw);
	if (r < 0) {
		free(made);
		return r;
	}
	made->message.message = message->message;
	made->arena = proto->arena;
	proto->arena = NULL;
	proto->held = made;
	*held = &made->message;
	return 0;
}

void evchan_proto_release(const struct evchan_proto_message *held)
{
	/* Made writable by us; only the application's view is const. */
	struct proto_held *made = (struct proto_held *)(uintptr_t)held;

	if (!held)
		return;
	evchan_message_release(made->message.raw);
	evchan_proto_arena_free(made->arena);
	free(made);
}
