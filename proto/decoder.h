/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_DECODER_H
#define EVCHAN_PROTO_DECODER_H

/*
 * What decode.c and decode_array.c share: a run of the decoder, and how it takes single values.
 *
 * Like the readers of wire.h, what takes something returns what is behind it, NULL: it failed, and why is in the decoder.
 * What fails does not clean up: the message is thrown away as a whole.
 */

#include <errno.h>

#include "arena.h"
#include "plan.h"
#include "utf8.h"
#include "wire.h"

/* A tag of two bytes, and any number. */
#define DECODE_FREE (2 + WIRE_VARINT_MAX)

struct decoder {
	struct evchan_proto_arena *arena;
	const uint8_t *start; /* of the whole message */
	const uint8_t *end;
	const uint8_t *free_end; /* of where one may begin to read DECODE_FREE bytes without a check */
	unsigned flags; /* enum evchan_proto_decode_flags */
	uint32_t depth_left;
	int error;
	struct evchan_proto_problem *problem;
};

/* decode.c. Fills a message that is initialised with the fields in [at, end). */
const uint8_t *decode_fields(struct decoder *decoder, const struct plan *plan,
		unsigned char *message, const uint8_t *at, const uint8_t *end);

/* decode.c. One value of any kind, that has come with this wire type. */
const uint8_t *decode_value(struct decoder *decoder, const struct plan_field *field,
		unsigned type, const uint8_t *at, const uint8_t *end, void *out);

/* decode_array.c. Values of a repeated field from here on; of `message` only that field is touched. */
const uint8_t *decode_repeated(struct decoder *decoder, const struct plan_field *field,
		unsigned type, unsigned char *message, const uint8_t *at,
		const uint8_t *end);
const uint8_t *decode_packed(struct decoder *decoder, const struct plan_field *field,
		unsigned char *message, const uint8_t *at, const uint8_t *end);
const uint8_t *decode_unknown(struct decoder *decoder, uint32_t id, unsigned type,
		ProtobufCMessage *message, const uint8_t *at, const uint8_t *end);

/* ---- Failing. All return NULL ---------------------------------------------------------- */

/* decode.c */
void decoder_note(struct decoder *decoder, int error, const uint8_t *at, const char *text)
		__attribute__((cold));

static inline const uint8_t *decoder_fail(
		struct decoder *decoder, int error, const uint8_t *at, const char *text)
{
	decoder_note(decoder, error, at, text);
	return NULL;
}

static inline const uint8_t *decoder_fail_bytes(
		struct decoder *decoder, const uint8_t *at)
{
	return decoder_fail(decoder, -EBADMSG, at, "the bytes are no valid encoding");
}

/* Says what the arena has said. */
static inline const uint8_t *decoder_fail_memory(
		struct decoder *decoder, const uint8_t *at)
{
	int error = decoder->arena->error;

	return decoder_fail(decoder, error, at,
			error == -ENOMEM ? "no memory"
					 : "it needs more memory than is allowed");
}

/* ---- Numbers ----------------------------------------------------------------------------- */

static inline const uint8_t *decode_bool(const uint8_t *at, const uint8_t *end, void *out)
{
	protobuf_c_boolean value;
	bool truth;
	uint8_t byte = wire_load8(at++);

	truth = byte & 0x7f;
	if (__builtin_expect(byte & 0x80, 0))
		at = wire_read_truth_after(at, end, &truth);
	value = truth;
	memcpy(out, &value, sizeof(value));
	return at;
}

static inline bool kind_is_varint(enum plan_kind kind)
{
	return kind == KIND_INT32 || kind == KIND_SINT32 || kind == KIND_INT64 ||
			kind == KIND_SINT64;
}

/* Stores what a varint of this kind says. */
__attribute__((always_inline)) static inline void decode_store(
		enum plan_kind kind, uint64_t value, void *out)
{
	uint32_t word = (uint32_t)value;

	if (kind == KIND_SINT32)
		word = (uint32_t)wire_zigzag32(word);
	if (kind == KIND_SINT64)
		value = (uint64_t)wire_zigzag64(value);
	if (kind == KIND_INT32 || kind == KIND_SINT32)
		memcpy(out, &word, 4);
	else
		memcpy(out, &value, 8);
}

/* Reads a number of this kind into `out`, where WIRE_VARINT_MAX bytes may be read; NULL: there is none, and the decoder
 * does not know yet. */
__attribute__((always_inline)) static inline const uint8_t *decode_number_freely(
		enum plan_kind kind, const uint8_t *at, void *out)
{
	uint64_t value;
	uint32_t word;

