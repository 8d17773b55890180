/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_WIRE_H
#define EVCHAN_PROTO_WIRE_H

/*
 * Reading the protobuf wire format from memory that somebody else may be writing.
 *
 * Every byte that decides anything (tags, lengths, the top bits of varints) is read exactly once, through
 * wire_byte(); what was read is checked, and only the private result is used. Nothing here reads at or beyond
 * `end`, which is private, too.
 *
 * What is accepted is what protobuf_c_message_unpack() accepts (protobuf-c 1.4): tags and lengths of up to 5 bytes, varints
 * of up to 10, overlong ones too.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_64BIT = 1,
	WIRE_LENGTH = 2, /* a length, then so many bytes */
	WIRE_32BIT = 5,
};

struct wire {
	const uint8_t *at;
	const uint8_t *end;
};

static inline size_t wire_left(const struct wire *wire)
{
	return (size_t)(wire->end - wire->at);
}

/* One load, whatever the compiler would like. */
static inline uint8_t wire_byte(const uint8_t *at)
{
	return *(const volatile uint8_t *)at;
}

/* Takes a tag. Whether there is one: a first byte below 8 is none (field number 0). */
static inline bool wire_tag(struct wire *wire, uint32_t *id, unsigned *type)
{
	const uint8_t *at = wire->at;
	unsigned shift = 4;
	uint8_t byte;

	if (at == wire->end)
		return false;
	byte = wire_byte(at++);
	if (byte < 8)
		return false;
	*type = byte & 7;
	*id = (byte & 0x7f) >> 3;
	while (byte & 0x80) {
		if (at == wire->end || shift > 25)
			return false;
		byte = wire_byte(at++);
		*id |= (uint32_t)(byte & 0x7f) << shift;
		shift += 7;
	}
	wire->at = at;
	return true;
}

/* Reads a varint that begins at `at`. Returns what is behind it, NULL: there is none. */
static inline const uint8_t *wire_read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
	unsigned shift = 7;
	uint64_t sum;
	uint8_t byte;

	if (at == end)
		return NULL;
	byte = wire_byte(at++);
	sum = byte & 0x7f;
	while (byte & 0x80) {
		if (at == end || shift > 63)
			return NULL;
		byte = wire_byte(at++);
		sum |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	}
	*value = sum;
	return at;
}

/* Takes a varint. */
static inline bool wire_varint(struct wire *wire, uint64_t *value)
{
	const uint8_t *behind = wire_read_varint(wire->at, wire->end, value);

	if (!behind)
		return false;
	wire->at = behind;
	return true;
}

/* Takes a varint as a truth: any bit counts, those that fit into no number too. */
static inline bool wire_truth(struct wire *wire, bool *value)
{
	const uint8_t *at = wire->at;
	unsigned bytes = 0;
	uint8_t byte, bits = 0;

	do {
		if (at == wire->end || bytes++ == 10)
			return false;
		byte = wire_byte(at++);
		bits |= byte & 0x7f;
	} while (byte & 0x80);
	wire->at = at;
	*value = bits != 0;
	return true;
}

/* Takes a length that the rest has room for. */
static inline bool wire_length(struct wire *wire, size_t *length)
{
	const uint8_t *at = wire->at;
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		if (at == wire->end || shift > 28)
			return false;
		byte = wire_byte(at++);
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (value > INT_MAX || value > (size_t)(wire->end - at))
		return false;
	wire->at = at;
	*length = (size_t)value;
	return true;
}

static inline uint32_t wire_load32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	return value;
}

static inline uint64_t wire_load64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

static inline bool wire_fixed32(struct wire *wire, uint32_t *value)
{
	if (wire_left(wire) < 4)
		return false;
	*value = wire_load32(wire->at);
	wire->at += 4;
	return true;
}

static inline bool wire_fixed64(struct wire *wire, uint64_t *value)
{
	if (wire_left(wire) < 8)
		return false;
	*value = wire_load64(wire->at);
	wire->at += 8;
	return true;
}

/* Passes a value of this wire type. */
static inline bool wire_skip(struct wire *wire, unsigned type)
{
	uint64_t value;
	size_t length;

	switch (type) {
	case WIRE_VARINT:
		return wire_varint(wire, &value);
	case WIRE_64BIT:
		return wire_fixed64(wire, &value);
	case WIRE_LENGTH:
		if (!wire_length(wire, &length))
			return false;
		wire->at += length;
		return true;
	case WIRE_32BIT: {
		uint32_t word;

		return wire_fixed32(wire, &word);
	}
	default:
		return false;
	}
}

static inline int32_t wire_zigzag32(uint32_t value)
{
	return (int32_t)((value >> 1) ^ (0 - (value & 1)));
}

static inline int64_t wire_zigzag64(uint64_t value)
{
	return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

#endif
