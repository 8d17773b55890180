/* SPDX-License-Identifier: MIT */
/*
 * Packing by a plan: the bytes are those of pack_fields(), found with less to look at. What is rare (arrays but of
 * messages, long tags, the last bytes of the room) is left to the descriptor's way.
 */

#include "packer.h"

#include "plan.h"

/* A tag, and any number; or a tag and a length. */
#define FIELD_MAX (2 + PACK_VARINT_MAX)

/* Whether a field that may be absent is there. */
static bool is_present(const struct plan_field *field, const unsigned char *message)
{
	const void *pointer;

	switch ((enum plan_presence)field->presence) {
	case PRESENCE_FLAG:
		return load32(message + field->quantifier);
	case PRESENCE_CASE:
		if (load32(message + field->quantifier) != field->id)
			return false;
		if (field->kind != KIND_STRING && field->kind != KIND_MESSAGE)
			return true;
		break;
	case PRESENCE_POINTER:
		break;
	case PRESENCE_NOT_ZERO:
	case PRESENCE_ALWAYS:
	case PRESENCE_COUNT:
		return true;
	}
	memcpy(&pointer, message + field->offset, sizeof(pointer));
	return pointer && pointer != field->descriptor->default_value;
}

static inline uint8_t *put_planned_tag(const struct plan_field *field, uint8_t *at)
{
	store16(at, field->tag);
	return at + field->tag_size;
}

/* Where FIELD_MAX bytes may be written, and maybe not more. */
static inline uint8_t *put_planned_sized(const struct plan_field *field,
		const void *bytes, size_t size, uint8_t *at, const uint8_t *end)
{
	at = put_planned_tag(field, at);
	if (size >= 0x80 || size >= (size_t)(end - at))
		return put_sized(bytes, size, at, end);
	*at++ = (uint8_t)size;
	if (size > 64)
		memcpy(at, bytes, size);
	else
		wire_copy_short(at, bytes, size);
	return at + size;
}

static uint8_t *put_planned_message(const struct plan_field *field,
		const ProtobufCMessage *message, size_t *width, uint8_t *at, uint8_t *end,
		bool is_exact)
{
	uint8_t *behind;

	if (!message || is_exact)
		*width = 1;
	at = put_planned_tag(field, at) + *width;
	behind = message ? pack_planned(field->plan, message, at, end, is_exact) : at;
	return behind ? close_length(at, behind, width, end) : NULL;
}

static uint8_t *put_planned_array(const struct plan_field *field,
		const unsigned char *message, uint8_t *at, uint8_t *end, bool is_exact)
{
	const ProtobufCMessage *const *array;
	size_t count, width = 1;

	if (field->kind != KIND_MESSAGE || !field->mask)
		return pack_field(field->descriptor, message, at, end, is_exact);
	memcpy(&count, message + field->quantifier, sizeof(count));
	memcpy(&array, message + field->offset, sizeof(array));
	for (size_t i = 0; i < count && at; i++) {
		if (end - at < FIELD_MAX)
			at = pack_message(field->id, array[i], &width, at, end, is_exact);
		else
			at = put_planned_message(
					field, array[i], &width, at, end, is_exact);
	}
	return at;
}

/* A field that is there, where FIELD_MAX bytes may be written; `skips` zero, and what is empty. */
__attribute__((always_inline)) static inline uint8_t *put_planned(
		const struct plan_field *field, const unsigned char *member, bool skips,
		uint8_t *at, uint8_t *end, bool is_exact)
{
	ProtobufCBinaryData bytes;
	const void *pointer;
	uint64_t number;
	size_t width = 1;

	switch ((ProtobufCType)field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		number = varint_of(PROTOBUF_C_TYPE_INT32, member);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		number = varint_of(PROTOBUF_C_TYPE_UINT32, member);
		break;
	case PROTOBUF_C_TYPE_SINT32:
		number = varint_of(PROTOBUF_C_TYPE_SINT32, member);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		number = varint_of(PROTOBUF_C_TYPE_UINT64, member);
		break;
	case PROTOBUF_C_TYPE_SINT64:
		number = varint_of(PROTOBUF_C_TYPE_SINT64, member);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		number = varint_of(PROTOBUF_C_TYPE_BOOL, member);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
		number = load32(member);
		/* Minus zero is zero. */
		if (skips &&
				(field->type == PROTOBUF_C_TYPE_FLOAT
								? number & 0x7fffffff
								: number) == 0)
			return at;
		at = put_planned_tag(field, at);
		store32(at, (uint32_t)number);
		return at + 4;
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
		number = load64(member);
		if (skips &&
				(field->type == PROTOBUF_C_TYPE_DOUBLE ? number << 1
								       : number) == 0)
			return at;
		at = put_planned_tag(field, at);
		store64(at, number);
		return at + 8;
	case PROTOBUF_C_TYPE_STRING:
		memcpy(&pointer, member, sizeof(pointer));
		bytes.len = pointer ? strlen(pointer) : 0;
		if (skips && bytes.len == 0)
			return at;
		return put_planned_sized(field, pointer, bytes.len, at, end);
	case PROTOBUF_C_TYPE_BYTES:
		memcpy(&bytes, member, sizeof(bytes));
		if (skips && bytes.len == 0)
			return at;
		return put_planned_sized(field, bytes.data, bytes.len, at, end);
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(&pointer, member, sizeof(pointer));
		if (skips && !pointer)
			return at;
		return put_planned_message(field, pointer, &width, at, end, is_exact);
	default:
		return NULL;
	}
	if (skips && number == 0)
		return at;
	return put_varint(put_planned_tag(field, at), number);
}

/* Any field, with any room. */
__attribute__((noinline)) static uint8_t *put_unusual(const struct plan_field *field,
		const unsigned char *message, uint8_t *at, uint8_t *end, bool is_exact)
{
	if (field->presence == PRESENCE_COUNT)
		return put_planned_array(field, message, at, end, is_exact);
	if (end - at < FIELD_MAX || !field->mask)
		return pack_field(field->descriptor, message, at, end, is_exact);
	if (!is_present(field, message))
		return at;
	return put_planned(field, message + field->offset, false, at, end, is_exact);
}

uint8_t *pack_planned(const struct plan *plan, const ProtobufCMessage *message,
		uint8_t *at, uint8_t *end, bool is_exact)
{
	const struct plan_field *field = plan->fields,
				*behind = field + plan->field_count;
	const unsigned char *base = (const unsigned char *)message;

	/* Somebody has put another type's message there: it knows best. */
	if (message->descriptor != plan->descriptor)
		return pack_fields(message, at, end, is_exact);
	for (; field < behind; field++) {
		if (field->is_plain && end - at >= FIELD_MAX)
			at = put_planned(field, base + field->offset, true, at, end,
					is_exact);
		else
			at = put_unusual(field, base, at, end, is_exact);
		if (!at)
			return NULL;
	}
	return message->n_unknown_fields ? pack_unknown(message, at, end) : at;
}
