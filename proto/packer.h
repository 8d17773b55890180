/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_PACKER_H
#define EVCHAN_PROTO_PACKER_H

/*
 * What pack.c, which goes by descriptors, and pack_planned.c, which goes by plans, share: how values are appended. As in
 * pack.h, NULL says that there is no room.
 */

#include <string.h>

#include "pack.h"
#include "wire.h"

/* pack.c: a field with whatever is in it, or nothing. */
uint8_t *pack_field(const ProtobufCFieldDescriptor *field, const unsigned char *message,
		uint8_t *at, uint8_t *end, bool is_exact);

/* pack.c: a field of this number, with a message (NULL: an empty one). `*width`: bytes that its length will probably take;
 * becomes what it took. */
uint8_t *pack_message(uint32_t id, const ProtobufCMessage *message, size_t *width,
		uint8_t *at, uint8_t *end, bool is_exact);

/* pack.c */
uint8_t *pack_unknown(const ProtobufCMessage *message, uint8_t *at, const uint8_t *end);

/* ---- Numbers ------------------------------------------------------------------------------ */

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

/* Gives each seven bits a byte; what is above 56 bits is lost. */
static inline uint64_t spread_sevens(uint64_t value)
{
	value = (value & UINT64_C(0x000000000fffffff)) |
			(value & UINT64_C(0x00fffffff0000000)) << 4;
	value = (value & UINT64_C(0x00003fff00003fff)) |
			(value & UINT64_C(0x0fffc0000fffc000)) << 2;
	return (value & UINT64_C(0x007f007f007f007f)) |
			(value & UINT64_C(0x3f803f803f803f80)) << 1;
}

static inline void store64(uint8_t *at, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	memcpy(at, &value, sizeof(value));
}

static inline void store16(uint8_t *at, uint16_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap16(value);
#endif
	memcpy(at, &value, sizeof(value));
}

static inline void store32(uint8_t *at, uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	memcpy(at, &value, sizeof(value));
}

/* A varint where PACK_VARINT_MAX bytes may be written. */
static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	size_t size;

	if (value < 0x80) {
		*at = (uint8_t)value;
		return at + 1;
	}
	if (value < 0x4000) {
		at[0] = (uint8_t)(value | 0x80);
		at[1] = (uint8_t)(value >> 7);
		return at + 2;
	}
	if (value >= UINT64_C(1) << 56)
		return pack_put_varint(at, value);
	size = pack_varint_size(value);
	/* The top bit of all bytes but the last. */
	store64(at,
			spread_sevens(value) |
					(UINT64_C(0x8080808080808080) >> 8 * (9 - size)));
	return at + size;
}

/* Appends what was put together elsewhere. */
static inline uint8_t *put_bytes(
		const void *bytes, size_t size, uint8_t *at, const uint8_t *end)
{
	if (size > (size_t)(end - at))
		return NULL;
	if (size)
		memcpy(at, bytes, size);
	return at + size;
}

/* Near the end there may be room for what a number takes, and not for what it could take. */
static inline uint8_t *put_last_varint(uint64_t value, uint8_t *at, const uint8_t *end)
{
	uint8_t bytes[PACK_VARINT_MAX];
	const uint8_t *behind = pack_put_varint(bytes, value);

	return put_bytes(bytes, (size_t)(behind - bytes), at, end);
}

static inline uint8_t *put_checked_varint(uint64_t value, uint8_t *at, const uint8_t *end)
{
	return end - at >= PACK_VARINT_MAX ? put_varint(at, value)
					   : put_last_varint(value, at, end);
}

static inline uint8_t *put_tag(
		uint32_t id, unsigned wire, uint8_t *at, const uint8_t *end)
{
	return put_checked_varint((uint64_t)id << 3 | wire, at, end);
}

static inline uint8_t *put_last_field(
		uint64_t tag, uint64_t value, uint8_t *at, const uint8_t *end)
{
	at = put_last_varint(tag, at, end);
	return at ? put_last_varint(value, at, end) : NULL;
}

/* A tag and a varint. */
static inline uint8_t *put_varint_field(
		uint32_t id, uint64_t value, uint8_t *at, const uint8_t *end)
{
	if (end - at < PACK_TAG_MAX + PACK_VARINT_MAX)
		return put_last_field((uint64_t)id << 3, value, at, end);
	return put_varint(put_varint(at, (uint64_t)id << 3), value);
}

static inline uint8_t *put_fixed32_field(
		uint32_t id, uint32_t value, uint8_t *at, const uint8_t *end)
{
	at = put_tag(id, WIRE_32BIT, at, end);
	if (!at || end - at < 4)
		return NULL;
	store32(at, value);
	return at + 4;
}

static inline uint8_t *put_fixed64_field(
		uint32_t id, uint64_t value, uint8_t *at, const uint8_t *end)
{
	at = put_tag(id, WIRE_64BIT, at, end);
	if (!at || end - at < 8)
		return NULL;
	store64(at, value);
	return at + 8;
}

/* The varint that a number of such a type is sent as. */
__attribute__((always_inline)) static inline uint64_t varint_of(
		ProtobufCType type, const void *number)
{
	switch ((int)type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return (uint64_t)(int64_t)(int32_t)load32(number);
	case PROTOBUF_C_TYPE_UINT32:
		return load32(number);
	case PROTOBUF_C_TYPE_SINT32:
		return zigzag32(load32(number));
	case PROTOBUF_C_TYPE_SINT64:
		return zigzag64(load64(number));
	case PROTOBUF_C_TYPE_BOOL:
		return load32(number) != 0;
	default:
		return load64(number);
	}
}

/* ---- What has a length --------------------------------------------------------------------- */

/* A length, and so many bytes. */
static inline uint8_t *put_sized(
		const void *bytes, size_t size, uint8_t *at, const uint8_t *end)
{
	size_t room = (size_t)(end - at), width = pack_varint_size((uint32_t)size);

	if (size > room || width > room - size)
		return NULL;
	at = pack_put_varint(at, (uint32_t)size);
	if (size)
		memcpy(at, bytes, size);
	return at + size;
}

static inline uint8_t *put_sized_field(uint32_t id, const void *bytes, size_t size,
		uint8_t *at, const uint8_t *end)
{
	at = put_tag(id, WIRE_LENGTH, at, end);
	return at ? put_sized(bytes, size, at, end) : NULL;
}

/* Writes the length of [inner, behind) before it, where `width` bytes were left for it. Returns what is behind then. */
static inline uint8_t *close_length(
		uint8_t *inner, uint8_t *behind, size_t *width, const uint8_t *end)
{
	uint8_t *start = inner - *width;
	size_t length = (size_t)(behind - inner);
	size_t needed = pack_varint_size(length);

	if (__builtin_expect(needed != *width, 0)) {
		if (needed > *width && (size_t)(end - behind) < needed - *width)
			return NULL;
		memmove(start + needed, inner, length);
		*width = needed;
	}
	pack_put_wide(start, length, needed);
	return start + needed + length;
}

#endif
