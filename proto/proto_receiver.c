/* SPDX-License-Identifier: MIT */
/*
 * Dispatching: which type a message is of, whether both sides mean the same by it, decoding, and the callback.
 *
 * Callbacks may do anything. One that dispatches another message finds no arena here, because its own is taken, and a
 * new one is made. One that frees the receiver leaves that to the outermost callback's return. One that holds its
 * message takes the arena with it (proto_hold.c), and the next message gets a new one.
 */

#include "proto_receiver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "options.h"

#define ARENA_LIMIT_DEFAULT ((size_t)64 << 20)

static int read_options(struct evchan_proto_receiver *proto,
		const struct evchan_proto_receiver_options *options,
		const struct evchan_proto_callbacks *callbacks)
{
	struct evchan_proto_decode_options decode = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	struct evchan_proto_receiver_options read;
	int r;

	r = options_read(&read, sizeof(read), options);
	if (r < 0)
		return r;
	r = options_read(&proto->callbacks, sizeof(proto->callbacks), callbacks);
	if (r < 0)
		return r;
	if (read.policy > EVCHAN_PROTO_EVICT_LANE)
		return -EINVAL;
	proto->evicts = read.policy == EVCHAN_PROTO_EVICT_LANE;
	proto->arena_limit =
			read.max_arena_bytes ? read.max_arena_bytes : ARENA_LIMIT_DEFAULT;
	decode.flags = read.flags;
	decode.max_depth = read.max_depth;
	decode.max_bytes = read.max_bytes;
	return decode_read_options(&proto->rules, &decode);
}

int evchan_proto_receiver_new(struct evchan_proto_receiver **out,
		struct evchan_proto_types *types,
		const struct evchan_proto_receiver_options *options,
		const struct evchan_proto_callbacks *callbacks, void *arg)
{
	struct evchan_proto_receiver *proto = calloc(1, sizeof(*proto));
	int r;

	if (!proto)
		return -ENOMEM;
	r = read_options(proto, options, callbacks);
	if (r < 0)
		goto fail;
	r = -ENOMEM;
	proto->routes = calloc(types->count ? types->count : 1, sizeof(*proto->routes));
	if (!proto->routes)
		goto fail;
	r = evchan_proto_arena_new(&proto->arena, proto->arena_limit);
	if (r < 0)
		goto fail;
	proto->arg = arg;
	proto->types = types;
	types_use(types);
	*out = proto;
	return 0;

fail:
	free(proto->routes);
	free(proto);
	return r;
}

static void free_now(struct evchan_proto_receiver *proto)
{
	verdicts_forget_all(&proto->verdicts);
	evchan_proto_arena_free(proto->arena);
	evchan_proto_types_free(proto->types);
	free(proto->routes);
	free(proto);
}

void evchan_proto_receiver_free(struct evchan_proto_receiver *proto)
{
	if (!proto)
		return;
	if (proto->depth)
		proto->is_freed = true;
	else
		free_now(proto);
}

/* Around each callback. Nothing of `proto` may be used after the second. */
static void enter_callback(struct evchan_proto_receiver *proto)
{
	proto->depth++;
}

static void leave_callback(struct evchan_proto_receiver *proto)
{
	if (--proto->depth == 0 && proto->is_freed)
		free_now(proto);
}

static struct route *route_of(
		const struct evchan_proto_receiver *proto, const struct known_type *known)
{
	return &proto->routes[known - proto->types->types];
}

int evchan_proto_on(struct evchan_proto_receiver *proto,
		const ProtobufCMessageDescriptor *type,
		void (*callback)(const struct evchan_proto_message *message, void *arg),
		void *arg)
{
	const struct known_type *known = types_by_descriptor(proto->types, type);
	struct route *route;

	if (!known)
		return -ENOENT;
	route = route_of(proto, known);
	route->callback = callback;
	route->arg = arg;
	return 0;
}

void evchan_proto_left(struct evchan_proto_receiver *proto, struct evchan_lane *lane)
{
	verdicts_forget(&proto->verdicts, lane);
}

void evchan_proto_get_stats(const struct evchan_proto_receiver *proto,
		const ProtobufCMessageDescriptor *type, struct evchan_proto_stats *stats)
{
	const struct known_type *known =
			type ? types_by_descriptor(proto->types, type) : NULL;
	struct evchan_proto_stats result = { 0 };

	if (known)
		result = route_of(proto, known)->stats;
	else if (!type)
		result = proto->stats;
	result.size = sizeof(result);
	options_write(stats, &result, sizeof(result));
}

/* ---- Dispatching -------------------------------------------------------------------------- */

