/* SPDX-License-Identifier: MIT */
/* Where in a stream of bytes a frame ends, and as early as possible that there can be none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame_bytes.h"

/* Nothing says nothing, not even a type. */
static void no_bytes_are_no_frame_yet(void **state)
{
	enum control_type type;

	(void)state;
	assert_int_equal(frame_length(&type, (const unsigned char *)"", 0), 0);
	assert_int_equal(type, NOT_WRITTEN);
}

/* A ring is one byte, whatever follows. */
static void ring_is_one_byte(void **state)
{
	unsigned char bytes[3] = { CONTROL_RING };
	enum control_type type;
	unsigned next;
	size_t size;

	(void)state;
	for (next = 0; next < 256; next++)
		for (size = 1; size <= sizeof(bytes); size++) {
			bytes[1] = bytes[2] = (unsigned char)next;
			assert_int_equal(frame_length(&type, bytes, size), 1);
			assert_int_equal(type, CONTROL_RING);
		}
}

/* The first byte decides: no more is waited for behind a type that does not exist. */
static void unknown_type_is_refused_at_once(void **state)
{
	unsigned char bytes[8] = { 0, 0, 8, 0 };
	enum control_type type;
	unsigned value;
	size_t size;

	(void)state;
	for (value = 0; value < 256; value++) {
		if (value == CONTROL_RING || is_framed_type(value))
			continue;
		bytes[0] = (unsigned char)value;
		for (size = 1; size <= sizeof(bytes); size++) {
			assert_int_equal(frame_length(&type, bytes, size), -EPROTO);
			assert_int_equal(type, NOT_WRITTEN);
		}
	}
}

/* Until the length is there no more can be said than the type. */
static void length_is_waited_for(void **state)
{
	unsigned char bytes[3] = { 0 };
	enum control_type type;
	size_t i, size;
	unsigned low;

	(void)state;
	for (i = 0; i < FRAMED_TYPES; i++)
		for (low = 0; low < 256; low++)
			for (size = 1; size <= 3; size++) {
				bytes[0] = (unsigned char)framed_types[i];
				bytes[2] = (unsigned char)low;
				assert_int_equal(frame_length(&type, bytes, size), 0);
				assert_int_equal(type, framed_types[i]);
			}
}

/* Every length a frame can announce, with every number of its bytes that may decide something. */
static void every_length_is_found_or_refused(void **state)
{
	unsigned char bytes[CONTROL_FRAME_MAX + 8] = { 0 };
	size_t i, length, step, sizes[5];
	enum control_type type;

	(void)state;
	for (i = 0; i < 65536 * FRAMED_TYPES; i++) {
		length = i % 65536;
		bytes[0] = (unsigned char)framed_types[i / 65536];
		bytes[2] = (unsigned char)(length & 0xff);
		bytes[3] = (unsigned char)(length >> 8);
		if (length < 4 || length > CONTROL_FRAME_MAX) {
			assert_int_equal(frame_length(&type, bytes, 4), -EPROTO);
			assert_int_equal(type, NOT_WRITTEN);
			continue;
		}
		sizes[0] = 4;
		sizes[1] = length - 1 > 4 ? length - 1 : 4;
		sizes[2] = length;
		sizes[3] = length + 1;
		sizes[4] = sizeof(bytes);
		for (step = 0; step < 5; step++) {
			assert_int_equal(frame_length(&type, bytes, sizes[step]),
					sizes[step] < length ? 0 : (int)length);
			assert_int_equal(type, framed_types[i / 65536]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_bytes_are_no_frame_yet),
		cmocka_unit_test(ring_is_one_byte),
		cmocka_unit_test(unknown_type_is_refused_at_once),
		cmocka_unit_test(length_is_waited_for),
		cmocka_unit_test(every_length_is_found_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
