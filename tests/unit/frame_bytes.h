/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FRAME_BYTES_H
#define EVCHAN_TESTS_FRAME_BYTES_H

/*
 * Frames of the control socket as bytes, for the tests of control_message.h. What is decoded is first copied to memory of
 * exactly its size: the sanitizers and valgrind see any byte read beyond.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control_message.h"

#define FRAME_HEADER_BYTES 4

/* In `*type` while nothing was written there. */
#define NOT_WRITTEN ((enum control_type)0x7e)

static const enum control_type framed_types[] = { CONTROL_HELLO, CONTROL_WELCOME,
	CONTROL_REFUSED, CONTROL_EVICTED, CONTROL_BYE, CONTROL_OBSERVE, CONTROL_OBSERVED,
	CONTROL_ASK, CONTROL_LANE, CONTROL_MORE, CONTROL_TOTALS };

#define FRAMED_TYPES (sizeof(framed_types) / sizeof(framed_types[0]))

static inline bool is_framed_type(unsigned type)
{
	size_t i;

	for (i = 0; i < FRAMED_TYPES; i++)
		if (type == framed_types[i])
			return true;
	return false;
}

static inline unsigned char *copy_exact(const unsigned char *bytes, size_t size)
{
	unsigned char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	return copy;
}

static inline int frame_length(
		enum control_type *type, const unsigned char *bytes, size_t size)
{
	unsigned char *exact = copy_exact(bytes, size);
	int r;

	*type = NOT_WRITTEN;
	r = control_frame_length(type, exact, size);
	free(exact);
	return r;
}

static inline uint64_t next_random(uint64_t *random)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *random >> 33;
}

/* ---- Hellos ------------------------------------------------------------------------------ */

struct hello_frame {
	unsigned char bytes[CONTROL_FRAME_MAX];
	size_t length;
};

/* One that is accepted. */
static inline struct control_hello example_hello(void)
{
	struct control_hello hello = {
		.version = CONTROL_PROTOCOL_VERSION,
		.capacity = 262144,
		.resume = 0x123456789ab8,
		.header_size = 4096,
		.bell = 1,
		.lane_id = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
		.was_connected = true,
		.label = "label",
	};

	return hello;
}

static inline void encode_hello(
		struct hello_frame *frame, const struct control_hello *hello)
{
	memset(frame->bytes, 0xa5, sizeof(frame->bytes));
	frame->length = control_encode_hello(frame->bytes, hello);
	assert_in_range(frame->length, FRAME_HEADER_BYTES, CONTROL_FRAME_MAX);
}

static inline enum control_refusal decode_hello(
		struct control_hello *hello, const struct hello_frame *frame)
{
	unsigned char *exact = copy_exact(frame->bytes, frame->length);
	enum control_refusal refusal;

	memset(hello, 0xa5, sizeof(*hello));
	refusal = control_decode_hello(hello, exact, frame->length);
	free(exact);
	return refusal;
}

static inline enum control_refusal refusal_of_frame(const struct hello_frame *frame)
{
	struct control_hello hello;

	return decode_hello(&hello, frame);
}

static inline enum control_refusal refusal_of(const struct control_hello *hello)
{
	struct hello_frame frame;

	encode_hello(&frame, hello);
	return refusal_of_frame(&frame);
}

/* Whether these bytes are one whole frame that says it is a hello: nothing else gets to the decoder. */
static inline bool is_hello(const struct hello_frame *frame)
{
	enum control_type type;
	int length = frame_length(&type, frame->bytes, frame->length);

	return length > 0 && (size_t)length == frame->length && type == CONTROL_HELLO;
}

#endif
