/* SPDX-License-Identifier: MIT */
/* The generator behind random_wire.h. */

#include "random_wire.h"

#include <stdlib.h>
#include <string.h>

/* splitmix64, Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014). */
uint64_t random_next(struct random_wire *wire)
{
	uint64_t mixed = wire->state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ (mixed >> 31);
}

unsigned random_below(struct random_wire *wire, unsigned most)
{
	return (unsigned)(random_next(wire) >> 33) % most;
}

static void put(struct random_wire *wire, const void *bytes, size_t size)
{
	if (size > wire->room - wire->size)
		return;
	memcpy(wire->bytes + wire->size, bytes, size);
	wire->size += size;
}

/* `extra` bytes more than needed. */
static void put_varint(struct random_wire *wire, uint64_t value, unsigned extra)
{
	uint8_t bytes[16];
	size_t size = 0;

	while (value >= 0x80) {
		bytes[size++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	bytes[size++] = (uint8_t)value;
	while (extra-- && size < 10) {
		bytes[size - 1] |= 0x80;
		bytes[size++] = 0;
	}
	put(wire, bytes, size);
}

static unsigned rarely(struct random_wire *wire, unsigned most)
{
	return random_below(wire, 40) ? 0 : 1 + random_below(wire, most);
}

static uint64_t random_number(struct random_wire *wire)
{
	unsigned shift = random_below(wire, 64);

	/* All magnitudes alike. */
	return random_next(wire) >> shift;
}

static unsigned wire_type_of(ProtobufCType type)
{
	switch ((int)type) {
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return 5;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 1;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return 2;
	default:
		return 0;
	}
}

static void put_tag(struct random_wire *wire, uint32_t id, unsigned type)
{
	put_varint(wire, (uint64_t)id << 3 | type, rarely(wire, 4));
}

/* A length, then what `fill` writes. */
static void put_inner(struct random_wire *wire, struct random_wire *inner)
{
	put_varint(wire, inner->size, rarely(wire, 4));
	put(wire, inner->bytes, inner->size);
	wire->state = inner->state;
	free(inner->bytes);
}

static struct random_wire begin_inner(const struct random_wire *wire)
{
	struct random_wire inner = { .state = wire->state, .room = wire->room };

	inner.bytes = malloc(wire->room ? wire->room : 1);
	return inner;
}

static void put_value(struct random_wire *wire, unsigned type)
{
	uint64_t value = random_number(wire);

	if (type == 0)
		put_varint(wire, value, rarely(wire, 9));
	else
		put(wire, &value, type == 1 ? 8 : 4);
}

static void put_text(struct random_wire *wire)
{
	struct random_wire inner = begin_inner(wire);
	unsigned size = random_below(&inner, 4) ? random_below(&inner, 20)
						: random_below(&inner, 300);

	while (size--) {
		uint8_t byte = (uint8_t)random_next(&inner);

		put(&inner, &byte, 1);
	}
	put_inner(wire, &inner);
}

static void put_packed(struct random_wire *wire, unsigned type)
{
	struct random_wire inner = begin_inner(wire);
	unsigned count = random_below(&inner, 12);

	while (count--)
		put_value(&inner, type);
	put_inner(wire, &inner);
}

static void put_field(struct random_wire *wire, const ProtobufCFieldDescriptor *field,
		int depth)
{
	unsigned type = wire_type_of(field->type);

	if (field->label == PROTOBUF_C_LABEL_REPEATED && type != 2 &&
			random_below(wire, 2)) {
		put_tag(wire, field->id, 2);
		put_packed(wire, type);
		return;
	}
	/* Another wire type than the field's. */
	if (rarely(wire, 1) && !random_below(wire, 8))
		type = random_below(wire, 8);
	put_tag(wire, field->id, type);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && type == 2) {
		struct random_wire inner = begin_inner(wire);

		random_message(&inner, field->descriptor, depth - 1);
		put_inner(wire, &inner);
	} else if (type == 2) {
		put_text(wire);
	} else {
		put_value(wire, type);
	}
}

static void put_unknown(struct random_wire *wire)
{
	static const unsigned types[] = { 0, 1, 2, 5 };
	unsigned type = types[random_below(wire, 4)];

	put_tag(wire, (uint32_t)random_number(wire) & 0x1fffffff, type);
	if (type == 2)
		put_text(wire);
	else
		put_value(wire, type);
}

void random_message(struct random_wire *wire,
		const ProtobufCMessageDescriptor *descriptor, int depth)
{
	unsigned density = 1 + random_below(wire, 8);
	bool in_order = random_below(wire, 4) != 0;

	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		unsigned place = in_order ? i : random_below(wire, descriptor->n_fields);
		const ProtobufCFieldDescriptor *field = &descriptor->fields[place];
		unsigned times = random_below(wire, 8) < density;

		if (field->label == PROTOBUF_C_LABEL_REQUIRED && random_below(wire, 200))
			times = 1;
		if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth <= 0 &&
				field->label != PROTOBUF_C_LABEL_REQUIRED)
			times = 0;
		if (times && field->label == PROTOBUF_C_LABEL_REPEATED)
			times += random_below(wire, 4);
		while (times--)
			put_field(wire, field, depth);
		if (rarely(wire, 1))
			put_unknown(wire);
	}
}

void random_damage(struct random_wire *wire)
{
	unsigned times = 1 + random_below(wire, 3);

	while (wire->size && times--) {
		size_t at = random_below(wire, (unsigned)wire->size);

		if (random_below(wire, 4) == 0)
			wire->size = at;
		else if (random_below(wire, 2))
			wire->bytes[at] = (uint8_t)random_next(wire);
		else
			wire->bytes[at] ^= (uint8_t)(1u << random_below(wire, 8));
	}
}

/* ---- Duplicates ---------------------------------------------------------------------- */

/* Whether there is a varint; as lenient as any decoder. */
static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	unsigned shift = 0;

	*value = 0;
	for (;;) {
		uint8_t byte;

		if (*at == end || shift > 63)
			return false;
		byte = *(*at)++;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
		shift += 7;
	}
}

static bool skip_value(
		const uint8_t **at, const uint8_t *end, unsigned type, uint64_t *length)
{
	size_t size;

	*length = 0;
	if (type == 0)
		return take_varint(at, end, length);
	if (type == 2) {
		if (!take_varint(at, end, length) || *length > (uint64_t)(end - *at))
			return false;
		*at += *length;
		return true;
	}
	size = type == 1 ? 8 : 4;
	if ((type != 1 && type != 5) || (size_t)(end - *at) < size)
		return false;
	*at += size;
	return true;
}

bool has_message_twice(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
		size_t size)
{
	bool *seen = calloc(descriptor->n_fields + 1, sizeof(*seen));
	const uint8_t *at = bytes, *end = bytes + size;
	bool found = false;
	uint64_t tag, length;

	while (!found && at < end && take_varint(&at, end, &tag)) {
		const ProtobufCFieldDescriptor *field =
				protobuf_c_message_descriptor_get_field(descriptor,
						(uint32_t)((uint32_t)tag >> 3));

		if (!skip_value(&at, end, tag & 7, &length))
			break;
		if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE || (tag & 7) != 2)
			continue;
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			found = seen[field - descriptor->fields];
			seen[field - descriptor->fields] = true;
		}
		found |= has_message_twice(field->descriptor, at - length, length);
	}
	free(seen);
	return found;
}
