/* SPDX-License-Identifier: MIT */
/* Sets of types: numbers, names, what is refused, and that a set in use stays what it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <evchan/proto.h>

#include "evolution.pb-c.h"
#include "schemas.h"

static int open_types(void **state)
{
	struct evchan_proto_types *types;

	assert_int_equal(evchan_proto_types_new(&types), 0);
	*state = types;
	return 0;
}

static int close_types(void **state)
{
	evchan_proto_types_free(*state);
	return 0;
}

static int add(struct evchan_proto_types *types, const ProtobufCMessageDescriptor *type,
		uint32_t id)
{
	return evchan_proto_types_add(types, type, id);
}

/* The number of a name is its FNV-1a hash, which never changes: it is in every ring. */
static void number_of_a_name_is_for_ever(void **state)
{
	(void)state;
	/* Test vectors of draft-eastlake-fnv. */
	assert_int_equal(evchan_proto_name_id(""), 0x811c9dc5);
	assert_int_equal(evchan_proto_name_id("a"), 0xe40c292c);
	assert_int_equal(evchan_proto_name_id("foobar"), 0xbf9cf968);
	/* Bytes above 127 are not negative. */
	assert_int_equal(evchan_proto_name_id("\xff"), (0x811c9dc5u ^ 0xffu) * 16777619u);
}

/* A type travels under its name's number, or the one that was chosen, and is found under it. */
static void type_has_a_number(void **state)
{
	struct evchan_proto_types *types = *state;
	uint32_t id = evchan_proto_name_id("evchan.test.Leaf");

	assert_int_equal(add(types, &evchan__test__leaf__descriptor, 0), 0);
	assert_int_equal(add(types, &evchan__test__tree__descriptor, 7), 0);
	assert_int_equal(evchan_proto_types_id(types, &evchan__test__leaf__descriptor),
			id);
	assert_int_equal(
			evchan_proto_types_id(types, &evchan__test__tree__descriptor), 7);
	assert_ptr_equal(evchan_proto_types_find(types, id),
			&evchan__test__leaf__descriptor);
	assert_ptr_equal(evchan_proto_types_find(types, 7),
			&evchan__test__tree__descriptor);
	assert_null(evchan_proto_types_find(types, 8));
	assert_null(evchan_proto_types_find(types, 0));
}

/* A type that is only referred to has no number of its own. */
static void inner_type_is_not_added(void **state)
{
	struct evchan_proto_types *types = *state;

	assert_int_equal(add(types, &evchan__test__optional__descriptor, 0), 0);
	assert_int_equal(
			evchan_proto_types_id(types, &evchan__test__leaf__descriptor), 0);
	assert_null(evchan_proto_types_find(
			types, evchan_proto_name_id("evchan.test.Leaf")));
	assert_int_equal(add(types, &evchan__test__leaf__descriptor, 0), 0);
	assert_int_not_equal(
			evchan_proto_types_id(types, &evchan__test__leaf__descriptor), 0);
}

/* In whatever order they are added, each is found under its number. */
static void any_order_will_do(void **state)
{
	static const uint32_t ids[] = { 50, 10, 90, 1, 70, 30, 0xfffffeff, 20 };
	struct evchan_proto_types *types = *state;

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(add(types, all_schemas[i], ids[i]), 0);
	for (unsigned i = 0; i < 8; i++) {
		assert_ptr_equal(evchan_proto_types_find(types, ids[i]), all_schemas[i]);
		assert_int_equal(evchan_proto_types_id(types, all_schemas[i]), ids[i]);
	}
}

/* Neither a type nor a number is there twice; what was there stays. */
static void nothing_is_there_twice(void **state)
{
	struct evchan_proto_types *types = *state;

	assert_int_equal(add(types, &evchan__test__leaf__descriptor, 5), 0);
	assert_int_equal(add(types, &evchan__test__leaf__descriptor, 6), -EEXIST);
	assert_int_equal(add(types, &evchan__test__tree__descriptor, 5), -EEXIST);
	/* As if two names had the same number. */
	assert_int_equal(add(types, &evchan__test__pair__descriptor,
					 evchan_proto_name_id("evchan.test.Tree")),
			0);
	assert_int_equal(add(types, &evchan__test__tree__descriptor, 0), -EEXIST);
	assert_int_equal(add(types, &evchan__test__tree__descriptor, 8), 0);
	assert_ptr_equal(evchan_proto_types_find(types, 5),
			&evchan__test__leaf__descriptor);
}

