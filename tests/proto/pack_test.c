/* SPDX-License-Identifier: MIT */
/* Packing where there is too little room, just enough, or a little more: the bytes are protobuf-c's, and none too many. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "pack.h"
#include "plan.h"
#include "random_wire.h"
#include "schemas.h"

static struct plan_table plans = PLAN_TABLE_NONE;

static int forget_plans(void **state)
{
	(void)state;
	plan_table_deinit(&plans);
	return 0;
}

/* What senders do: by the plan of the type, at first with guesses, and then, if that fails, exactly. */
static void pack_by_plan(const ProtobufCMessage *message, size_t room,
		const uint8_t *expected, size_t needed)
{
	const struct plan *plan;

	assert_int_equal(plan_table_add(&plans, &plan, message->descriptor), 0);
	for (unsigned is_exact = 0; is_exact < 2; is_exact++) {
		uint8_t *bytes = malloc(room ? room : 1);
		const uint8_t *behind = pack_planned(
				plan, message, bytes, bytes + room, is_exact);

		if (behind) {
			assert_int_equal(behind - bytes, needed);
			assert_memory_equal(bytes, expected, needed);
		}
		/* A guess is wrong by the few bytes of a length. */
		if (room < needed || is_exact || room > needed + 40)
			assert_int_equal(behind != NULL, room >= needed);
		free(bytes);
	}
}

/* Every capacity up to a few more bytes than are needed, in a buffer of just that size. */
static void pack_into_all_sizes(const ProtobufCMessage *message)
{
	size_t needed = protobuf_c_message_get_packed_size(message);
	uint8_t *expected = malloc(needed + 1);

	assert_int_equal(protobuf_c_message_pack(message, expected), needed);
	for (size_t room = 0; room <= needed + 20; room++) {
		uint8_t *bytes = malloc(room ? room : 1);
		size_t size = room;

		assert_int_equal(evchan_proto_pack(message, bytes, &size),
				room < needed ? -ENOBUFS : 0);
		assert_int_equal(size, needed);
		if (room >= needed)
			assert_memory_equal(bytes, expected, needed);
		free(bytes);
		pack_by_plan(message, room, expected, needed);
	}
	pack_by_plan(message, needed + 100, expected, needed);
	free(expected);
}

/* Messages of all types. */
static void any_room_is_respected(void **state)
{
	uint8_t bytes[3000];

	(void)state;
	for (size_t i = 0; i < SCHEMA_COUNT; i++) {
		unsigned done = 0;

		for (uint64_t seed = 0; done < 6; seed++) {
			struct random_wire wire = {
				.state = seed, .bytes = bytes, .room = sizeof(bytes)
			};
			ProtobufCMessage *message;

			random_message(&wire, all_schemas[i], 2);
			message = protobuf_c_message_unpack(
					all_schemas[i], NULL, wire.size, bytes);
			if (!message)
				continue;
			pack_into_all_sizes(message);
			protobuf_c_message_free_unpacked(message, NULL);
			done++;
		}
	}
}

/* The length of an inner message gets longer than that of its brother before it, and shorter again. */
static void lengths_of_brothers_differ(void **state)
{
	static const unsigned sizes[] = { 0, 200, 1, 127, 128, 3, 17000, 2, 16383, 0 };
	Evchan__Test__Repeated outer = EVCHAN__TEST__REPEATED__INIT;
	Evchan__Test__Leaf leaves[10], *list[10];
	size_t needed, size;
	uint8_t *expected, *bytes;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		evchan__test__leaf__init(&leaves[i]);
		leaves[i].text = malloc(sizes[i] + 1);
		memset(leaves[i].text, 'a' + (int)i, sizes[i]);
		leaves[i].text[sizes[i]] = '\0';
		list[i] = &leaves[i];
	}
	outer.n_u_leaf = 10;
	outer.u_leaf = list;
	needed = protobuf_c_message_get_packed_size(&outer.base);
	expected = malloc(needed);
	protobuf_c_message_pack(&outer.base, expected);
	for (size_t more = 0; more < 4; more++) {
		bytes = malloc(needed + more);
		size = needed + more;
		assert_int_equal(evchan_proto_pack(&outer.base, bytes, &size), 0);
		assert_int_equal(size, needed);
		assert_memory_equal(bytes, expected, needed);
		free(bytes);
		pack_by_plan(&outer.base, needed + more, expected, needed);
	}
	pack_by_plan(&outer.base, needed + 100, expected, needed);
	for (unsigned i = 0; i < 10; i++)
		free(leaves[i].text);
	free(expected);
}

