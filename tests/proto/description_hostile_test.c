/* SPDX-License-Identifier: MIT */
/* Descriptions come from somebody else's memory: whatever they say, they are refused or compared, soon. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <evchan/proto.h>

#include "evolution.pb-c.h"
#include "schemas.h"

/* The most that a lane has room for in notes. */
#define NOTE_MAX 65152

struct bench {
	struct evchan_proto_types *types;
	uint8_t *bytes;
	size_t size;
};

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_int_equal(evchan_proto_types_new(&bench->types), 0);
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		assert_int_equal(evchan_proto_types_add(bench->types, all_schemas[i],
						 (uint32_t)i + 1),
				0);
	assert_int_equal(evchan_proto_types_add(bench->types,
					 &evchan__evolution__maze__descriptor, 0),
			0);
	bench->bytes = malloc(NOTE_MAX + 16);
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	evchan_proto_types_free(bench->types);
	free(bench->bytes);
	free(bench);
	return 0;
}

/* From a buffer of exactly this size, so that a sanitizer sees one byte too many. */
static int compare(struct bench *bench, const ProtobufCMessageDescriptor *ours,
		const uint8_t *bytes, size_t size, enum evchan_proto_match *match)
{
	uint8_t *exact = malloc(size ? size : 1);
	char why[64];
	int r;

	memcpy(exact, bytes, size);
	r = evchan_proto_compare(
			match, bench->types, ours, exact, size, why, sizeof(why));
	free(exact);
	return r;
}

static void describe(struct bench *bench, const ProtobufCMessageDescriptor *type)
{
	bench->size = NOTE_MAX;
	assert_int_equal(evchan_proto_describe(
					 bench->types, type, bench->bytes, &bench->size),
			0);
}

static const ProtobufCMessageDescriptor *const described[] = {
	&evchan__test__tree__descriptor,
	&evchan__test__choice__descriptor,
	&evchan__test__numbers__descriptor,
	&evchan__test__nameless__descriptor,
};
#define DESCRIBED_COUNT (sizeof(described) / sizeof(described[0]))

/* What is cut off, or goes on, is no description. */
static void cut_description_is_refused(void **state)
{
	struct bench *bench = *state;
	enum evchan_proto_match match;

	for (size_t i = 0; i < DESCRIBED_COUNT; i++) {
		describe(bench, described[i]);
		assert_int_equal(compare(bench, described[i], bench->bytes, bench->size,
						 &match),
				0);
		for (size_t size = 0; size < bench->size; size++)
			assert_int_equal(compare(bench, described[i], bench->bytes, size,
							 &match),
					-EPROTO);
		bench->bytes[bench->size] = 0;
		assert_int_equal(compare(bench, described[i], bench->bytes,
						 bench->size + 1, &match),
				-EPROTO);
	}
}

/* Any byte can be any other. */
static void changed_description_is_harmless(void **state)
{
	struct bench *bench = *state;
	enum evchan_proto_match match = EVCHAN_PROTO_IDENTICAL;

	for (size_t i = 0; i < DESCRIBED_COUNT; i++) {
		describe(bench, described[i]);
		for (size_t at = 0; at < bench->size; at++) {
			uint8_t kept = bench->bytes[at];

			for (unsigned value = 0; value < 256; value++) {
				int r;

				bench->bytes[at] = (uint8_t)value;
				r = compare(bench, described[i], bench->bytes,
						bench->size, &match);
				assert_true(r == 0 || r == -EPROTO);
				assert_true(match <= EVCHAN_PROTO_INCOMPATIBLE);
			}
			bench->bytes[at] = kept;
		}
	}
}

/* The edges of each number in it. */
static void impossible_numbers_are_refused(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t size;
	} bad[] = {
		{ { 0, 1, 0, 0 }, 4 },          /* version 0 */
		{ { 2, 1, 0, 0 }, 4 },          /* version 2 */
		{ { 1, 0 }, 2 },                /* no type */
		{ { 1, 0x81, 0x20, 0, 0 }, 5 }, /* 4097 types */
		{ { 1, 1, 1, 0 }, 4 },          /* a name that goes on */
		{ { 1, 1, 0, 1, 0, 0 }, 6 },    /* the same number again */
		{ { 1, 1, 0, 1, 1, 0x20 }, 6 }, /* an unknown flag */
		{ { 1, 1, 0, 1, 1, 7, 1 }, 7 }, /* a type that is not there */
		{ { 1, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1, 0 },
				12 },                 /* number 2^32 */
		{ { 1, 1, 0, 0x80, 0x80, 0x04 }, 6 }, /* 65536 fields */
	};
	struct bench *bench = *state;
	enum evchan_proto_match match;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(compare(bench, &evchan__test__leaf__descriptor,
						 bad[i].bytes, bad[i].size, &match),
				-EPROTO);
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void put(struct bench *bench, const void *bytes, size_t size)
{
	memcpy(bench->bytes + bench->size, bytes, size);
	bench->size += size;
}

/* One type that is its own first four fields, and has as many others as there is room for. Ours are of two types in
 * turn, so no pair of types is the one that was compared before. */
static void make_labyrinth(struct bench *bench)
{
	/* Field numbers are differences. */
	static const uint8_t head[] = { 1, 1, 0, 0x80, 0xfa, 1, /* 32000 fields */
		1, 7, 0, 1, 7, 0, 1, 7, 0, 1, 7, 0 };
	static const uint8_t filling[] = { 1, 0 };

	bench->size = 0;
	put(bench, head, sizeof(head));
	for (unsigned i = 4; i < 32000; i++)
		put(bench, filling, sizeof(filling));
}

/* A description that leads in circles costs no more time than a long one. */
static void labyrinth_is_left_soon(void **state)
{
	const char *slowdown = getenv("EVCHAN_TEST_SLOWDOWN");
	struct bench *bench = *state;
	enum evchan_proto_match match;
	clock_t begin;

	make_labyrinth(bench);
	assert_true(bench->size < NOTE_MAX);
	begin = clock();
	assert_int_equal(compare(bench, &evchan__evolution__maze__descriptor,
					 bench->bytes, bench->size, &match),
			0);
	assert_int_equal(match, EVCHAN_PROTO_COMPATIBLE);
	assert_true(clock() - begin <
			CLOCKS_PER_SEC / 10 * (slowdown ? atoi(slowdown) : 1));
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(cut_description_is_refused),
		BENCH_TEST(changed_description_is_harmless),
		BENCH_TEST(impossible_numbers_are_refused),
		BENCH_TEST(labyrinth_is_left_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
