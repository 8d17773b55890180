/* SPDX-License-Identifier: MIT */
/*
 * A message field that comes twice is merged, as the protobuf specification wants it ("Last One Wins", Encoding): scalars
 * of the later win, those of the earlier stay, repeated fields are joined. protobuf-c loses the earlier ones.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <evchan/proto.h>

#include "schemas.h"

struct bench {
	struct evchan_proto_arena *arena;
	uint8_t bytes[256];
	size_t size;
};

static int open_bench(void **state)
{
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	assert_int_equal(evchan_proto_arena_new(&bench.arena, 0), 0);
	*state = &bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	evchan_proto_arena_free(bench->arena);
	return 0;
}

/* Packs another message behind what is there: joining encodings is merging. */
static void append(struct bench *bench, const ProtobufCMessage *message)
{
	size_t size = sizeof(bench->bytes) - bench->size;

	assert_int_equal(
			evchan_proto_pack(message, bench->bytes + bench->size, &size), 0);
	bench->size += size;
}

static const void *decode(
		struct bench *bench, const ProtobufCMessageDescriptor *descriptor)
{
	const ProtobufCMessage *message;

	assert_int_equal(evchan_proto_decode(&message, bench->arena, NULL, descriptor,
					 bench->bytes, bench->size, NULL, NULL),
			0);
	return message;
}

/* In a plain field. */
static void field_is_merged(void **state)
{
	Evchan__Test__Optional outer = EVCHAN__TEST__OPTIONAL__INIT;
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	const Evchan__Test__Optional *merged;
	int32_t first[] = { 1, 2 }, second[] = { 3 };
	struct bench *bench = *state;

	outer.o_leaf = &leaf;
	leaf.has_number = 1;
	leaf.number = 5;
	leaf.n_list = 2;
	leaf.list = first;
	append(bench, &outer.base);
	leaf.has_number = 0;
	leaf.text = (char[]){ "later" };
	leaf.n_list = 1;
	leaf.list = second;
	append(bench, &outer.base);
	merged = decode(bench, &evchan__test__optional__descriptor);
	assert_true(merged->o_leaf->has_number);
	assert_int_equal(merged->o_leaf->number, 5);
	assert_string_equal(merged->o_leaf->text, "later");
	assert_int_equal(merged->o_leaf->n_list, 3);
	assert_int_equal(merged->o_leaf->list[0], 1);
	assert_int_equal(merged->o_leaf->list[2], 3);
}

/* proto3 has no presence: what the second does not send stays. */
static void proto3_scalars_survive(void **state)
{
	Evchan__Test3__Plain outer;
	Evchan__Test3__Inner inner;
	const Evchan__Test3__Plain *merged;
	struct bench *bench = *state;

	evchan__test3__plain__init(&outer);
	evchan__test3__inner__init(&inner);
	outer.f_inner = &inner;
	inner.a = 5;
	append(bench, &outer.base);
	inner.a = 0;
	inner.b = (char[]){ "b" };
	append(bench, &outer.base);
	merged = decode(bench, &evchan__test3__plain__descriptor);
	assert_int_equal(merged->f_inner->a, 5);
	assert_string_equal(merged->f_inner->b, "b");
}

/* In a oneof, if it is the same message; another member replaces it. */
static void oneof_is_merged_and_replaced(void **state)
{
	Evchan__Test__Choice choice = EVCHAN__TEST__CHOICE__INIT;
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	const Evchan__Test__Choice *merged;
	struct bench *bench = *state;

	choice.choice_case = EVCHAN__TEST__CHOICE__CHOICE_C_LEAF;
	choice.c_leaf = &leaf;
	leaf.has_number = 1;
	leaf.number = 7;
	append(bench, &choice.base);
	leaf.has_number = 0;
	leaf.text = (char[]){ "text" };
	append(bench, &choice.base);
	merged = decode(bench, &evchan__test__choice__descriptor);
	assert_int_equal(merged->choice_case, EVCHAN__TEST__CHOICE__CHOICE_C_LEAF);
	assert_int_equal(merged->c_leaf->number, 7);
	assert_string_equal(merged->c_leaf->text, "text");
	choice.choice_case = EVCHAN__TEST__CHOICE__CHOICE_C_INT32;
	choice.c_int32 = -1;
	append(bench, &choice.base);
	merged = decode(bench, &evchan__test__choice__descriptor);
	assert_int_equal(merged->choice_case, EVCHAN__TEST__CHOICE__CHOICE_C_INT32);
	assert_int_equal(merged->c_int32, -1);
}

/* Each occurrence must have its required fields, as for protobuf-c. */
static void each_occurrence_is_complete(void **state)
{
	/* left { must: 1 }, left { value: 1 }, must: 1 */
	static const uint8_t bytes[] = { 0x12, 2, 0x28, 1, 0x12, 2, 0x08, 1, 0x28, 1 };
	struct evchan_proto_problem problem;
	const ProtobufCMessage *message;
	struct bench *bench = *state;

	assert_int_equal(evchan_proto_decode(&message, bench->arena, NULL,
					 &evchan__test__tree__descriptor, bytes,
					 sizeof(bytes), NULL, &problem),
			-EBADMSG);
	assert_int_equal(problem.offset, 8);
	assert_non_null(strstr(problem.text, "required"));
}

/* An array that points into the input is copied when the second occurrence adds to it. */
static void borrowed_array_is_joined(void **state)
{
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	Evchan__Test__Repeated repeated = EVCHAN__TEST__REPEATED__INIT;
	uint64_t first[] = { 1, 2, 3 }, second[] = { 4 };
	const ProtobufCMessage *message;
	const Evchan__Test__Repeated *joined;
	struct bench *bench = *state;

	repeated.n_p_fixed64 = 3;
	repeated.p_fixed64 = first;
	append(bench, &repeated.base);
	repeated.n_p_fixed64 = 1;
	repeated.p_fixed64 = second;
	append(bench, &repeated.base);
	/* All eight positions: at one of them the array is aligned, and borrowed. */
	options.flags = EVCHAN_PROTO_BORROW_PACKED;
	for (unsigned shift = 0; shift < 8; shift++) {
		uint8_t moved[280];

		memcpy(moved + shift, bench->bytes, bench->size);
		evchan_proto_arena_reset(bench->arena);
		assert_int_equal(evchan_proto_decode(&message, bench->arena, NULL,
						 &evchan__test__repeated__descriptor,
						 moved + shift, bench->size, &options,
						 NULL),
				0);
		joined = (const Evchan__Test__Repeated *)message;
		assert_int_equal(joined->n_p_fixed64, 4);
		for (uint64_t i = 0; i < 4; i++)
			assert_int_equal(joined->p_fixed64[i], i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(field_is_merged, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(
				proto3_scalars_survive, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(
				oneof_is_merged_and_replaced, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(
				each_occurrence_is_complete, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(
				borrowed_array_is_joined, open_bench, close_bench),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
