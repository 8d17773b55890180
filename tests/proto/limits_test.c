/* SPDX-License-Identifier: MIT */
/* What a decoder can be told not to do: depth, size, characters; and what it cannot be told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "schemas.h"

struct bench {
	struct evchan_proto_arena *arena;
	struct evchan_proto_decode_options options;
	struct evchan_proto_problem problem;
	uint8_t bytes[4096];
	size_t size;
};

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_int_equal(evchan_proto_arena_new(&bench->arena, 0), 0);
	bench->options = (struct evchan_proto_decode_options)
			EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	evchan_proto_arena_free(bench->arena);
	free(bench);
	return 0;
}

static int decode(struct bench *bench, const ProtobufCMessageDescriptor *type)
{
	const ProtobufCMessage *message;

	evchan_proto_arena_reset(bench->arena);
	return evchan_proto_decode(&message, bench->arena, NULL, type, bench->bytes,
			bench->size, &bench->options, &bench->problem);
}

/* Puts what there is into a field of another message, whose first bytes are these. */
static void wrap(struct bench *bench, const void *tag, size_t tag_size)
{
	size_t size = bench->size, lead = tag_size + (size < 128 ? 1 : 2);

	memmove(bench->bytes + lead, bench->bytes, size);
	memcpy(bench->bytes, tag, tag_size);
	bench->bytes[tag_size] = (uint8_t)(size < 128 ? size : size | 0x80);
	if (size >= 128)
		bench->bytes[tag_size + 1] = (uint8_t)(size >> 7);
	bench->size += lead;
}

/* ---- Depth ----------------------------------------------------------------------------------- */

/* `must` of the innermost, then each in that field of the next, with its own `must`. */
static void make_tree(struct bench *bench, unsigned levels, uint8_t tag)
{
	static const uint8_t must[] = { 0x28, 1 };

	memcpy(bench->bytes, must, sizeof(must));
	bench->size = sizeof(must);
	while (--levels) {
		wrap(bench, &tag, 1);
		memcpy(bench->bytes + bench->size, must, sizeof(must));
		bench->size += sizeof(must);
	}
}

/* The outermost message counts: with the default 100 of them are taken, whatever kind of field they are in. */
static void depth_is_counted(void **state)
{
	static const uint8_t tags[] = { 0x12, 0x22 }; /* a single field, a repeated one */
	struct bench *bench = *state;

	for (unsigned i = 0; i < 2; i++) {
		make_tree(bench, 99, tags[i]);
		assert_int_equal(decode(bench, &evchan__test__tree__descriptor), 0);
		make_tree(bench, 100, tags[i]);
		assert_int_equal(decode(bench, &evchan__test__tree__descriptor), 0);
		make_tree(bench, 101, tags[i]);
		assert_int_equal(decode(bench, &evchan__test__tree__descriptor), -ELOOP);
		assert_non_null(strstr(bench->problem.text, "deep"));
	}
}

/* Likewise in a oneof. */
static void depth_of_choices_is_counted(void **state)
{
	static const uint8_t tag[] = { 0x92, 0x01 };
	struct bench *bench = *state;

	bench->size = 0;
	for (unsigned levels = 1; levels < 100; levels++)
		wrap(bench, tag, sizeof(tag));
	assert_int_equal(decode(bench, &evchan__test__choice__descriptor), 0);
	wrap(bench, tag, sizeof(tag));
	assert_int_equal(decode(bench, &evchan__test__choice__descriptor), -ELOOP);
}

/* Any other depth can be asked for. */
static void depth_is_an_option(void **state)
{
	struct bench *bench = *state;

	for (unsigned depth = 1; depth < 120; depth++) {
		bench->options.max_depth = depth;
		make_tree(bench, depth, 0x12);
		assert_int_equal(decode(bench, &evchan__test__tree__descriptor), 0);
		make_tree(bench, depth + 1, 0x12);
		assert_int_equal(decode(bench, &evchan__test__tree__descriptor), -ELOOP);
	}
}

/* What is unknown is not looked into, however deep. */
static void unknown_depth_is_none(void **state)
{
	struct bench *bench = *state;

	make_tree(bench, 500, 0x12);
	wrap(bench, "\x7a", 1);
	bench->options.max_depth = 1;
	assert_int_equal(decode(bench, &evchan__test__empty__descriptor), 0);
}

