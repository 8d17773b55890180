/* SPDX-License-Identifier: MIT */
/*
 * Keeping a decoded message: the raw one is held in the ring, because `bytes` point there, and the arena goes with
 * it, because everything else is there. Each held message therefore has an arena of its own; the receiver makes
 * itself a new one when it needs it.
 *
 * A hold that is released before the callback has returned leaves the arena to the callback, which may still read the
 * message.
 *
 * Where the receiver copies messages the held bytes are a copy of their own, elsewhere than those that were decoded. The
 * message is then decoded once more from there, into an arena of its own, and the callback keeps what it has.
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

/* Decodes the bytes that are held. Errors: those of decode_message(). */
static int decode_again(
		const struct evchan_proto_receiver *proto, struct proto_held *made)
{
	const struct evchan_message *raw = made->message.raw;
	const struct known_type *known = types_by_id(proto->types, raw->type);
	struct evchan_proto_problem problem;
	int r;

	r = evchan_proto_arena_new(&made->arena, proto->arena_limit);
	if (r < 0)
		return r;
	r = decode_message(&made->message.message, made->arena, known->plan, raw->data,
			raw->size, &proto->rules, &problem);
	if (r < 0)
		evchan_proto_arena_free(made->arena);
	return r;
}

/* Fills `made`, whose raw message is held already. */
static int take_message(const struct evchan_proto_receiver *proto,
		struct dispatch *dispatch, struct proto_held *made)
{
	if (made->message.raw->data != dispatch->message.raw->data)
		return decode_again(proto, made);
	made->message.message = dispatch->message.message;
	made->arena = dispatch->arena;
	dispatch->arena = NULL;
	return 0;
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
	r = take_message(proto, dispatch, made);
	if (r < 0) {
		evchan_message_release(made->message.raw);
		free(made);
		return r;
	}
	made->dispatch = dispatch;
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
	if (made->dispatch)
		made->dispatch->held = NULL;
	if (made->dispatch && !made->dispatch->arena)
		made->dispatch->arena = made->arena;
	else
		evchan_proto_arena_free(made->arena);
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