/* Without a name there must be a number; the library's own numbers are nobody's. */
static void number_must_be_possible(void **state)
{
	struct evchan_proto_types *types = *state;
	const ProtobufCMessageDescriptor *nameless = &evchan__test__nameless__descriptor;

	assert_int_equal(add(types, nameless, 0), -EINVAL);
	assert_int_equal(add(types, nameless, EVCHAN_TYPE_RESERVED), -EINVAL);
	assert_int_equal(add(types, nameless, UINT32_MAX), -EINVAL);
	assert_int_equal(add(types, nameless, EVCHAN_TYPE_RESERVED - 1), 0);
	assert_int_equal(add(types, NULL, 1), -EINVAL);
}

/* A descriptor that cannot be one is refused, also one that another refers to. */
static void descriptor_must_be_one(void **state)
{
	ProtobufCMessageDescriptor broken = evchan__test__leaf__descriptor;
	ProtobufCFieldDescriptor fields[2];
	struct evchan_proto_types *types = *state;

	broken.magic = 1;
	assert_int_equal(add(types, &broken, 1), -EINVAL);
	broken = evchan__test__leaf__descriptor;
	broken.sizeof_message = sizeof(ProtobufCMessage) - 1;
	assert_int_equal(add(types, &broken, 1), -EINVAL);
	broken = evchan__test__leaf__descriptor;
	broken.fields = fields;
	broken.n_fields = 2;
	memcpy(fields, evchan__test__leaf__descriptor.fields, sizeof(fields));
	fields[0].id = fields[1].id; /* not in order */
	assert_int_equal(add(types, &broken, 1), -EINVAL);
	fields[0].id = 0;
	assert_int_equal(add(types, &broken, 1), -EINVAL);
	fields[0].id = 1;
	fields[0].type = (ProtobufCType)99;
	assert_int_equal(add(types, &broken, 1), -EINVAL);
	fields[0].type = PROTOBUF_C_TYPE_MESSAGE; /* of no type */
	fields[0].descriptor = NULL;
	assert_int_equal(add(types, &broken, 1), -EINVAL);
	/* Nothing of all that is left. */
	assert_int_equal(add(types, &evchan__test__leaf__descriptor, 1), 0);
}

/* Once a decoder has used the set, nothing can be added. */
static void used_set_is_closed(void **state)
{
	struct evchan_proto_types *types = *state;
	struct evchan_proto_arena *arena;
	const ProtobufCMessage *message;

	assert_int_equal(add(types, &evchan__test__leaf__descriptor, 1), 0);
	assert_int_equal(evchan_proto_arena_new(&arena, 0), 0);
	assert_int_equal(evchan_proto_decode(&message, arena, types,
					 &evchan__test__leaf__descriptor, NULL, 0, NULL,
					 NULL),
			0);
	assert_int_equal(add(types, &evchan__test__tree__descriptor, 2), -EBUSY);
	assert_ptr_equal(evchan_proto_types_find(types, 1),
			&evchan__test__leaf__descriptor);
	evchan_proto_arena_free(arena);
}

/* So for a receiver, which goes on using a set that was freed. */
static void freed_set_lives_on(void **state)
{
	struct evchan_proto_receiver *receiver;
	struct evchan_proto_types *types;

	(void)state;
	assert_int_equal(evchan_proto_types_new(&types), 0);
	assert_int_equal(add(types, &evchan__test__leaf__descriptor, 1), 0);
	assert_int_equal(
			evchan_proto_receiver_new(&receiver, types, NULL, NULL, NULL), 0);
	assert_int_equal(add(types, &evchan__test__tree__descriptor, 2), -EBUSY);
	evchan_proto_types_free(types);
	assert_int_equal(evchan_proto_on(receiver, &evchan__test__leaf__descriptor, NULL,
					 NULL),
			0);
	assert_int_equal(evchan_proto_on(receiver, &evchan__test__tree__descriptor, NULL,
					 NULL),
			-ENOENT);
	evchan_proto_receiver_free(receiver);
	evchan_proto_types_free(NULL);
	evchan_proto_receiver_free(NULL);
	evchan_proto_sender_free(NULL);
	evchan_proto_arena_free(NULL);
}

#define TYPES_TEST(test) cmocka_unit_test_setup_teardown(test, open_types, close_types)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_of_a_name_is_for_ever),
		TYPES_TEST(type_has_a_number),
		TYPES_TEST(inner_type_is_not_added),
		TYPES_TEST(any_order_will_do),
		TYPES_TEST(nothing_is_there_twice),
		TYPES_TEST(number_must_be_possible),
		TYPES_TEST(descriptor_must_be_one),
		TYPES_TEST(used_set_is_closed),
		cmocka_unit_test(freed_set_lives_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
