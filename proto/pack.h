/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_PACK_H
#define EVCHAN_PROTO_PACK_H

/*
 * Packing in one pass into a buffer of a given size. The bytes are those of protobuf_c_message_pack(), which needs a first pass for
 * the size, and trusts it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

struct packer {
	uint8_t *at;
	uint8_t *end;
	bool is_exact; /* there is room for not one byte more than needed: no guesses */
};

/* Bytes that a varint takes at most, and a length. */
#define PACK_VARINT_MAX 10
#define PACK_LENGTH_MAX 5

/* Writes a varint without a check; returns what is behind it. */
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
static inline void pack_put_wide(uint8_t *at, uint64_t value, size_t width)
{
	while (--width) {
		*at++ = (uint8_t)((value & 0x7f) | 0x80);
		value >>= 7;
	}
	*at = (uint8_t)value;
}

static inline size_t pack_varint_size(uint64_t value)
{
	return 1 + (size_t)(63 - __builtin_clzll(value | 1)) / 7;
}

/* Appends a tag. `wire` is its wire type. Whether there was room. */
bool pack_tag(struct packer *packer, uint32_t id, unsigned wire);

/* Appends all set fields of a message, unknown ones too. Whether there was room; else garbage was written. */
bool pack_message(struct packer *packer, const ProtobufCMessage *message);

/* The same, where the room may be just what is needed: a guess that was too large is no failure then. On failure
 * `*needed` is the size, and packer->at stays. */
bool pack_message_tightly(struct packer *packer, const ProtobufCMessage *message, size_t *needed);

#endif
