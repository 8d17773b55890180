/* SPDX-License-Identifier: MIT */
/*
 * Keeping a decoded message: the raw one is held in the ring, because `bytes` point there, and the arena goes with
 * it, because everything else is there. Each held message therefore has an arena of its own; the receiver makes
 * itself a new one when it needs it.
 *
 * A hold that is released before the callback has returned leaves the arena to the callback, which may still read the
 * message.
 */

#include <errno.h>
#include <stdlib.h>

#include "proto_receiver.h"

struct proto_held {
	struct evchan_proto_message
			message; /* first: what the application has is a pointer to it */
	struct evchan_proto_arena *arena;
	struct dispatch *dispatch; /* NULL: it has ended */
};

static struct dispatch *find_dispatch(const struct evchan_proto_receiver *proto,
		const struct evchan_proto_message *message)
{
	struct dispatch *dispatch = proto->running;

	while (dispatch && &dispatch->message != message)
		dispatch = dispatch->outer;
	return dispatch;
}

int evchan_proto_hold(const struct evchan_proto_message **held,
		struct evchan_proto_receiver *proto,
		const struct evchan_proto_message *message)
{
	struct dispatch *dispatch = find_dispatch(proto, message);
	struct proto_held *made;
	int r;

	if (!dispatch)
		return -EINVAL;
	if (dispatch->held)
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
	made->arena = dispatch->arena;
	made->dispatch = dispatch;
	dispatch->arena = NULL;
	dispatch->held = made;
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
	if (made->dispatch) {
		made->dispatch->arena = made->arena;
		made->dispatch->held = NULL;
	} else {
		evchan_proto_arena_free(made->arena);
	}
	free(made);
}

void dispatch_end(struct evchan_proto_receiver *proto, struct dispatch *dispatch)
{
	proto->running = dispatch->outer;
	if (dispatch->held)
		dispatch->held->dispatch = NULL;
	if (proto->arena)
		evchan_proto_arena_free(dispatch->arena);
	else
		proto->arena = dispatch->arena;
}
