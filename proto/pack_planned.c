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
	size_t length;

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
		/* Numbers and strings do not come here. */
		memcpy(&length, message + field->offset, sizeof(length));
		if (field->kind == KIND_BYTES)
			return length;
		break;
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

/* A field that is there, and zero maybe, where FIELD_MAX bytes may be written. */
static uint8_t *put_planned(const struct plan_field *field, const unsigned char *member,
		uint8_t *at, uint8_t *end, bool is_exact)
{
	ProtobufCBinaryData bytes;
	const void *pointer;
	size_t width = 1;

	switch ((enum wire_type)field->wire) {
	case WIRE_VARINT:
		return put_varint(put_planned_tag(field, at),
				varint_of((ProtobufCType)field->type, member));
	case WIRE_32BIT:
		at = put_planned_tag(field, at);
		store32(at, load32(member));
		return at + 4;
	case WIRE_64BIT:
		at = put_planned_tag(field, at);
		store64(at, load64(member));
		return at + 8;
	case WIRE_LENGTH:
		break;
	}
	if (field->kind == KIND_BYTES) {
		memcpy(&bytes, member, sizeof(bytes));
		return put_planned_sized(field, bytes.data, bytes.len, at, end);
	}
	memcpy(&pointer, member, sizeof(pointer));
	if (field->kind == KIND_MESSAGE)
		return put_planned_message(field, pointer, &width, at, end, is_exact);
	return put_planned_sized(field, pointer, pointer ? strlen(pointer) : 0, at, end);
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
	return put_planned(field, message + field->offset, at, end, is_exact);
}

/* Fields from this one on, whatever the room. */
__attribute__((noinline)) static uint8_t *put_last(const struct plan_field *field,
		const ProtobufCMessage *message, uint8_t *at, uint8_t *end, bool is_exact)
{
	for (; at && field->packing != PACKING_END; field++)
		at = field->packing == PACKING_OTHER
				? put_unusual(field, (const unsigned char *)message, at,
						  end, is_exact)
				: pack_field(field->descriptor,
						  (const unsigned char *)message, at, end,
						  is_exact);
	return at && message->n_unknown_fields ? pack_unknown(message, at, end) : at;
}

/* Where FIELD_MAX bytes may be written. */
static inline uint8_t *put_planned_varint(
		const struct plan_field *field, uint64_t number, uint8_t *at)
{
	return number ? put_varint(put_planned_tag(field, at), number) : at;
}

static inline uint8_t *put_planned_fixed32(
		const struct plan_field *field, uint32_t number, uint8_t *at)
{
	at = put_planned_tag(field, at);
	store32(at, number);
	return at + 4;
}

static inline uint8_t *put_planned_fixed64(
		const struct plan_field *field, uint64_t number, uint8_t *at)
{
	at = put_planned_tag(field, at);
	store64(at, number);
	return at + 8;
}

static inline uint8_t *put_planned_string(const struct plan_field *field,
		const unsigned char *member, uint8_t *at, const uint8_t *end)
{
	const char *string;

	memcpy(&string, member, sizeof(string));
	if (!string || !*string)
		return at;
	return put_planned_sized(field, string, strlen(string), at, end);
}

uint8_t *pack_planned(const struct plan *plan, const ProtobufCMessage *message,
		uint8_t *at, uint8_t *end, bool is_exact)
{
	const unsigned char *base = (const unsigned char *)message;
	const struct plan_field *field = plan->fields;

	/* Somebody has put another type's message there: it knows best. */
	if (message->descriptor != plan->descriptor)
		return pack_fields(message, at, end, is_exact);
	for (; end - at >= FIELD_MAX; field++) {
		const unsigned char *member = base + field->offset;
		uint64_t number = 0;

		switch ((enum plan_packing)field->packing) {
		case PACKING_INT32:
			number = varint_of(PROTOBUF_C_TYPE_INT32, member);
			break;
		case PACKING_UINT32:
			number = load32(member);
			break;
		case PACKING_SINT32:
			number = zigzag32(load32(member));
			break;
		case PACKING_INT64:
			number = load64(member);
			break;
		case PACKING_SINT64:
			number = zigzag64(load64(member));
			break;
		case PACKING_BOOL:
			number = load32(member) != 0;
			break;
		case PACKING_FIXED32:
			if (load32(member))
				at = put_planned_fixed32(field, load32(member), at);
			continue;
		case PACKING_FLOAT:
			if (load32(member) << 1)
				at = put_planned_fixed32(field, load32(member), at);
			continue;
		case PACKING_FIXED64:
			if (load64(member))
				at = put_planned_fixed64(field, load64(member), at);
			continue;
		case PACKING_DOUBLE:
			if (load64(member) << 1)
				at = put_planned_fixed64(field, load64(member), at);
			continue;
		case PACKING_STRING:
			at = put_planned_string(field, member, at, end);
			if (!at)
				return NULL;
			continue;
		case PACKING_OTHER:
			at = put_unusual(field, base, at, end, is_exact);
			if (!at)
				return NULL;
			continue;
		case PACKING_END:
			return message->n_unknown_fields ? pack_unknown(message, at, end)
							 : at;
		}
		at = put_planned_varint(field, number, at);
	}
	return put_last(field, message, at, end, is_exact);
}
