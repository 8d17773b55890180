/* SPDX-License-Identifier: MIT */
/*
 * The packer. Whatever is set is appended; nothing is measured first but strings.
 *
 * The length of a message inside a message is known only when it is written. Room is left for as many bytes as the length of
 * its brother before it took, which is nearly always right, and if not the inner bytes are moved. The same for packed
 * varints.
 *
 * Which fields are set, and what a NULL means, is as in protobuf_c_message_pack(): an absent required string or message is an
 * empty one, for instance.
 */

#include "pack.h"

#include <errno.h>
#include <string.h>

#include "plan.h"
#include "wire.h"

#include <evchan/proto.h>

static inline size_t room_of(const struct packer *packer)
{
	return (size_t)(packer->end - packer->at);
}

/* Appends what was put together in a small buffer. */
static bool append(struct packer *packer, const void *bytes, size_t size)
{
	if (room_of(packer) < size)
		return false;
	memcpy(packer->at, bytes, size);
	packer->at += size;
	return true;
}

static inline bool append_varint(struct packer *packer, uint64_t value)
{
	uint8_t bytes[PACK_VARINT_MAX];

	if (room_of(packer) >= PACK_VARINT_MAX) {
		packer->at = pack_put_varint(packer->at, value);
		return true;
	}
	return append(packer, bytes, (size_t)(pack_put_varint(bytes, value) - bytes));
}

bool pack_tag(struct packer *packer, uint32_t id, unsigned wire)
{
	return append_varint(packer, (uint64_t)id << 3 | wire);
}

static bool append_sized(struct packer *packer, const void *bytes, size_t size)
{
	return append_varint(packer, (uint32_t)size) && (size == 0 || append(packer, bytes, size));
}

/* ---- Lengths that are known later ------------------------------------------------------ */

/* Leaves room for a length of `*width` bytes. NULL: no room. */
static uint8_t *begin_length(struct packer *packer, size_t width)
{
	uint8_t *start = packer->at;

	if (room_of(packer) < width)
		return NULL;
	packer->at += width;
	return start;
}

/* Writes the length of what was appended since; `*width` becomes what it took. */
static bool end_length(struct packer *packer, uint8_t *start, size_t *width)
{
	uint8_t *inner = start + *width;
	size_t length = (size_t)(packer->at - inner);
	size_t needed = pack_varint_size(length);

	if (needed != *width) {
		if (needed > *width && room_of(packer) < needed - *width)
			return false;
		memmove(start + needed, inner, length);
		packer->at = start + needed + length;
		*width = needed;
	}
	pack_put_varint(start, length);
	return true;
}

static bool append_message(struct packer *packer, const ProtobufCMessage *message, size_t *width)
{
	uint8_t *start = begin_length(packer, message && !packer->is_exact ? *width : 1);
	size_t smallest = 1;

	if (!start)
		return false;
	if (!message) {
		*start = 0;
		return true;
	}
	return pack_message(packer, message) &&
	       end_length(packer, start, packer->is_exact ? &smallest : width);
}

/* ---- Values -------------------------------------------------------------------------------- */

static inline uint32_t load32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t load64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t zigzag32(uint32_t value)
{
	return (value << 1) ^ (0 - (value >> 31));
}

static inline uint64_t zigzag64(uint64_t value)
{
	return (value << 1) ^ (0 - (value >> 63));
}

static inline bool append_fixed32(struct packer *packer, const void *at)
{
	uint32_t value = wire_load32(at); /* its own inverse */

	return append(packer, &value, sizeof(value));
}

static inline bool append_fixed64(struct packer *packer, const void *at)
{
	uint64_t value = wire_load64(at);

	return append(packer, &value, sizeof(value));
}

static bool append_string(struct packer *packer, const void *at)
{
	const char *string;

	memcpy(&string, at, sizeof(string));
	return append_sized(packer, string, string ? strlen(string) : 0);
}

static bool append_bytes(struct packer *packer, const void *at)
{
	ProtobufCBinaryData bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return append_sized(packer, bytes.data, bytes.len);
}

/* A value without its tag; of a message: with a length of `*width` bytes, or what it turns out to need. */
static inline bool append_value(struct packer *packer, ProtobufCType type, const void *at,
		size_t *width)
{
	const ProtobufCMessage *message;

	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return append_varint(packer, (uint64_t)(int64_t)(int32_t)load32(at));
	case PROTOBUF_C_TYPE_UINT32:
		return append_varint(packer, load32(at));
	case PROTOBUF_C_TYPE_SINT32:
		return append_varint(packer, zigzag32(load32(at)));
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return append_varint(packer, load64(at));
	case PROTOBUF_C_TYPE_SINT64:
		return append_varint(packer, zigzag64(load64(at)));
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return append_fixed32(packer, at);
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return append_fixed64(packer, at);
	case PROTOBUF_C_TYPE_BOOL:
		return append_varint(packer, load32(at) != 0);
	case PROTOBUF_C_TYPE_STRING:
		return append_string(packer, at);
	case PROTOBUF_C_TYPE_BYTES:
		return append_bytes(packer, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(&message, at, sizeof(message));
		return append_message(packer, message, width);
	}
	return false;
}

