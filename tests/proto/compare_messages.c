/* SPDX-License-Identifier: MIT */
/* Deep comparison by descriptor. */

#include "compare_messages.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static size_t size_of(ProtobufCType type)
{
	switch ((int)type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

static bool strings_are_equal(const char *one, const char *other, const void *standard)
{
	if (!one || !other)
		return one == other;
	if ((one == standard) != (other == standard))
		return false;
	return strcmp(one, other) == 0;
}

static bool bytes_are_equal(const ProtobufCBinaryData *one,
		const ProtobufCBinaryData *other, const ProtobufCBinaryData *standard)
{
	if (one->len != other->len || !one->data != !other->data)
		return false;
	if (standard && (one->data == standard->data) != (other->data == standard->data))
		return false;
	return one->len == 0 || memcmp(one->data, other->data, one->len) == 0;
}

static bool values_are_equal(const ProtobufCFieldDescriptor *field, const void *one,
		const void *other, const void *standard)
{
	void *pointers[2];

	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_STRING:
		memcpy(&pointers[0], one, sizeof(void *));
		memcpy(&pointers[1], other, sizeof(void *));
		return strings_are_equal(pointers[0], pointers[1], standard);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_are_equal(one, other, standard);
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(&pointers[0], one, sizeof(void *));
		memcpy(&pointers[1], other, sizeof(void *));
		if (!pointers[0] || !pointers[1])
			return pointers[0] == pointers[1];
		return messages_are_equal(pointers[0], pointers[1]);
	default:
		return memcmp(one, other, size_of(field->type)) == 0;
	}
}

static bool arrays_are_equal(const ProtobufCFieldDescriptor *field, const uint8_t *one,
		const uint8_t *other)
{
	size_t counts[2], size = size_of(field->type);
	const uint8_t *arrays[2];

	memcpy(&counts[0], one + field->quantifier_offset, sizeof(size_t));
	memcpy(&counts[1], other + field->quantifier_offset, sizeof(size_t));
	memcpy(&arrays[0], one + field->offset, sizeof(void *));
	memcpy(&arrays[1], other + field->offset, sizeof(void *));
	if (counts[0] != counts[1])
		return false;
	for (size_t i = 0; i < counts[0]; i++)
		if (!values_are_equal(field, arrays[0] + i * size, arrays[1] + i * size,
				    NULL))
			return false;
	return true;
}

static bool fields_are_equal(const ProtobufCFieldDescriptor *field, const uint8_t *one,
		const uint8_t *other)
{
	uint32_t quantifiers[2];

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return arrays_are_equal(field, one, other);
	if (field->quantifier_offset) {
		memcpy(&quantifiers[0], one + field->quantifier_offset, 4);
		memcpy(&quantifiers[1], other + field->quantifier_offset, 4);
		if (quantifiers[0] != quantifiers[1])
			return false;
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
				quantifiers[0] != field->id)
			return true;
	}
	return values_are_equal(field, one + field->offset, other + field->offset,
			field->default_value);
}

static bool unknown_are_equal(const ProtobufCMessage *one, const ProtobufCMessage *other)
{
	if (one->n_unknown_fields != other->n_unknown_fields)
		return false;
	for (unsigned i = 0; i < one->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *a = &one->unknown_fields[i];
		const ProtobufCMessageUnknownField *b = &other->unknown_fields[i];

		if (a->tag != b->tag || a->wire_type != b->wire_type ||
				a->len != b->len || memcmp(a->data, b->data, a->len) != 0)
			return false;
	}
	return true;
}

bool messages_are_equal(const ProtobufCMessage *one, const ProtobufCMessage *other)
{
	const ProtobufCMessageDescriptor *descriptor = one->descriptor;

	if (descriptor != other->descriptor || !unknown_are_equal(one, other)) {
		fprintf(stderr, "unknown fields differ\n");
		return false;
	}
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		if (!fields_are_equal(&descriptor->fields[i], (const uint8_t *)one,
				    (const uint8_t *)other)) {
			fprintf(stderr, "field %u differs\n", descriptor->fields[i].id);
			return false;
		}
	}
	return true;
}
