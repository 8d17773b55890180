/* SPDX-License-Identifier: MIT */
/* Deep copies: of whatever message, freed by protobuf-c's own function, and nothing is lost when memory runs out. */

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

/* An allocator that counts, and fails when it is told to. */
struct purse {
	unsigned taken;
	unsigned given;
	unsigned fails_at; /* the n-th; 0: never */
};

static void *take(void *data, size_t size)
{
	struct purse *purse = data;

	if (purse->taken + 1 == purse->fails_at)
		return NULL;
	purse->taken++;
	/* Recognisable, in case somebody reads what nobody wrote. */
	return memset(malloc(size), 0x5a, size);
}

static void give(void *data, void *pointer)
{
	struct purse *purse = data;

	if (pointer)
		purse->given++;
	free(pointer);
}

static void copy_and_compare(const ProtobufCMessage *message)
{
	struct purse purse = { 0, 0, 0 };
	ProtobufCAllocator allocator = { take, give, &purse };
	ProtobufCMessage *copy = NULL;
	unsigned needed;

	assert_int_equal(evchan_proto_detach(&copy, message, &allocator), 0);
	assert_true(messages_are_equal(copy, message));
	protobuf_c_message_free_unpacked(copy, &allocator);
	assert_int_equal(purse.taken, purse.given);
	needed = purse.taken;
	for (unsigned at = 1; at <= needed; at++) {
		purse = (struct purse){ 0, 0, at };
		copy = NULL;
		assert_int_equal(
				evchan_proto_detach(&copy, message, &allocator), -ENOMEM);
		assert_null(copy);
		assert_int_equal(purse.taken, at - 1);
		assert_int_equal(purse.given, at - 1);
	}
}

/* Messages of all types, whichever allocation fails. */
static void every_allocation_may_fail(void **state)
{
	uint8_t bytes[2500];

	(void)state;
	for (size_t i = 0; i < SCHEMA_COUNT; i++) {
		for (unsigned done = 0, seed = 0; done < 8; seed++) {
			struct random_wire wire = {
				.state = seed, .bytes = bytes, .room = sizeof(bytes)
			};
			ProtobufCMessage *message;

			random_message(&wire, all_schemas[i], 2);
			message = protobuf_c_message_unpack(
					all_schemas[i], NULL, wire.size, bytes);
			if (!message)
				continue;
			copy_and_compare(message);
			protobuf_c_message_free_unpacked(message, NULL);
			done++;
		}
	}
}

/* Strings and bytes that no free function may see: literals, protobuf-c's own empty string. */
static void borrowed_strings_become_own(void **state)
{
	Evchan__Test__Repeated repeated = EVCHAN__TEST__REPEATED__INIT;
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	Evchan__Test__Choice choice = EVCHAN__TEST__CHOICE__INIT;
	char *empty = (char *)(uintptr_t)protobuf_c_empty_string;
	char *strings[] = { empty, (char[]){ "text" }, empty };
	ProtobufCBinaryData bytes[] = { { 0, NULL }, { 0, (uint8_t *)empty },
		{ 2, (uint8_t[]){ 1, 2 } } };

	(void)state;
	repeated.n_u_string = repeated.n_u_bytes = 3;
	repeated.u_string = strings;
	repeated.u_bytes = bytes;
	copy_and_compare(&repeated.base);
	leaf.text = empty;
	copy_and_compare(&leaf.base);
	choice.choice_case = EVCHAN__TEST__CHOICE__CHOICE_C_STRING;
	choice.c_string = empty;
	copy_and_compare(&choice.base);
}

/* Defaults stay the type's own, as in what was unpacked. */
static void defaults_stay_what_they_are(void **state)
{
	Evchan__Test__Defaults defaults = EVCHAN__TEST__DEFAULTS__INIT;
	Evchan__Test3__Plain plain;
	ProtobufCMessage *copy;

	(void)state;
	evchan__test3__plain__init(&plain);
	copy_and_compare(&defaults.base);
	copy_and_compare(&plain.base);
	assert_int_equal(evchan_proto_detach(&copy, &defaults.base, NULL), 0);
	assert_ptr_equal(((Evchan__Test__Defaults *)copy)->d_string, defaults.d_string);
	assert_ptr_equal(((Evchan__Test__Defaults *)copy)->d_bytes.data,
			defaults.d_bytes.data);
	protobuf_c_message_free_unpacked(copy, NULL);
}

/* Of a oneof only what was chosen is looked at, whatever lies in the union. */
static void only_the_choice_is_copied(void **state)
{
	Evchan__Test__Choice choice = EVCHAN__TEST__CHOICE__INIT;

	(void)state;
	choice.c_uint64 = 0x1234; /* no pointer */
	copy_and_compare(&choice.base);
	choice.choice_case = EVCHAN__TEST__CHOICE__CHOICE_C_UINT64;
	copy_and_compare(&choice.base);
}

/* What is not there is not copied: strings, messages, arrays without elements, elements that are no message. */
static void absent_fields_stay_absent(void **state)
{
	Evchan__Test__Required required = EVCHAN__TEST__REQUIRED__INIT;
	Evchan__Test__Repeated repeated = EVCHAN__TEST__REPEATED__INIT;
	Evchan__Test__Leaf *leaves[] = { NULL, NULL };

	(void)state;
	copy_and_compare(&required.base);
	repeated.n_u_leaf = 2;
	repeated.u_leaf = leaves;
	copy_and_compare(&repeated.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(borrowed_strings_become_own),
		cmocka_unit_test(defaults_stay_what_they_are),
		cmocka_unit_test(only_the_choice_is_copied),
		cmocka_unit_test(absent_fields_stay_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
