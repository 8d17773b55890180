/* SPDX-License-Identifier: MIT */
/* Strings that are UTF-8, and those that are not, by the tables of the Unicode standard and RFC 3629. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "schemas.h"

static struct evchan_proto_arena *arena;

static int open_arena(void **state)
{
	(void)state;
	return evchan_proto_arena_new(&arena, 0);
}

static int close_arena(void **state)
{
	(void)state;
	evchan_proto_arena_free(arena);
	return 0;
}

/* Decodes a message with one string. */
static int decode(const void *text, size_t length, unsigned flags)
{
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	uint8_t *bytes = malloc(length + 2);
	const ProtobufCMessage *message;
	int r;

	assert_true(length < 128);
	bytes[0] = 0x12;
	bytes[1] = (uint8_t)length;
	memcpy(bytes + 2, text, length);
	options.flags = flags;
	evchan_proto_arena_reset(arena);
	r = evchan_proto_decode(&message, arena, NULL, &evchan__test__leaf__descriptor,
			bytes, length + 2, &options, NULL);
	free(bytes);
	return r;
}

/* With up to 20 ASCII characters before and behind it, because those are looked at eight at a time. */
static void assert_utf8(const char *text, size_t length, bool is_valid)
{
	char padded[60];

	for (size_t before = 0; before <= 20; before++) {
		for (size_t behind = 0; behind <= 20; behind++) {
			memset(padded, 'a', sizeof(padded));
			memcpy(padded + before, text, length);
			assert_int_equal(decode(padded, before + length + behind,
							 EVCHAN_PROTO_CHECK_UTF8),
					is_valid ? 0 : -EILSEQ);
		}
	}
}

/* The first and the last of each length, and the neighbours of what is left out. */
static void characters_are_accepted(void **state)
{
	static const char *const good[] = {
		"\x01",
		"\x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xe0\xbf\xbf",
		"\xe1\x80\x80",
		"\xec\xbf\xbf",
		"\xed\x80\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf0\xbf\xbf\xbf",
		"\xf1\x80\x80\x80",
		"\xf3\xbf\xbf\xbf",
		"\xf4\x80\x80\x80",
		"\xf4\x8f\xbf\xbf",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_utf8(good[i], strlen(good[i]), true);
	/* A NUL is a character, too. */
	assert_utf8("a\0b", 3, true);
	assert_utf8("", 0, true);
}

/* Overlong forms, surrogates, what is above U+10FFFF, what is cut off or goes on, and what is no first byte. */
static void other_bytes_are_refused(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x7f",
		"\xc2\xc0",
		"\xdf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xe0\xa0",
		"\xe0\xa0\x7f",
		"\xe1\x80",
		"\xe1\x80\xc0",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xef\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80",
		"\xf0\x90\x80\x7f",
		"\xf1\x80\x80\xc0",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
		"\xc2\x80\x80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_utf8(bad[i], strlen(bad[i]), false);
}

/* Every sequence of up to three bytes, against the definition. */
static bool is_character(uint32_t bytes, unsigned count)
{
	unsigned first = bytes & 0xff, second = bytes >> 8 & 0xff, third = bytes >> 16;

	if (count == 1)
		return first < 0x80;
	if ((second & 0xc0) != 0x80 || (count == 3 && (third & 0xc0) != 0x80))
		return false;
	if (count == 2)
		return first >= 0xc2 && first <= 0xdf;
	if (first < 0xe0 || first > 0xef)
		return false;
	/* Overlong below U+0800; surrogates from U+D800. */
	return !(first == 0xe0 && second < 0xa0) && !(first == 0xed && second >= 0xa0);
}

static void all_short_sequences_are_judged(void **state)
{
	uint8_t bytes[3];

	(void)state;
	for (uint32_t value = 0; value < 1u << 16; value++) {
		bytes[0] = (uint8_t)value;
		bytes[1] = (uint8_t)(value >> 8);
		assert_int_equal(decode(bytes, 2, EVCHAN_PROTO_CHECK_UTF8),
				is_character(value,
						2) || (bytes[0] < 0x80 && bytes[1] < 0x80)
						? 0
						: -EILSEQ);
	}
	/* Of three bytes, those that begin such a sequence, and a third byte at each edge. */
	for (uint32_t value = 0xe0; value < 1u << 16; value++) {
		static const uint8_t thirds[] = { 0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff };

		if ((value & 0xff) < 0xe0)
			continue;
		for (unsigned i = 0; i < 6; i++) {
			bytes[0] = (uint8_t)value;
			bytes[1] = (uint8_t)(value >> 8);
			bytes[2] = thirds[i];
			assert_int_equal(decode(bytes, 3, EVCHAN_PROTO_CHECK_UTF8),
					is_character(value | (uint32_t)thirds[i] << 16, 3)
							? 0
							: -EILSEQ);
		}
	}
}

/* Nobody asks: as protobuf-c does it. */
static void nothing_is_checked_unasked(void **state)
{
	(void)state;
	assert_int_equal(decode("\xff\xfe", 2, 0), 0);
}

/* Only strings are text. */
static void bytes_are_no_text(void **state)
{
	static const uint8_t bytes[] = { 0x7a, 1, 0xff };
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	const ProtobufCMessage *message;

	(void)state;
	options.flags = EVCHAN_PROTO_CHECK_UTF8;
	assert_int_equal(evchan_proto_decode(&message, arena, NULL,
					 &evchan__test__optional__descriptor, bytes,
					 sizeof(bytes), &options, NULL),
			0);
}

#define ARENA_TEST(test) cmocka_unit_test_setup_teardown(test, open_arena, close_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(characters_are_accepted),
		ARENA_TEST(other_bytes_are_refused),
		ARENA_TEST(all_short_sequences_are_judged),
		ARENA_TEST(nothing_is_checked_unasked),
		ARENA_TEST(bytes_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
