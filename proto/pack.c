/* SPDX-License-Identifier: MIT */
/*
 * The packer. Whatever is set is appended; nothing is measured first but strings.
 *
 * The length of a message inside a message is known only when it is written. Room is left for as many bytes as the
 * length of its brother before it took, which is nearly always right, and if not the inner bytes are moved. The same
 * for packed varints.
 *
 * Which fields are set, and what a NULL means, is as in protobuf_c_message_pack(): an absent required string or
 * message is an empty one, for instance.
 */

#include "packer.h"

#include <errno.h>

#include "plan.h"

#include <evchan/proto.h>

uint8_t *pack_message(uint32_t id, const ProtobufCMessage *message, size_t *width,
		uint8_t *at, uint8_t *end, bool is_exact)
{
	uint8_t *behind;

	at = put_tag(id, WIRE_LENGTH, at, end);
	if (!message || is_exact)
		*width = 1;
	if (!at || (size_t)(end - at) < *width)
		return NULL;
	at += *width;
	behind = message ? pack_fields(message, at, end, is_exact) : at;
	return behind ? close_length(at, behind, width, end) : NULL;
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* One value with its tag; `skips` zero, and what is empty. */
__attribute__((always_inline)) static inline uint8_t *put_field(
		const ProtobufCFieldDescriptor *field, const unsigned char *member,
		bool skips, uint8_t *at, uint8_t *end, bool is_exact)
{
	ProtobufCBinaryData bytes;
	const void *pointer;
	uint64_t number;
	size_t width = 1;

	switch (field->type) {
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
		number = load32(member);
		/* Minus zero is zero. */
		if (skips && (uint32_t)number << 1 == 0)
			return at;
		return put_fixed32_field(field->id, (uint32_t)number, at, end);
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
		number = load32(member);
		if (skips && number == 0)
			return at;
		return put_fixed32_field(field->id, (uint32_t)number, at, end);
	case PROTOBUF_C_TYPE_DOUBLE:
		number = load64(member);
		if (skips && number << 1 == 0)
			return at;
		return put_fixed64_field(field->id, number, at, end);
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
		number = load64(member);
		if (skips && number == 0)
			return at;
		return put_fixed64_field(field->id, number, at, end);
	case PROTOBUF_C_TYPE_STRING:
		memcpy(&bytes.data, member, sizeof(bytes.data));
		bytes.len = bytes.data ? strlen((const char *)bytes.data) : 0;
		if (skips && bytes.len == 0)
			return at;
		return put_sized_field(field->id, bytes.data, bytes.len, at, end);
	case PROTOBUF_C_TYPE_BYTES:
		memcpy(&bytes, member, sizeof(bytes));
		if (skips && bytes.len == 0)
			return at;
		return put_sized_field(field->id, bytes.data, bytes.len, at, end);
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(&pointer, member, sizeof(pointer));
		if (skips && !pointer)
			return at;
		return pack_message(field->id, pointer, &width, at, end, is_exact);
	default:
		return NULL;
	}
	return skips && number == 0 ? at : put_varint_field(field->id, number, at, end);
}

/* ---- Arrays ---------------------------------------------------------------------------------- */

static uint8_t *put_messages(const ProtobufCFieldDescriptor *field,
		const unsigned char *array, size_t count, uint8_t *at, uint8_t *end,
		bool is_exact)
{
	const ProtobufCMessage *message;
	size_t width = 1;

	for (size_t i = 0; i < count && at; i++) {
		memcpy(&message, array + i * sizeof(message), sizeof(message));
		at = pack_message(field->id, message, &width, at, end, is_exact);
	}
	return at;
}

static uint8_t *put_repeated(const ProtobufCFieldDescriptor *field,
		const unsigned char *array, size_t count, uint8_t *at, uint8_t *end)
{
	size_t element = plan_element_size(field->type);

	for (size_t i = 0; i < count && at; i++)
		at = put_field(field, array + i * element, false, at, end, false);
	return at;
}

__attribute__((always_inline)) static inline uint8_t *put_varints(ProtobufCType type,
		size_t element, const unsigned char *array, size_t count, uint8_t *at,
		const uint8_t *end)
{
	for (size_t i = 0; i < count && at; i++)
		at = put_checked_varint(varint_of(type, array + i * element), at, end);
	return at;
}

/* A loop for each type, instead of a choice for each number. */
static uint8_t *put_numbers(ProtobufCType type, const unsigned char *array, size_t count,
		uint8_t *at, const uint8_t *end)
{
	switch ((int)type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return put_varints(PROTOBUF_C_TYPE_INT32, 4, array, count, at, end);
	case PROTOBUF_C_TYPE_UINT32:
		return put_varints(PROTOBUF_C_TYPE_UINT32, 4, array, count, at, end);
	case PROTOBUF_C_TYPE_SINT32:
		return put_varints(PROTOBUF_C_TYPE_SINT32, 4, array, count, at, end);
	case PROTOBUF_C_TYPE_SINT64:
		return put_varints(PROTOBUF_C_TYPE_SINT64, 8, array, count, at, end);
	case PROTOBUF_C_TYPE_BOOL:
		return put_varints(PROTOBUF_C_TYPE_BOOL, sizeof(protobuf_c_boolean),
				array, count, at, end);
	default:
		return put_varints(PROTOBUF_C_TYPE_UINT64, 8, array, count, at, end);
	}
}

/* Numbers of fixed size, as they lie in memory. */
static uint8_t *put_fixed(const unsigned char *array, size_t size, size_t count,
		uint8_t *at, const uint8_t *end)
{
	if (count > (size_t)(end - at) / size)
		return NULL;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(at, array, count * size);
#else
	for (size_t i = 0; i < count; i++) {
		if (size == 4)
			store32(at + i * 4, load32(array + i * 4));
		else
			store64(at + i * 8, load64(array + i * 8));
	}
#endif
	return at + count * size;
}

static uint8_t *put_packed(const ProtobufCFieldDescriptor *field,
		const unsigned char *array, size_t count, uint8_t *at, uint8_t *end)
{
	size_t element = plan_element_size(field->type);
	/* What a value takes at least: 1, 4 or 8. */
	size_t least = plan_wire_type(field->type) == WIRE_VARINT ? 1 : element;
	size_t width = pack_varint_size(least * count);
	uint8_t *behind;

	at = put_tag(field->id, WIRE_LENGTH, at, end);
	if (!at || (size_t)(end - at) < width)
		return NULL;
	at += width;
	if (least > 1)
		behind = put_fixed(array, element, count, at, end);
	else
		behind = put_numbers(field->type, array, count, at, end);
	return behind ? close_length(at, behind, &width, end) : NULL;
}

static uint8_t *put_array(const ProtobufCFieldDescriptor *field,
		const unsigned char *message, uint8_t *at, uint8_t *end, bool is_exact)
{
	const unsigned char *array;
	size_t count;

	memcpy(&count, message + field->quantifier_offset, sizeof(count));
	if (count == 0)
		return at;
	memcpy(&array, message + field->offset, sizeof(array));
	if (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED)
		return put_packed(field, array, count, at, end);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return put_messages(field, array, count, at, end, is_exact);
	return put_repeated(field, array, count, at, end);
}

/* ---- Messages --------------------------------------------------------------------------------- */

/* Whether a field that may be absent is there. */
static inline bool is_there(
		const ProtobufCFieldDescriptor *field, const unsigned char *message)
{
	bool is_oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
	const void *pointer;

	if (is_oneof && load32(message + field->quantifier_offset) != field->id)
		return false;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE ||
			field->type == PROTOBUF_C_TYPE_STRING) {
		memcpy(&pointer, message + field->offset, sizeof(pointer));
		return pointer && pointer != field->default_value;
	}
	return is_oneof || load32(message + field->quantifier_offset);
}