/* ---- Size -------------------------------------------------------------------------------------- */

/* A message that is longer than allowed is refused before anything else. */
static void size_is_an_option(void **state)
{
	struct bench *bench = *state;

	make_tree(bench, 10, 0x12);
	bench->options.max_bytes = bench->size;
	assert_int_equal(decode(bench, &evchan__test__tree__descriptor), 0);
	bench->options.max_bytes = bench->size - 1;
	assert_int_equal(decode(bench, &evchan__test__tree__descriptor), -EMSGSIZE);
	assert_int_equal(bench->problem.offset, 0);
	assert_int_equal(evchan_proto_arena_used(bench->arena), 0);
	bench->options.max_bytes = 0;
	assert_int_equal(decode(bench, &evchan__test__tree__descriptor), 0);
}

/* Lengths that go beyond the message are refused, at every level, before memory is taken for them. */
static void lengths_stay_inside(void **state)
{
	static const uint8_t text[] = { 0x12, 0xff, 0xff, 0xff, 0xff, 0x07, 'x' };
	static const uint8_t inner[] = { 0x8a, 0x01, 3, 0x12, 2, 'x', 0x08, 1 };
	struct bench *bench = *state;

	memcpy(bench->bytes, text, sizeof(text));
	bench->size = sizeof(text);
	assert_int_equal(decode(bench, &evchan__test__leaf__descriptor), -EBADMSG);
	assert_true(evchan_proto_arena_used(bench->arena) < 200);
	/* The string would end behind its message, but inside the outer one. */
	memcpy(bench->bytes, inner, sizeof(inner));
	bench->size = sizeof(inner);
	assert_int_equal(decode(bench, &evchan__test__optional__descriptor), -EBADMSG);
	assert_int_equal(bench->problem.offset, 4);
}

/* ---- Options -------------------------------------------------------------------------------------- */

/* Flags nobody knows are refused; so is a struct of the future that asks for something. */
static void unknown_options_are_refused(void **state)
{
	struct bench *bench = *state;
	struct {
		struct evchan_proto_decode_options known;
		uint64_t more;
	} future = { EVCHAN_PROTO_DECODE_OPTIONS_INIT, 0 };
	const ProtobufCMessage *message;

	bench->options.flags = 1 << 3;
	assert_int_equal(decode(bench, &evchan__test__empty__descriptor), -EINVAL);
	future.known.size = sizeof(future);
	assert_int_equal(evchan_proto_decode(&message, bench->arena, NULL,
					 &evchan__test__empty__descriptor, NULL, 0,
					 &future.known, NULL),
			0);
	future.more = 1;
	assert_int_equal(evchan_proto_decode(&message, bench->arena, NULL,
					 &evchan__test__empty__descriptor, NULL, 0,
					 &future.known, NULL),
			-E2BIG);
	future.known.size = 3;
	assert_int_equal(evchan_proto_decode(&message, bench->arena, NULL,
					 &evchan__test__empty__descriptor, NULL, 0,
					 &future.known, NULL),
			-EINVAL);
}

/* A struct of the past has no opinion on what it does not have. */
static void old_options_are_understood(void **state)
{
	struct bench *bench = *state;

	bench->options.size = offsetof(struct evchan_proto_decode_options, max_depth);
	bench->options.max_depth = 1;
	bench->options.max_bytes = 1;
	make_tree(bench, 5, 0x12);
	assert_int_equal(decode(bench, &evchan__test__tree__descriptor), 0);
}

/* Something that is no descriptor is refused, and a reason is given as for anything else. */
static void descriptor_is_checked(void **state)
{
	ProtobufCMessageDescriptor broken = evchan__test__empty__descriptor;
	struct bench *bench = *state;

	broken.magic ^= 1;
	assert_int_equal(decode(bench, &broken), -EINVAL);
	assert_non_null(bench->problem.text);
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(depth_is_counted),
		BENCH_TEST(depth_of_choices_is_counted),
		BENCH_TEST(depth_is_an_option),
		BENCH_TEST(unknown_depth_is_none),
		BENCH_TEST(size_is_an_option),
		BENCH_TEST(lengths_stay_inside),
		BENCH_TEST(unknown_options_are_refused),
		BENCH_TEST(old_options_are_understood),
		BENCH_TEST(descriptor_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
