/* SPDX-License-Identifier: MIT */
/* What a sender tells of its types, and what a receiver makes of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <evchan/proto.h>

#include "evolution.pb-c.h"
#include "schemas.h"

/* What is compared in this file: `theirs` is described, `ours` read. */
static enum evchan_proto_match compare(const ProtobufCMessageDescriptor *ours,
		const ProtobufCMessageDescriptor *theirs, char *why, size_t why_size)
{
	struct evchan_proto_types *here, *there;
	enum evchan_proto_match match;
	uint8_t bytes[4096];
	size_t size = sizeof(bytes);

	assert_int_equal(evchan_proto_types_new(&here), 0);
	assert_int_equal(evchan_proto_types_new(&there), 0);
	assert_int_equal(evchan_proto_types_add(here, ours, 1), 0);
	assert_int_equal(evchan_proto_types_add(there, theirs, 1), 0);
	assert_int_equal(evchan_proto_describe(there, theirs, bytes, &size), 0);
	assert_int_equal(evchan_proto_compare(
					 &match, here, ours, bytes, size, why, why_size),
			0);
	evchan_proto_types_free(here);
	evchan_proto_types_free(there);
	return match;
}

static void assert_identical(const ProtobufCMessageDescriptor *ours,
		const ProtobufCMessageDescriptor *theirs)
{
	assert_int_equal(compare(ours, theirs, NULL, 0), EVCHAN_PROTO_IDENTICAL);
}

static void assert_compatible(const ProtobufCMessageDescriptor *ours,
		const ProtobufCMessageDescriptor *theirs)
{
	char why[100] = "unchanged";

	assert_int_equal(
			compare(ours, theirs, why, sizeof(why)), EVCHAN_PROTO_COMPATIBLE);
	assert_string_equal(why, "");
}

static void assert_incompatible(const ProtobufCMessageDescriptor *ours,
		const ProtobufCMessageDescriptor *theirs, const char *expected)
{
	char why[100];

	assert_int_equal(compare(ours, theirs, why, sizeof(why)),
			EVCHAN_PROTO_INCOMPATIBLE);
	assert_string_equal(why, expected);
}

/* Every type is identical with itself, recursive ones and those without names included. */
static void type_is_like_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		assert_identical(all_schemas[i], all_schemas[i]);
}

/* Names, and types whose encodings can be taken for each other, do not matter. */
static void names_do_not_matter(void **state)
{
	(void)state;
	assert_identical(&evchan__evolution__plain__descriptor,
			&evchan__evolution__renamed__descriptor);
	assert_identical(&evchan__evolution__renamed__descriptor,
			&evchan__evolution__plain__descriptor);
}

/* Fields that one side does not know do no harm. */
static void added_field_is_compatible(void **state)
{
	(void)state;
	assert_compatible(&evchan__evolution__plain__descriptor,
			&evchan__evolution__added__descriptor);
	assert_compatible(&evchan__evolution__added__descriptor,
			&evchan__evolution__plain__descriptor);
	assert_compatible(&evchan__evolution__plain__descriptor,
			&evchan__test__empty__descriptor);
	assert_compatible(&evchan__test__empty__descriptor,
			&evchan__evolution__plain__descriptor);
}

/* One value and many can be read as each other. */
static void repeated_is_compatible_with_single(void **state)
{
	(void)state;
	assert_compatible(&evchan__evolution__plain__descriptor,
			&evchan__evolution__repeats__descriptor);
	assert_compatible(&evchan__evolution__repeats__descriptor,
			&evchan__evolution__plain__descriptor);
}

/* A field that must come is one that the sender knows, unless there is a default. */
static void required_field_must_be_known(void **state)
{
	(void)state;
	assert_incompatible(&evchan__evolution__requires__descriptor,
			&evchan__evolution__plain__descriptor,
			"field evchan.evolution.Requires.must (9) is required here and "
	                "unknown there");
	assert_compatible(&evchan__evolution__plain__descriptor,
			&evchan__evolution__requires__descriptor);
	assert_compatible(&evchan__evolution__requires_with_default__descriptor,
			&evchan__evolution__plain__descriptor);
	/* Known, but not required there: whether it comes will be seen. */
	assert_compatible(&evchan__evolution__requires_known__descriptor,
			&evchan__evolution__plain__descriptor);
}

static const ProtobufCMessageDescriptor *const kinds[] = {
	&evchan__evolution__one_integer__descriptor,
	&evchan__evolution__one_signed__descriptor,
	&evchan__evolution__one_fixed32__descriptor,
	&evchan__evolution__one_float__descriptor,
	&evchan__evolution__one_fixed64__descriptor,
	&evchan__evolution__one_double__descriptor,
	&evchan__evolution__one_bytes__descriptor,
	&evchan__evolution__one_message__descriptor,
};

/* Each kind of field fits itself only, and both kinds are named. */
static void kinds_do_not_mix(void **state)
{
	static const char *const names[] = { "an integer", "a zigzag integer",
		"fixed 32 bits", "a float", "fixed 64 bits", "a double",
		"a string or bytes", "a message" };
	char expected[100];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < 8; j++) {
			if (i == j) {
				assert_identical(kinds[i], kinds[j]);
				continue;
			}
			snprintf(expected, sizeof(expected),
					"field %s.f (1) is %s here and %s there",
					kinds[i]->name, names[i], names[j]);
			assert_incompatible(kinds[i], kinds[j], expected);
		}
	}
}

