/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FUZZ_H
#define EVCHAN_TESTS_FUZZ_H

/*
 * A fuzz target is one property: something that holds for any bytes whatever, as one function. Linked with
 * libFuzzer it is asked about bytes that reach new code; linked with replay.c it is an ordinary test on the
 * inputs of corpus/, and on some that are made from these.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The property. Ends the process if it does not hold. Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZ_CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, \
					__LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* An input that is taken apart from its beginning. Behind its end there are zeros. */
struct fuzz_input {
	const uint8_t *at;
	const uint8_t *end;
};

static inline size_t fuzz_left(const struct fuzz_input *input)
{
	return (size_t)(input->end - input->at);
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

/* `bytes` of them, little-endian. */
static inline uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes; i++)
		number |= (uint64_t)fuzz_byte(input) << (8 * i);
	return number;
}

/* Fewer if there are not so many. Returns how many. */
static inline size_t fuzz_bytes(struct fuzz_input *input, void *out, size_t count)
{
	if (count > fuzz_left(input))
		count = fuzz_left(input);
	if (count)
		memcpy(out, input->at, count);
	input->at += count;
	return count;
}

/* A copy of exactly this size, so that a sanitizer sees one byte too many. free() it. */
static inline uint8_t *fuzz_exact_copy(const void *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	FUZZ_CHECK(copy);
	if (size)
		memcpy(copy, bytes, size);
	return copy;
}

#endif
