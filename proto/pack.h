/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_PACK_H
#define EVCHAN_PROTO_PACK_H

/*
 * Packing in one pass into a buffer of a given size. The bytes are those of protobuf_c_message_pack(), which needs a
 * first pass for the size, and trusts it.
 *
 * What writes takes where to, and returns what is behind it. What checks for room returns NULL if there is none, and
 * then has written garbage, but not behind `end`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* Bytes that a tag takes at most, a length, and any varint. */
#define PACK_TAG_MAX 5
#define PACK_LENGTH_MAX 5
#define PACK_VARINT_MAX 10

static inline size_t pack_varint_size(uint64_t value)
{
	unsigned highest = 63u - (unsigned)__builtin_clzll(value | 1);

	/* 1 + highest / 7, for all that it can be. */
	return (highest * 9 + 73) / 64;
}

/* A varint, without a check. */
static inline uint8_t *pack_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

/* The same in exactly `width` bytes, which may be more than it needs. */
static inline uint8_t *pack_put_wide(uint8_t *at, uint64_t value, size_t width)
{
	while (--width) {
		*at++ = (uint8_t)((value & 0x7f) | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

/* A tag of a field with this number and wire type, without a check. */
static inline uint8_t *pack_put_tag(uint8_t *at, uint32_t id, unsigned wire)
{
	return pack_put_varint(at, (uint64_t)id << 3 | wire);
}

/* All set fields of a message, unknown ones too. `is_exact`: there may be room for not one byte more than needed, so nothing is
 * guessed. */
uint8_t *pack_fields(const ProtobufCMessage *message, uint8_t *at, uint8_t *end,
		bool is_exact);

struct plan;

/* The same by the plan of its type, which is faster. */
uint8_t *pack_planned(const struct plan *plan, const ProtobufCMessage *message,
		uint8_t *at, uint8_t *end, bool is_exact);

/* pack_fields(), also where the room is just what is needed. Without room `*needed` becomes the size. */
uint8_t *pack_tightly(const ProtobufCMessage *message, uint8_t *at, uint8_t *end,
		size_t *needed);

#endif