/* Numbers at which a varint gets longer, and the edges of each type. */
static void numbers_are_packed_alike(void **state)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;
	Evchan__Test3__Plain plain;

	(void)state;
	evchan__test3__plain__init(&plain);
	optional.has_o_int32 = optional.has_o_sint32 = optional.has_o_uint32 = 1;
	optional.has_o_int64 = optional.has_o_sint64 = optional.has_o_uint64 = 1;
	optional.has_o_bool = optional.has_o_enum = 1;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int change = -1; change <= 1; change++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)change;

			optional.o_uint64 = plain.f_uint64 = value;
			optional.o_int64 = plain.f_int64 = (int64_t)(0 - value);
			optional.o_sint64 = plain.f_sint64 = (int64_t)value;
			optional.o_uint32 = plain.f_uint32 = (uint32_t)value;
			optional.o_int32 = plain.f_int32 = (int32_t)value;
			optional.o_sint32 = plain.f_sint32 =
					(int32_t)(0 - (uint32_t)value);
			optional.o_bool = plain.f_bool = (int)(uint32_t)value;
			plain.f_fixed32 = (uint32_t)value;
			plain.f_fixed64 = value;
			pack_into_all_sizes(&optional.base);
			pack_into_all_sizes(&plain.base);
		}
	}
}

/* What proto3 does not send: zero, minus zero, what is empty or not there. */
static void nothing_is_not_sent(void **state)
{
	static const float floats[] = { 0.0f, -0.0f, FLT_MIN / 4, NAN };
	static const double doubles[] = { 0.0, -0.0, DBL_MIN / 4, NAN };
	Evchan__Test3__Plain plain;
	uint8_t byte = 0;

	(void)state;
	evchan__test3__plain__init(&plain);
	for (unsigned i = 0; i < 4; i++) {
		plain.f_float = floats[i];
		plain.f_double = doubles[i];
		pack_into_all_sizes(&plain.base);
	}
	evchan__test3__plain__init(&plain);
	assert_int_equal(protobuf_c_message_get_packed_size(&plain.base), 0);
	plain.f_string = NULL;
	plain.f_bytes.data = &byte;
	pack_into_all_sizes(&plain.base);
	assert_int_equal(protobuf_c_message_get_packed_size(&plain.base), 0);
}

/* What must be sent and is not there is sent empty. */
static void absent_required_fields_are_sent_empty(void **state)
{
	Evchan__Test__Required required = EVCHAN__TEST__REQUIRED__INIT;

	(void)state;
	assert_null(required.r_string);
	assert_null(required.r_leaf);
	pack_into_all_sizes(&required.base);
}

/* A field of a oneof is sent if it was chosen, its value may be nothing. */
static void chosen_fields_are_sent(void **state)
{
	Evchan__Test__Choice choice = EVCHAN__TEST__CHOICE__INIT;
	Evchan__Test3__Plain plain;

	(void)state;
	evchan__test3__plain__init(&plain);
	for (unsigned id = 0; id < 22; id++) {
		choice.choice_case = (Evchan__Test__Choice__ChoiceCase)id;
		pack_into_all_sizes(&choice.base);
	}
	for (unsigned id = 50; id < 68; id++) {
		plain.one_case = (Evchan__Test3__Plain__OneCase)id;
		pack_into_all_sizes(&plain.base);
	}
}

/* No buffer at all asks for the size. */
static void size_can_be_asked_for(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	size_t size = 0;

	(void)state;
	assert_int_equal(evchan_proto_pack(&leaf.base, NULL, &size), 0);
	assert_int_equal(size, 0);
	leaf.text = (char[]){ "text" };
	assert_int_equal(evchan_proto_pack(&leaf.base, NULL, &size), -ENOBUFS);
	assert_int_equal(size, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_room_is_respected),
		cmocka_unit_test(lengths_of_brothers_differ),
		cmocka_unit_test(numbers_are_packed_alike),
		cmocka_unit_test(nothing_is_not_sent),
		cmocka_unit_test(absent_required_fields_are_sent_empty),
		cmocka_unit_test(chosen_fields_are_sent),
		cmocka_unit_test(size_can_be_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, forget_plans);
}
