/* SPDX-License-Identifier: MIT */
/*
 * Sending a message: packed straight into ring space.
 *
 * Its size is not known before it is packed, and finding it out costs as much as packing. So space is reserved by a
 * guess, from what messages of this type took before; only a message that does not fit is measured, and then it gets
 * exactly what it needs. A reservation that is too large costs nothing: the rest is given back when it is committed.
 */

#include "proto_sender.h"

#include <errno.h>
#include <stdlib.h>

#include "description.h"
#include "pack.h"

/* The first guess of a type. */
#define GUESS_FIRST 256
/* Space that is there anyway, beyond which a larger guess would have to look at the receiver's position. */
#define GUESS_MAX ((size_t)64 << 10)

int evchan_proto_sender_new(struct evchan_proto_sender **out,
		struct evchan_sender *sender, struct evchan_proto_types *types)
{
	struct evchan_proto_sender *proto = calloc(1, sizeof(*proto));

	if (!proto)
		return -ENOMEM;
	proto->sent = calloc(types->count ? types->count : 1, sizeof(*proto->sent));
	if (!proto->sent) {
		free(proto);
		return -ENOMEM;
	}
	for (size_t i = 0; i < types->count; i++) {
		proto->sent[i].descriptor = types->types[i].plan->descriptor;
		proto->sent[i].plan = types->types[i].plan;
		proto->sent[i].id = types->types[i].id;
		proto->sent[i].guess = GUESS_FIRST;
	}
	proto->sender = sender;
	proto->types = types;
	types_use(types);
	*out = proto;
	return 0;
}

void evchan_proto_sender_free(struct evchan_proto_sender *proto)
{
	if (!proto)
		return;
	evchan_proto_types_free(proto->types);
	free(proto->sent);
	free(proto);
}

static int describe(struct evchan_proto_sender *proto, const struct sent_type *sent)
{
	uint8_t *description;
	size_t size = 0;
	int r;

	r = description_write(sent->plan, NULL, &size);
	if (r == -ENOMEM)
		return r;
	description = malloc(size);
	if (!description)
		return -ENOMEM;
	r = description_write(sent->plan, description, &size);
	if (r == 0)
		r = evchan_sender_add_note(proto->sender, sent->id, description, size);
	free(description);
	/* By another struct of this kind on the same sender. */
	return r == -EEXIST ? 0 : r;
}

/* Finds a type, and describes it if that was not done. */
static int find_type(struct evchan_proto_sender *proto,
		const ProtobufCMessageDescriptor *descriptor)
{
	const struct known_type *known = types_by_descriptor(proto->types, descriptor);
	struct sent_type *sent;
	int r = 0;

	if (!known)
		return -ENOENT;
	sent = &proto->sent[known - proto->types->types];
	if (!sent->is_described)
		r = describe(proto, sent);
	if (r < 0)
		return r;
	sent->is_described = true;
	proto->last = sent;
	return 0;
}

int proto_sender_type(struct evchan_proto_sender *proto,
		const ProtobufCMessageDescriptor *descriptor, struct sent_type **sent)
{
	int r = 0;

	if (!proto->last || proto->last->descriptor != descriptor)
		r = find_type(proto, descriptor);
	*sent = proto->last;
	return r;
}

/* Packs into reserved space. Whether there was enough of it. */
static bool pack_into(const struct evchan_span *span, const struct plan *plan,
		const ProtobufCMessage *message, bool is_exact, size_t *size)
{
	uint8_t *start = span->data;
	const uint8_t *behind =
			pack_planned(plan, message, start, start + span->size, is_exact);

	if (behind)
		*size = (size_t)(behind - start);
	return behind;
}

/* Reserves exactly what a message needs, and packs it. */
static int pack_measured(struct evchan_proto_sender *proto, const struct plan *plan,
		const ProtobufCMessage *message, size_t *size)
{
	struct evchan_span span;
	int r;

	*size = protobuf_c_message_get_packed_size(message);
	r = evchan_reserve(&span, proto->sender, *size, *size);
	if (r < 0)
		return r;
	if (pack_into(&span, plan, message, true, size))
		return 0;
	/* It was changed meanwhile, in another thread. */
	evchan_abort(proto->sender);
	return -EINVAL;
}

static int pack_guessed(struct evchan_proto_sender *proto, const struct plan *plan,
		const ProtobufCMessage *message, size_t guess, size_t *size)
{
	struct evchan_span span;
	int r;

	r = evchan_reserve(&span, proto->sender, 0, guess);
	if (r == -EAGAIN)
		return pack_measured(proto, plan, message, size);
	if (r < 0)
		return r;
	if (pack_into(&span, plan, message, false, size))
		return 0;
	evchan_abort(proto->sender);
	return pack_measured(proto, plan, message, size);
}

int evchan_proto_send(struct evchan_proto_sender *proto, const ProtobufCMessage *message,
		unsigned flags)
{
	struct sent_type *sent;
	size_t size;
	int r;

	if (flags & ~(unsigned)EVCHAN_SEND_NO_WAKE)
		return -EINVAL;
	r = proto_sender_type(proto, message->descriptor, &sent);
	if (r < 0)
		return r;
	r = pack_guessed(proto, sent->plan, message, sent->guess, &size);
	if (r < 0)
		return r;
	if (size > sent->guess / 2)
		sent->guess = size < GUESS_MAX / 2 ? 2 * size : GUESS_MAX;
	return evchan_commit(proto->sender, sent->id, size, flags);
}
