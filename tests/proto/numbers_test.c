/* SPDX-License-Identifier: MIT */
/*
 * Numbers of every length at every distance from the end of the input: there the decoder goes other ways than far
 * from it. What is expected is what protobuf-c makes of the same bytes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "compare_messages.h"
#include "random_wire.h"
#include "schemas.h"

static struct evchan_proto_types *types;
static struct evchan_proto_arena *arena;

static int open_all(void **state)
{
	(void)state;
	assert_int_equal(evchan_proto_types_new(&types), 0);
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		assert_int_equal(evchan_proto_types_add(
						 types, all_schemas[i], (uint32_t)i + 1),
				0);
	return evchan_proto_arena_new(&arena, 0);
}

static int close_all(void **state)
{
	(void)state;
	evchan_proto_arena_free(arena);
	evchan_proto_types_free(types);
	return 0;
}

/* Decodes from a buffer of exactly this size. */
static void compare(
		const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	const ProtobufCMessage *message;
	ProtobufCMessage *expected;
	int r;

	memcpy(exact, bytes, size);
	expected = protobuf_c_message_unpack(type, NULL, size, exact);
	evchan_proto_arena_reset(arena);
	r = evchan_proto_decode(&message, arena, types, type, exact, size, NULL, NULL);
	assert_int_equal(r, expected ? 0 : -EBADMSG);
	if (expected) {
		assert_true(messages_are_equal(message, expected));
		protobuf_c_message_free_unpacked(expected, NULL);
	}
	free(exact);
}

static size_t put_tag(uint8_t *at, uint32_t id, unsigned wire)
{
	size_t size = 0;
	uint32_t tag = id << 3 | wire;

	while (tag >= 0x80) {
		at[size++] = (uint8_t)(tag | 0x80);
		tag >>= 7;
	}
	at[size++] = (uint8_t)tag;
	return size;
}

/* `length` bytes, of which all but the last go on; with `bits` in them. */
static void put_varint(uint8_t *at, unsigned length, uint64_t bits)
{
	for (unsigned i = 0; i < length; i++) {
		at[i] = (uint8_t)((bits >> (7 * i % 64)) & 0x7f);
		if (i + 1 < length)
			at[i] |= 0x80;
	}
}

/* A field, and then as many bytes of other fields. */
static void compare_varint(const ProtobufCMessageDescriptor *type, uint32_t id,
		unsigned length, uint64_t bits, unsigned behind)
{
	uint8_t bytes[64];
	size_t size = put_tag(bytes, id, 0);

	put_varint(bytes + size, length, bits);
	size += length;
	/* Unknown fields of two and three bytes. */
	if (behind == 1)
		return;
	while (behind) {
		unsigned step = behind == 3 ? 3 : 2;

		bytes[size] = 0x78; /* number 15; where that is known the other is it, too */
		put_varint(bytes + size + 1, step - 1, bits);
		size += step;
		behind -= step;
	}
	compare(type, bytes, size);
}

static const uint64_t patterns[] = { 0, 1, 0x7f, 0x80, UINT64_C(0x0102040810204081),
	UINT64_MAX, UINT64_C(0xaaaaaaaaaaaaaaaa), UINT64_C(0x5555555555555555),
	UINT64_C(0x8000000000000000) };
#define PATTERN_COUNT (sizeof(patterns) / sizeof(patterns[0]))

static void compare_all_varints(const ProtobufCMessageDescriptor *type, uint32_t id)
{
	for (unsigned length = 1; length <= 12; length++)
		for (unsigned behind = 0; behind <= 12; behind++)
			for (size_t i = 0; i < PATTERN_COUNT; i++)
				compare_varint(type, id, length, patterns[i], behind);
}

