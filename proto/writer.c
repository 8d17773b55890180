/* SPDX-License-Identifier: MIT */
/*
 * Building a message in the ring.
 *
 * A length that is not known yet gets as many bytes as the largest possible one needs, and is written into all of
 * them at the end: a varint may be longer than it must be, and every protobuf decoder takes that (tags and lengths of
 * up to 5 bytes).
 *
 * Alignment uses the same freedom. The reservation begins at a multiple of 8 in both processes, and the pages of both
 * mappings are the same, so an offset in the record is as well aligned for one as for the other, up to the page. What
 * is needed before an aligned field is put into a longer tag and a longer length, and what does not fit there into a
 * field that nobody knows.
 *
 * `data` is NULL when nothing is being written: after a commit or an abort the space is somebody else's.
 */

#include <errno.h>
#include <string.h>

#include "pack.h"
#include "proto_sender.h"
#include "wire.h"

#define LEVELS_MAX 16
#define ALIGN_MAX 4096

/* The highest field number there is. Its tag has 5 bytes, and so have those of many below it. */
#define PADDING_FIELD 536870911u
#define PADDING_TAG 5
#define PADDING_MIN (PADDING_TAG + 2) /* with its length, and nothing in it */

/* What is being written into: the message itself, or one in it. */
static const ProtobufCMessageDescriptor *level_of(
		const struct evchan_proto_writer *writer)
{
	return writer->levels[writer->depth];
}

/* Whether something can be appended now. */
static bool is_between_fields(const struct evchan_proto_writer *writer)
{
	return writer->data && !writer->open_width;
}

int evchan_proto_writer_begin(struct evchan_proto_writer *writer,
		struct evchan_proto_sender *proto,
		const ProtobufCMessageDescriptor *descriptor, size_t max)
{
	struct sent_type *sent;
	struct evchan_span span;
	int r;

	r = proto_sender_type(proto, descriptor, &sent);
	if (r < 0)
		return r;
	r = evchan_reserve(&span, proto->sender, max, max);
	if (r < 0)
		return r;
	memset(writer, 0, sizeof(*writer));
	writer->proto = proto;
	writer->levels[0] = descriptor;
	writer->data = span.data;
	writer->room = span.size;
	writer->id = sent->id;
	return 0;
}

int evchan_proto_writer_fields(
		struct evchan_proto_writer *writer, const ProtobufCMessage *message)
{
	const uint8_t *behind;
	size_t needed;

	if (!is_between_fields(writer) || message->descriptor != level_of(writer))
		return -EINVAL;
	behind = pack_tightly(message, writer->data + writer->used,
			writer->data + writer->room, &needed);
	if (!behind)
		return -ENOBUFS;
	writer->used = (size_t)(behind - writer->data);
	return 0;
}

/* Bytes of one value of a field that can be opened; 0: it cannot. */
static unsigned openable_element(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_STRING:
		return 1;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return field->label == PROTOBUF_C_LABEL_REPEATED ? 4 : 0;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return field->label == PROTOBUF_C_LABEL_REPEATED ? 8 : 0;
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return 0;
}

/* How the bytes before an aligned field are made up. */
struct lead {
	size_t padding; /* a whole unknown field; 0: none */
	size_t tag;     /* width of the tag */
	size_t length;  /* width of the length */
};

static void find_lead(struct lead *lead, uintptr_t address, uint64_t tag, size_t most,
		size_t align)
{
	size_t missing, slack;

	lead->padding = 0;
	lead->tag = pack_varint_size(tag);
	lead->length = pack_varint_size(most);
	missing = (size_t)(0 - (address + lead->tag + lead->length)) & (align - 1);
	slack = 2 * PACK_LENGTH_MAX - lead->tag - lead->length;
	if (missing > slack) {
		lead->padding = missing;
		while (lead->padding < PADDING_MIN)
			lead->padding += align;
		return;
	}
	slack = missing < PACK_LENGTH_MAX - lead->tag ? missing
						      : PACK_LENGTH_MAX - lead->tag;
	lead->tag += slack;
	lead->length += missing - slack;
}

/* The highest field number that the type does not have. */
static uint32_t padding_field(const ProtobufCMessageDescriptor *descriptor)
{
	uint32_t field = PADDING_FIELD;

	while (protobuf_c_message_descriptor_get_field(descriptor, field))
		field--;
	return field;
}