	if (kind == KIND_FIXED32) {
		word = wire_load32(at);
		memcpy(out, &word, 4);
		return at + 4;
	}
	if (kind == KIND_FIXED64) {
		value = wire_load64(at);
		memcpy(out, &value, 8);
		return at + 8;
	}
	if (kind == KIND_BOOL)
		return decode_bool(at, at + WIRE_VARINT_MAX, out);
	at = wire_read_varint_freely(at, &value);
	decode_store(kind, value, out);
	return at;
}

/* The same where there may be less. */
__attribute__((always_inline)) static inline const uint8_t *decode_number(
		enum plan_kind kind, const uint8_t *at, const uint8_t *end, void *out)
{
	uint64_t value = 0;

	if (end - at >= WIRE_VARINT_MAX || (kind == KIND_FIXED32 && end - at >= 4) ||
			(kind == KIND_FIXED64 && end - at >= 8))
		return decode_number_freely(kind, at, out);
	if (kind == KIND_BOOL)
		return at == end ? NULL : decode_bool(at, end, out);
	if (!kind_is_varint(kind))
		return NULL;
	at = wire_read_last_varint(at, end, &value);
	decode_store(kind, value, out);
	return at;
}

/* ---- Strings, bytes, messages ----------------------------------------------------------------- */

static inline const uint8_t *decode_length(struct decoder *decoder, const uint8_t *at,
		const uint8_t *end, size_t *length)
{
	const uint8_t *behind = wire_read_length(at, end, length);

	return behind ? behind : decoder_fail_bytes(decoder, at);
}

/* decode.c. A string the first byte of whose length was loaded; `at` is behind that. */
const uint8_t *decode_string_slowly(struct decoder *decoder, uint8_t byte,
		const uint8_t *at, const uint8_t *end, void *out);

/* Up to 64 bytes here. */
static inline const uint8_t *decode_string(
		struct decoder *decoder, const uint8_t *at, const uint8_t *end, void *out)
{
	struct evchan_proto_arena *arena = decoder->arena;
	char *string;
	uint8_t byte;

	if (at == end)
		return decoder_fail_bytes(decoder, at);
	byte = wire_load8(at++);
	if (byte > 64 || byte > end - at || byte >= arena_free(arena) ||
			(decoder->flags & EVCHAN_PROTO_CHECK_UTF8))
		return decode_string_slowly(decoder, byte, at, end, out);
	arena->high -= byte + 1u;
	string = (char *)arena->high;
	wire_copy_short(string, at, byte);
	string[byte] = '\0';
	memcpy(out, &string, sizeof(string));
	return at + byte;
}

/* What `bytes` or an unknown field shall point to. NULL: no memory. */
static inline uint8_t *decoder_keep(
		struct decoder *decoder, const uint8_t *at, size_t length)
{
	uint8_t *copy;

	if (!(decoder->flags & EVCHAN_PROTO_COPY_BYTES))
		return (uint8_t *)(uintptr_t)at;
	copy = arena_take_high(decoder->arena, length);
	if (copy)
		memcpy(copy, at, length);
	return copy;
}

static inline const uint8_t *decode_bytes(
		struct decoder *decoder, const uint8_t *at, const uint8_t *end, void *out)
{
	ProtobufCBinaryData bytes = { 0, NULL };

	at = decode_length(decoder, at, end, &bytes.len);
	if (!at)
		return NULL;
	if (bytes.len) {
		bytes.data = decoder_keep(decoder, at, bytes.len);
		if (!bytes.data)
			return decoder_fail_memory(decoder, at);
	}
	memcpy(out, &bytes, sizeof(bytes));
	return at + bytes.len;
}

/* An initialised message; NULL: no memory. */
static inline unsigned char *decoder_new_message(
		struct decoder *decoder, const struct plan *plan)
{
	unsigned char *message = arena_take_low(decoder->arena, plan->size);
	const unsigned char *image = plan->image;

	if (!message)
		return NULL;
	for (size_t done = 0; done < plan->size; done += PLAN_BLOCK)
		memcpy(message + done, image + done, PLAN_BLOCK);
	return message;
}

/* A message inside another: its length, then its fields, into `message`. */
static inline const uint8_t *decode_inner(struct decoder *decoder,
		const struct plan *plan, unsigned char *message, const uint8_t *at,
		const uint8_t *end)
{
	size_t length;

	at = decode_length(decoder, at, end, &length);
	if (!at)
		return NULL;
	if (decoder->depth_left == 0)
		return decoder_fail(
				decoder, -ELOOP, at, "messages are nested too deeply");
	decoder->depth_left--;
	at = decode_fields(decoder, plan, message, at, at + length);
	decoder->depth_left++;
	return at;
}

#endif