uint8_t *pack_unknown(const ProtobufCMessage *message, uint8_t *at, const uint8_t *end)
{
	for (unsigned i = 0; i < message->n_unknown_fields && at; i++) {
		const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];

		at = put_tag(field->tag, (unsigned)field->wire_type, at, end);
		if (at)
			at = put_bytes(field->data, field->len, at, end);
	}
	return at;
}

__attribute__((always_inline)) static inline uint8_t *put_any_field(
		const ProtobufCFieldDescriptor *field, const unsigned char *message,
		uint8_t *at, uint8_t *end, bool is_exact)
{
	bool skips = false;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return put_array(field, message, at, end, is_exact);
	if (field->label == PROTOBUF_C_LABEL_NONE &&
			!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		skips = true;
	else if (field->label != PROTOBUF_C_LABEL_REQUIRED && !is_there(field, message))
		return at;
	return put_field(field, message + field->offset, skips, at, end, is_exact);
}

uint8_t *pack_field(const ProtobufCFieldDescriptor *field, const unsigned char *message,
		uint8_t *at, uint8_t *end, bool is_exact)
{
	return put_any_field(field, message, at, end, is_exact);
}

uint8_t *pack_fields(
		const ProtobufCMessage *message, uint8_t *at, uint8_t *end, bool is_exact)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;

	for (unsigned i = 0; i < descriptor->n_fields && at; i++)
		at = put_any_field(&descriptor->fields[i], (const unsigned char *)message,
				at, end, is_exact);
	return at && message->n_unknown_fields ? pack_unknown(message, at, end) : at;
}

/* ---- Whole messages --------------------------------------------------------------------------- */

uint8_t *pack_tightly(const ProtobufCMessage *message, uint8_t *at, uint8_t *end,
		size_t *needed)
{
	uint8_t *behind = pack_fields(message, at, end, false);

	if (behind)
		return behind;
	*needed = protobuf_c_message_get_packed_size(message);
	/* A guess may have been what was too much. */
	return *needed > (size_t)(end - at) ? NULL : pack_fields(message, at, end, true);
}

int evchan_proto_pack(const ProtobufCMessage *message, void *buffer, size_t *size)
{
	uint8_t nothing;
	uint8_t *start = buffer ? buffer : &nothing;
	uint8_t *behind =
			pack_tightly(message, start, start + (buffer ? *size : 0), size);

	if (!behind)
		return -ENOBUFS;
	*size = (size_t)(behind - start);
	return 0;
}