/* A field of `size` bytes in all, at least PADDING_MIN. */
static uint8_t *put_padding(uint8_t *at, uint32_t field, size_t size)
{
	size_t payload = size - PADDING_MIN;

	at = pack_put_wide(at, (uint64_t)field << 3 | WIRE_LENGTH, PADDING_TAG);
	at = pack_put_wide(at, payload, PADDING_MIN - PADDING_TAG);
	memset(at, 0, payload);
	return at + payload;
}

static bool has_room(
		const struct evchan_proto_writer *writer, size_t overhead, size_t most)
{
	size_t left = writer->room - writer->used;

	return overhead <= left && most <= left - overhead;
}

int evchan_proto_writer_open(struct evchan_span *span, struct evchan_proto_writer *writer,
		uint32_t field, size_t most, size_t align)
{
	const ProtobufCFieldDescriptor *descriptor;
	uint64_t tag = (uint64_t)field << 3 | WIRE_LENGTH;
	struct lead lead;
	uint8_t *at;

	if (!is_between_fields(writer) || align == 0 || align > ALIGN_MAX ||
			(align & (align - 1)))
		return -EINVAL;
	descriptor = protobuf_c_message_descriptor_get_field(level_of(writer), field);
	if (!descriptor)
		return -ENOENT;
	if (!openable_element(descriptor))
		return -EINVAL;
	if (most > INT32_MAX || !has_room(writer, 0, most))
		return -ENOBUFS;
	at = writer->data + writer->used;
	find_lead(&lead, (uintptr_t)at, tag, most, align);
	if (!has_room(writer, lead.padding + lead.tag + lead.length, most))
		return -ENOBUFS;
	if (lead.padding)
		at = put_padding(at, padding_field(level_of(writer)), lead.padding);
	at = pack_put_wide(at, tag, lead.tag);
	writer->open_length = (size_t)(at - writer->data);
	writer->open_width = (unsigned char)lead.length;
	writer->open_element = (unsigned char)openable_element(descriptor);
	writer->open_room = most;
	span->data = writer->data + writer->open_length + lead.length;
	span->size = most;
	return 0;
}

int evchan_proto_writer_close(struct evchan_proto_writer *writer, size_t used)
{
	if (!writer->data || !writer->open_width || used > writer->open_room ||
			used % writer->open_element)
		return -EINVAL;
	pack_put_wide(writer->data + writer->open_length, used, writer->open_width);
	writer->used = writer->open_length + writer->open_width + used;
	writer->open_width = 0;
	return 0;
}

int evchan_proto_writer_enter(struct evchan_proto_writer *writer, uint32_t field)
{
	const ProtobufCFieldDescriptor *descriptor;
	size_t room = writer->room - writer->used, tag, width;

	if (!is_between_fields(writer))
		return -EINVAL;
	descriptor = protobuf_c_message_descriptor_get_field(level_of(writer), field);
	if (!descriptor)
		return -ENOENT;
	if (descriptor->type != PROTOBUF_C_TYPE_MESSAGE ||
			writer->depth + 1 == LEVELS_MAX)
		return -EINVAL;
	tag = pack_varint_size((uint64_t)field << 3);
	width = pack_varint_size(room);
	if (tag + width > room)
		return -ENOBUFS;
	pack_put_tag(writer->data + writer->used, field, WIRE_LENGTH);
	writer->depth++;
	writer->levels[writer->depth] = descriptor->descriptor;
	writer->lengths[writer->depth] = writer->used + tag;
	writer->widths[writer->depth] = (unsigned char)width;
	writer->used = writer->lengths[writer->depth] + width;
	return 0;
}

int evchan_proto_writer_leave(struct evchan_proto_writer *writer)
{
	size_t start, width;

	if (!is_between_fields(writer) || writer->depth == 0)
		return -EINVAL;
	start = writer->lengths[writer->depth];
	width = writer->widths[writer->depth];
	pack_put_wide(writer->data + start, writer->used - start - width, width);
	writer->depth--;
	return 0;
}

int evchan_proto_writer_commit(struct evchan_proto_writer *writer, unsigned flags)
{
	int r;

	if (!is_between_fields(writer) || writer->depth)
		return -EINVAL;
	r = evchan_commit(writer->proto->sender, writer->id, writer->used, flags);
	if (r == 0)
		writer->data = NULL;
	return r;
}

void evchan_proto_writer_abort(struct evchan_proto_writer *writer)
{
	if (writer->data)
		evchan_abort(writer->proto->sender);
	writer->data = NULL;
}