/* Single fields of each type, which are numbered alike in all these messages. */
static void single_varints_are_read(void **state)
{
	static const uint32_t ids[] = { 1, 2, 3, 7, 8, 9, 13, 16 };

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		compare_all_varints(&evchan__test__optional__descriptor, ids[i]);
		compare_all_varints(&evchan__test__defaults__descriptor, ids[i]);
		compare_all_varints(&evchan__test__choice__descriptor, ids[i]);
		compare_all_varints(&evchan__test__repeated__descriptor, ids[i]);
		compare_all_varints(&evchan__test3__plain__descriptor, ids[i]);
	}
}

/* Unknown ones are passed as far as they go. */
static void unknown_varints_are_passed(void **state)
{
	(void)state;
	compare_all_varints(&evchan__test__empty__descriptor, 1);
	compare_all_varints(&evchan__test__empty__descriptor, 2000);
}

/* Bytes at random, as a packed field, in which numbers of all lengths lie behind each other. */
static void packed_varints_are_read(void **state)
{
	static const uint32_t ids[] = { 21, 22, 23, 27, 28, 29, 33, 34 };
	struct random_wire random = { .state = 7 };
	uint8_t bytes[100];

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		uint32_t id = ids[random_below(&random, 8)];
		size_t size = put_tag(bytes, id, 2);
		unsigned length = random_below(&random, 40);
		unsigned mask = random_below(&random, 2) ? 0xff : 0x8f;

		bytes[size++] = (uint8_t)length;
		for (unsigned j = 0; j < length; j++)
			bytes[size++] = (uint8_t)(random_next(&random) & mask);
		if (length && random_below(&random, 4))
			bytes[size - 1] &= 0x7f;
		compare(&evchan__test__repeated__descriptor, bytes, size);
	}
}

/* Numbers of four and eight bytes, whole and cut off. */
static void fixed_numbers_are_read(void **state)
{
	static const struct {
		uint32_t id;
		unsigned wire;
	} fields[] = { { 4, 5 }, { 5, 5 }, { 6, 5 }, { 10, 1 }, { 11, 1 }, { 12, 1 } };
	static const ProtobufCMessageDescriptor *const messages[] = {
		&evchan__test__optional__descriptor, &evchan__test__repeated__descriptor,
		&evchan__test__choice__descriptor, &evchan__test3__plain__descriptor
	};
	uint8_t bytes[20];

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (size_t size = 0; size <= 9; size++) {
			size_t lead = put_tag(bytes, fields[i].id, fields[i].wire);

			memset(bytes + lead, 0x80 | (int)size, 10);
			for (size_t j = 0; j < 4; j++)
				compare(messages[j], bytes, lead + size);
		}
	}
}

/* Tags and lengths that are longer than they need be, up to what is too long. */
static void overlong_tags_and_lengths_are_read(void **state)
{
	uint8_t bytes[40];

	(void)state;
	for (unsigned tag = 1; tag <= 7; tag++) {
		for (unsigned length = 1; length <= 7; length++) {
			size_t size;

			put_varint(bytes, tag, 2 << 3 | 2);
			put_varint(bytes + tag, length, 3);
			size = tag + length;
			memcpy(bytes + size, "abc", 3);
			for (size_t cut = 0; cut <= size + 3; cut++)
				compare(&evchan__test__leaf__descriptor, bytes, cut);
		}
	}
}

/* Strings of each length around those at which they are copied in another way. */
static void strings_are_copied_whole(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (unsigned length = 0; length < 200; length++) {
		size_t lead = length < 128 ? 2 : 3;

		bytes[0] = 0x12;
		put_varint(bytes + 1, length < 128 ? 1 : 2, length);
		for (unsigned i = 0; i < length; i++)
			bytes[lead + i] = (uint8_t)('0' + i % 75);
		compare(&evchan__test__leaf__descriptor, bytes, lead + length);
		compare(&evchan__test__leaf__descriptor, bytes, lead + length - 1);
	}
}

#define ALL_TEST(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL_TEST(single_varints_are_read),
		ALL_TEST(unknown_varints_are_passed),
		ALL_TEST(packed_varints_are_read),
		ALL_TEST(fixed_numbers_are_read),
		ALL_TEST(overlong_tags_and_lengths_are_read),
		ALL_TEST(strings_are_copied_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