static unsigned wire_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32BIT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64BIT;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_LENGTH;
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL:
		break;
	}
	return WIRE_VARINT;
}

/* ---- Fields ---------------------------------------------------------------------------------- */

static bool pack_repeated(struct packer *packer, const ProtobufCFieldDescriptor *field,
		const unsigned char *array, size_t count)
{
	size_t element = plan_element_size(field->type), width = 1;
	unsigned wire = wire_of(field->type);

	for (size_t i = 0; i < count; i++)
		if (!pack_tag(packer, field->id, wire) ||
				!append_value(packer, field->type, array + i * element, &width))
			return false;
	return true;
}

static bool pack_packed(struct packer *packer, const ProtobufCFieldDescriptor *field,
		const unsigned char *array, size_t count)
{
	size_t element = plan_element_size(field->type);
	/* What a value takes at least: 1, 4 or 8. */
	size_t least = wire_of(field->type) == WIRE_VARINT ? 1 : element;
	size_t width = pack_varint_size(least * count);
	uint8_t *start;

	if (!pack_tag(packer, field->id, WIRE_LENGTH))
		return false;
	start = begin_length(packer, width);
	if (!start)
		return false;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (least > 1)
		return append(packer, array, count * element) && end_length(packer, start, &width);
#endif
	for (size_t i = 0; i < count; i++)
		if (!append_value(packer, field->type, array + i * element, &width))
			return false;
	return end_length(packer, start, &width);
}

/* Of a field without presence: whether it has the value that is not sent. */
static bool is_zeroish(ProtobufCType type, const void *at)
{
	const char *string;
	double number;
	float small;

	switch (type) {
	case PROTOBUF_C_TYPE_FLOAT: /* minus zero is zero */
		memcpy(&small, at, sizeof(small));
		return small == 0;
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(&number, at, sizeof(number));
		return number == 0;
	case PROTOBUF_C_TYPE_STRING:
		memcpy(&string, at, sizeof(string));
		return !string || !string[0];
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData bytes;

		memcpy(&bytes, at, sizeof(bytes));
		return bytes.len == 0;
	}
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(&string, at, sizeof(string));
		return !string;
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
		return load64(at) == 0;
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL:
		break;
	}
	return load32(at) == 0;
}

/* Whether a field that is not repeated is sent. */
static inline bool is_set(const ProtobufCFieldDescriptor *field, const unsigned char *base)
{
	const unsigned char *at = base + field->offset;
	const void *pointer;

	if (field->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (load32(base + field->quantifier_offset) != field->id)
			return false;
	} else if (field->label == PROTOBUF_C_LABEL_NONE) {
		return !is_zeroish(field->type, at);
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING) {
		memcpy(&pointer, at, sizeof(pointer));
		return pointer && pointer != field->default_value;
	}
	return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
	       load32(base + field->quantifier_offset);
}

static inline bool pack_field(struct packer *packer, const ProtobufCFieldDescriptor *field,
		const unsigned char *base)
{
	const unsigned char *array;
	size_t count, width = 1;

	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		if (!is_set(field, base))
			return true;
		return pack_tag(packer, field->id, wire_of(field->type)) &&
		       append_value(packer, field->type, base + field->offset, &width);
	}
	memcpy(&count, base + field->quantifier_offset, sizeof(count));
	if (count == 0)
		return true;
	memcpy(&array, base + field->offset, sizeof(array));
	if (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED)
		return pack_packed(packer, field, array, count);
	return pack_repeated(packer, field, array, count);
}

bool pack_message(struct packer *packer, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;

	for (unsigned i = 0; i < descriptor->n_fields; i++)
		if (!pack_field(packer, &descriptor->fields[i], (const unsigned char *)message))
			return false;
	for (unsigned i = 0; i < message->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];

		if (!pack_tag(packer, field->tag, (unsigned)field->wire_type) ||
				!append(packer, field->data, field->len))
			return false;
	}
	return true;
}

bool pack_message_tightly(struct packer *packer, const ProtobufCMessage *message, size_t *needed)
{
	uint8_t *start = packer->at;

	if (pack_message(packer, message))
		return true;
	packer->at = start;
	*needed = protobuf_c_message_get_packed_size(message);
	if (*needed > room_of(packer))
		return false;
	packer->is_exact = true;
	if (pack_message(packer, message))
		return true;
	packer->at = start;
	return false;
}

int evchan_proto_pack(const ProtobufCMessage *message, void *buffer, size_t *size)
{
	struct packer packer = { buffer, (uint8_t *)buffer + *size, false };

	if (!pack_message_tightly(&packer, message, size))
		return -ENOBUFS;
	*size = (size_t)(packer.at - (uint8_t *)buffer);
	return 0;
}