/* What a message was not delivered for. */
struct failure {
	int error;
	size_t offset;
	const char *why;
};

/* Tells, and, if that is the policy, evicts. */
static int refuse(struct evchan_proto_receiver *proto, const struct evchan_message *raw,
		const struct known_type *known, const struct failure *failure)
{
	const ProtobufCMessageDescriptor *descriptor = known->plan->descriptor;
	const char *name = descriptor->name ? descriptor->name : "";
	struct evchan_peer peer = evchan_lane_peer(raw->lane);
	int error = failure->error;
	char text[384];

	proto->stats.undecodable++;
	route_of(proto, known)->stats.undecodable++;
	snprintf(text, sizeof(text),
			"sender pid %ld uid %lu: message type %s (%lu), byte %zu: %s",
			(long)peer.pid, (unsigned long)peer.uid, name,
			(unsigned long)known->id, failure->offset, failure->why);
	/* First, because the callback may free the receiver, and the lane with it. A lack of memory is not the sender's fault. */
	if (proto->evicts && error != -ENOMEM)
		(void)evchan_lane_evict(raw->lane, text);
	if (proto->callbacks.undecodable) {
		enter_callback(proto);
		proto->callbacks.undecodable(raw, descriptor, error, failure->offset,
				text, proto->arg);
		leave_callback(proto);
	}
	return error;
}

static int refuse_type(struct evchan_proto_receiver *proto,
		const struct evchan_message *raw, const struct known_type *known,
		const char *why)
{
	struct failure failure = { -EPROTOTYPE, 0, why };

	proto->stats.incompatible++;
	route_of(proto, known)->stats.incompatible++;
	return refuse(proto, raw, known, &failure);
}

static int pass_unknown(struct evchan_proto_receiver *proto,
		const struct evchan_message *raw, const struct known_type *known)
{
	proto->stats.unknown++;
	if (known)
		route_of(proto, known)->stats.unknown++;
	if (proto->callbacks.unknown) {
		enter_callback(proto);
		proto->callbacks.unknown(raw, proto->arg);
		leave_callback(proto);
	}
	return -ENOENT;
}

/* Decodes into the arena of the last message, or a new one. Errors: those of decode_message(), and then nothing is
 * taken. */
static inline int decode(struct evchan_proto_receiver *proto, struct dispatch *dispatch,
		const struct known_type *known, struct evchan_proto_problem *problem)
{
	const struct evchan_message *raw = dispatch->message.raw;
	int r;

	if (!proto->arena &&
			evchan_proto_arena_new(&proto->arena, proto->arena_limit) < 0) {
		*problem = (struct evchan_proto_problem){ 0, "no memory" };
		return -ENOMEM;
	}
	arena_reset(proto->arena);
	r = decode_message(&dispatch->message.message, proto->arena, known->plan,
			raw->data, raw->size, &proto->rules, problem);
	if (r == 0) {
		dispatch->arena = proto->arena;
		proto->arena = NULL;
	}
	return r;
}

static int deliver(struct evchan_proto_receiver *proto, const struct evchan_message *raw,
		const struct known_type *known)
{
	struct dispatch dispatch = { .outer = proto->running, .message.raw = raw };
	struct route *route = route_of(proto, known);
	struct evchan_proto_problem problem;
	int r;

	r = decode(proto, &dispatch, known, &problem);
	if (r < 0)
		return refuse(proto, raw, known,
				&(struct failure){ r, problem.offset, problem.text });
	proto->stats.decoded++;
	route->stats.decoded++;
	proto->running = &dispatch;
	enter_callback(proto);
	route->callback(&dispatch.message, route->arg);
	dispatch_end(proto, &dispatch);
	leave_callback(proto);
	return 0;
}

/* Most messages are of the type of the one before. NULL: none of the set. */
static inline const struct known_type *find_type(
		struct evchan_proto_receiver *proto, uint32_t id)
{
	const struct known_type *known = proto->last;

	if (!known || known->id != id) {
		known = types_by_id(proto->types, id);
		proto->last = known;
	}
	return known;
}

int evchan_proto_dispatch(
		struct evchan_proto_receiver *proto, const struct evchan_message *raw)
{
	const struct known_type *known = find_type(proto, raw->type);
	const char *refusal;

	if (!known || !route_of(proto, known)->callback)
		return pass_unknown(proto, raw, known);
	if (verdict_of(proto, raw->lane, known, &refusal) < 0)
		return refuse(proto, raw, known,
				&(struct failure){ -ENOMEM, 0, "no memory" });
	if (refusal)
		return refuse_type(proto, raw, known, refusal);
	return deliver(proto, raw, known);
}
