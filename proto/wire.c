/* SPDX-License-Identifier: MIT */
/* What is too long, or too rare, to be inline: see wire.h for the rules. */

#include "wire.h"

#include <limits.h>

/* ---- Tags and lengths --------------------------------------------------------------------- */

const uint8_t *wire_read_tag(
		const uint8_t *at, const uint8_t *end, uint32_t *id, unsigned *type)
{
	unsigned shift = 4;
	uint8_t byte;

	if (at == end)
		return NULL;
	byte = wire_load8(at++);
	if (byte < 8)
		return NULL;
	*type = byte & 7;
	*id = (byte & 0x7f) >> 3;
	while (byte & 0x80) {
		if (at == end || shift > 25)
			return NULL;
		byte = wire_load8(at++);
		*id |= (uint32_t)(byte & 0x7f) << shift;
		shift += 7;
	}
	return at;
}

const uint8_t *wire_read_length_after(
		uint8_t byte, const uint8_t *at, const uint8_t *end, size_t *length)
{
	uint64_t value = byte & 0x7f;
	unsigned shift = 7;

	while (byte & 0x80) {
		if (at == end || shift > 28)
			return NULL;
		byte = wire_load8(at++);
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	}
	if (value > INT_MAX || value > (size_t)(end - at))
		return NULL;
	*length = (size_t)value;
	return at;
}

const uint8_t *wire_read_length(const uint8_t *at, const uint8_t *end, size_t *length)
{
	if (at == end)
		return NULL;
	return wire_read_length_after(wire_load8(at), at + 1, end, length);
}

/* ---- Varints ------------------------------------------------------------------------------- */

const uint8_t *wire_read_last_varint(
		const uint8_t *at, const uint8_t *end, uint64_t *value)
{
	uint64_t sum = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		if (at == end || shift > 63)
			return NULL;
		byte = wire_load8(at++);
		sum |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	*value = sum;
	return at;
}

const uint8_t *wire_read_longest_varint(uint64_t word, const uint8_t *at, uint64_t *value)
{
	uint64_t sum = wire_join_sevens(word);
	uint8_t byte = wire_load8(at + 8);

	sum |= (uint64_t)(byte & 0x7f) << 56;
	at += 9;
	if (byte & 0x80) {
		byte = wire_load8(at++);
		if (byte & 0x80)
			return NULL;
		sum |= (uint64_t)byte << 63;
	}
	*value = sum;
	return at;
}

const uint8_t *wire_read_truth_after(const uint8_t *at, const uint8_t *end, bool *truth)
{
	unsigned bytes = 1;
	uint8_t byte;

	do {
		if (at == end || bytes++ == 10)
			return NULL;
		byte = wire_load8(at++);
		*truth |= (byte & 0x7f) != 0;
	} while (byte & 0x80);
	return at;
}

/* ---- Skipping --------------------------------------------------------------------------------- */

const uint8_t *wire_skip(const uint8_t *at, const uint8_t *end, unsigned type)
{
	uint64_t value;
	size_t length;

	switch (type) {
	case WIRE_VARINT:
		return wire_read_varint(at, end, &value);
	case WIRE_64BIT:
		return end - at < 8 ? NULL : at + 8;
	case WIRE_LENGTH:
		at = wire_read_length(at, end, &length);
		return at ? at + length : NULL;
	case WIRE_32BIT:
		return end - at < 4 ? NULL : at + 4;
	default:
		return NULL;
	}
}
