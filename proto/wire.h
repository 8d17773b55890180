/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_WIRE_H
#define EVCHAN_PROTO_WIRE_H

/*
 * Reading the protobuf wire format from memory that somebody else may be writing.
 *
 * Every byte that decides anything (tags, lengths, the top bits of varints) gets into a private variable by one load, of
 * one byte or of eight, and only that is looked at. Nothing here reads at or beyond `end`, which is private, too.
 *
 * Readers take where something begins and where the input ends, and return what is behind it, NULL: it is not there.
 * They pass no struct around: its stores and loads would cost more than the reading.
 *
 * What is accepted is what protobuf_c_message_unpack() accepts (protobuf-c 1.4): tags and lengths of up to 5 bytes, varints
 * of up to 10, overlong ones too.
 */

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

/* Bytes of a varint at most. */
#define WIRE_VARINT_MAX 10

/* ---- Loads ---------------------------------------------------------------------------- */

typedef uint16_t wire_unaligned16 __attribute__((aligned(1), may_alias));
typedef uint32_t wire_unaligned32 __attribute__((aligned(1), may_alias));
typedef uint64_t wire_unaligned64 __attribute__((aligned(1), may_alias));

/* One load each, whatever the compiler would like; little-endian. */
static inline uint8_t wire_load8(const uint8_t *at)
{
	return *(const volatile uint8_t *)at;
}

static inline uint16_t wire_load16(const uint8_t *at)
{
	uint16_t value = *(const volatile wire_unaligned16 *)at;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap16(value);
#endif
	return value;
}

static inline uint32_t wire_load32(const uint8_t *at)
{
	uint32_t value = *(const volatile wire_unaligned32 *)at;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	return value;
}

static inline uint64_t wire_load64(const uint8_t *at)
{
	uint64_t value = *(const volatile wire_unaligned64 *)at;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

/* memcpy of at most 64 bytes: a call would cost more than the copy. The pieces overlap. */
static inline void wire_copy_short(void *destination, const void *source, size_t size)
{
	unsigned char *to = destination;
	const unsigned char *from = source;

	if (size > 32) {
		memcpy(to, from, 32);
		memcpy(to + size - 32, from + size - 32, 32);
	} else if (size > 16) {
		memcpy(to, from, 16);
		memcpy(to + size - 16, from + size - 16, 16);
	} else if (size >= 8) {
		memcpy(to, from, 8);
		memcpy(to + size - 8, from + size - 8, 8);
	} else if (size >= 4) {
		memcpy(to, from, 4);
		memcpy(to + size - 4, from + size - 4, 4);
	} else if (size) {
		to[0] = from[0];
		to[size / 2] = from[size / 2];
		to[size - 1] = from[size - 1];
	}
}

/* ---- Tags and lengths -------------------------------------------------------------------- */

/* A first byte below 8 is no tag: it would be field number 0. */
const uint8_t *wire_read_tag(
		const uint8_t *at, const uint8_t *end, uint32_t *id, unsigned *type);

/* A length that the rest has room for. The second is for those who have loaded its first byte already; `at` is behind that. */
const uint8_t *wire_read_length(const uint8_t *at, const uint8_t *end, size_t *length);
const uint8_t *wire_read_length_after(
		uint8_t byte, const uint8_t *at, const uint8_t *end, size_t *length);

/* ---- Varints ------------------------------------------------------------------------------- */

/* Near the end: byte by byte. */
const uint8_t *wire_read_last_varint(
		const uint8_t *at, const uint8_t *end, uint64_t *value);

/* One of nine or ten bytes, of which the first eight were loaded; `at` is where it begins. */
const uint8_t *wire_read_longest_varint(
		uint64_t word, const uint8_t *at, uint64_t *value);

/* Joins the low seven bits of each byte. */
static inline uint64_t wire_join_sevens(uint64_t word)
{
	word &= UINT64_C(0x7f7f7f7f7f7f7f7f);
	word = (word & UINT64_C(0x00ff00ff00ff00ff)) |
			(word & UINT64_C(0xff00ff00ff00ff00)) >> 1;
	word = (word & UINT64_C(0x0000ffff0000ffff)) |
			(word & UINT64_C(0xffff0000ffff0000)) >> 2;
	return (word & UINT64_C(0x00000000ffffffff)) |
			(word & UINT64_C(0xffffffff00000000)) >> 4;
}

/* Where WIRE_VARINT_MAX bytes may be read. One or two bytes are the usual case. */
static inline const uint8_t *wire_read_varint_freely(const uint8_t *at, uint64_t *value)
{
	uint64_t word = wire_load64(at), ends;

	if (!(word & 0x80)) {
		*value = word & 0x7f;
		return at + 1;
	}
	if (!(word & 0x8000)) {
		*value = (word & 0x7f) | (word >> 1 & 0x3f80);
		return at + 2;
	}
	ends = ~word & UINT64_C(0x8080808080808080);
	if (__builtin_expect(!ends, 0)) {
		/* Its address is to be known there only: it is to stay in a register. */
		uint64_t longest;

		at = wire_read_longest_varint(word, at, &longest);
		*value = longest;
		return at;
	}
	/* Up to the lowest byte without its top bit. */
	*value = wire_join_sevens(word & (ends ^ (ends - 1)));
	return at + (unsigned)__builtin_ctzll(ends) / 8 + 1;
}

static inline const uint8_t *wire_read_varint(
		const uint8_t *at, const uint8_t *end, uint64_t *value)
{
	if (end - at >= WIRE_VARINT_MAX)
		return wire_read_varint_freely(at, value);
	return wire_read_last_varint(at, end, value);
}

/* A varint as a truth: any bit counts, those that fit into no number too. Its first byte was loaded; `at` is behind that, and
 * what it has said already is in `*truth`. */
const uint8_t *wire_read_truth_after(const uint8_t *at, const uint8_t *end, bool *truth);

static inline int32_t wire_zigzag32(uint32_t value)
{
	return (int32_t)((value >> 1) ^ (0 - (value & 1)));
}

static inline int64_t wire_zigzag64(uint64_t value)
{
	return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

/* ---- Skipping --------------------------------------------------------------------------------- */

/* What is behind a value of this wire type. */
const uint8_t *wire_skip(const uint8_t *at, const uint8_t *end, unsigned type);

#endif