/* What differs may be in a type that this one refers to. */
static void inner_types_are_compared(void **state)
{
	(void)state;
	assert_incompatible(&evchan__evolution__plain__descriptor,
			&evchan__evolution__inner_differs__descriptor,
			"field evchan.evolution.Inner.x (1) is an integer here and a "
	                "float there");
}

/* Types that contain themselves are compared, whatever their circles look like. */
static void circles_are_compared(void **state)
{
	(void)state;
	assert_identical(&evchan__evolution__list__descriptor,
			&evchan__evolution__same_list__descriptor);
	assert_identical(&evchan__evolution__list__descriptor,
			&evchan__evolution__even__descriptor);
	assert_identical(&evchan__evolution__even__descriptor,
			&evchan__evolution__list__descriptor);
	assert_int_equal(compare(&evchan__evolution__list__descriptor,
					 &evchan__evolution__other_list__descriptor, NULL,
					 0),
			EVCHAN_PROTO_INCOMPATIBLE);
	assert_incompatible(&evchan__evolution__list__descriptor,
			&evchan__evolution__even_of_other__descriptor,
			"field evchan.evolution.List.value (1) is an integer here and a "
	                "float there");
}

/* Without names the numbers have to do. */
static void nameless_type_is_named_by_number(void **state)
{
	char why[100];

	(void)state;
	assert_int_equal(compare(&evchan__test__nameless__descriptor,
					 &evchan__evolution__one_float__descriptor, why,
					 sizeof(why)),
			EVCHAN_PROTO_INCOMPATIBLE);
	assert_string_equal(why, "field . (1) is an integer here and a float there");
}

/* The reason is cut to the room there is. */
static void reason_fits_its_room(void **state)
{
	char why[12];

	(void)state;
	memset(why, 'x', sizeof(why));
	assert_int_equal(compare(kinds[0], kinds[1], why, 10), EVCHAN_PROTO_INCOMPATIBLE);
	assert_string_equal(why, "field evc");
	assert_int_equal(why[10], 'x');
	assert_int_equal(compare(kinds[0], kinds[1], why, 0), EVCHAN_PROTO_INCOMPATIBLE);
}

/* A buffer that is too small is told the size, and written no further than it is long. */
static void size_of_a_description_is_told(void **state)
{
	struct evchan_proto_types *types;
	uint8_t whole[512], part[512];
	size_t size = 0, room;

	(void)state;
	assert_int_equal(evchan_proto_types_new(&types), 0);
	assert_int_equal(
			evchan_proto_types_add(types, &evchan__test__tree__descriptor, 1),
			0);
	assert_int_equal(evchan_proto_describe(types, &evchan__test__tree__descriptor,
					 NULL, &size),
			-ENOBUFS);
	room = size;
	assert_int_equal(evchan_proto_describe(types, &evchan__test__tree__descriptor,
					 whole, &room),
			0);
	assert_int_equal(room, size);
	for (size_t less = 0; less < size; less++) {
		memset(part, 0xaa, sizeof(part));
		room = less;
		assert_int_equal(evchan_proto_describe(types,
						 &evchan__test__tree__descriptor, part,
						 &room),
				-ENOBUFS);
		assert_int_equal(room, size);
		for (size_t i = less; i < sizeof(part); i++)
			assert_int_equal(part[i], 0xaa);
	}
	assert_int_equal(evchan_proto_describe(types, &evchan__test__leaf__descriptor,
					 whole, &room),
			-ENOENT);
	assert_int_equal(evchan_proto_compare(&(enum evchan_proto_match){ 0 }, types,
					 &evchan__test__leaf__descriptor, whole, size,
					 NULL, 0),
			-ENOENT);
	evchan_proto_types_free(types);
}

/* The bytes are those of docs/protobuf.md: they are in rings of other versions. */
static void bytes_are_for_ever(void **state)
{
	static const uint8_t expected[] = {
		1, 2, /* version, types */
		21, 'e', 'v', 'c', 'h', 'a', 'n', '.', 'e', 'v', 'o', 'l', 'u', 't', 'i',
		'o', 'n', '.', 'E', 'v', 'e', 'n', 2, /* fields */
		1, 0,                                 /* 1: an integer */
		1, 7, 1,                              /* 2: the second type */
		20, 'e', 'v', 'c', 'h', 'a', 'n', '.', 'e', 'v', 'o', 'l', 'u', 't', 'i',
		'o', 'n', '.', 'O', 'd', 'd', 2, /* fields */
		1, 0,                            /* 1: an integer */
		1, 7, 0,                         /* 2: the first type */
	};
	struct evchan_proto_types *types;
	uint8_t bytes[100];
	size_t size = sizeof(bytes);

	(void)state;
	assert_int_equal(evchan_proto_types_new(&types), 0);
	assert_int_equal(evchan_proto_types_add(
					 types, &evchan__evolution__even__descriptor, 1),
			0);
	assert_int_equal(
			evchan_proto_describe(types, &evchan__evolution__even__descriptor,
					bytes, &size),
			0);
	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(bytes, expected, size);
	evchan_proto_types_free(types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(type_is_like_itself),
		cmocka_unit_test(names_do_not_matter),
		cmocka_unit_test(added_field_is_compatible),
		cmocka_unit_test(repeated_is_compatible_with_single),
		cmocka_unit_test(required_field_must_be_known),
		cmocka_unit_test(kinds_do_not_mix),
		cmocka_unit_test(inner_types_are_compared),
		cmocka_unit_test(circles_are_compared),
		cmocka_unit_test(nameless_type_is_named_by_number),
		cmocka_unit_test(reason_fits_its_room),
		cmocka_unit_test(size_of_a_description_is_told),
		cmocka_unit_test(bytes_are_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
