/* SPDX-License-Identifier: MIT */
/* Arenas: the limit is exact and knows no history, memory is used again, pointers are aligned. */

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

#define ROOM 3000

struct bench {
	struct evchan_proto_types *types;
	uint8_t bytes[ROOM];
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
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	evchan_proto_types_free(bench->types);
	free(bench);
	return 0;
}

static struct evchan_proto_arena *make_arena(size_t limit)
{
	struct evchan_proto_arena *arena;

	assert_int_equal(evchan_proto_arena_new(&arena, limit), 0);
	return arena;
}

static int decode(struct bench *bench, struct evchan_proto_arena *arena,
		const ProtobufCMessageDescriptor *type, unsigned flags,
		const ProtobufCMessage **message)
{
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;

	options.flags = flags;
	return evchan_proto_decode(message, arena, bench->types, type, bench->bytes,
			bench->size, &options, NULL);
}

/* A message of this type that can be decoded. */
static void make_message(struct bench *bench, const ProtobufCMessageDescriptor *type,
		uint64_t seed)
{
	struct evchan_proto_arena *arena = make_arena(0);
	const ProtobufCMessage *message;

	do {
		struct random_wire wire = {
			.state = seed++, .bytes = bench->bytes, .room = ROOM
		};

		random_message(&wire, type, 2);
		bench->size = wire.size;
		evchan_proto_arena_reset(arena);
	} while (decode(bench, arena, type, 0, &message) != 0);
	evchan_proto_arena_free(arena);
}

static size_t bytes_needed(struct bench *bench, const ProtobufCMessageDescriptor *type,
		unsigned flags)
{
	struct evchan_proto_arena *arena = make_arena(0);
	const ProtobufCMessage *message;
	size_t used;

	assert_int_equal(decode(bench, arena, type, flags, &message), 0);
	used = evchan_proto_arena_used(arena);
	evchan_proto_arena_free(arena);
	return used;
}

static void step_limit(struct bench *bench, const ProtobufCMessageDescriptor *type,
		unsigned flags)
{
	size_t needed = bytes_needed(bench, type, flags);
	const ProtobufCMessage *message;
	struct evchan_proto_arena *arena;

	for (size_t limit = 1; limit <= needed; limit++) {
		arena = make_arena(limit);
		assert_int_equal(decode(bench, arena, type, flags, &message),
				limit < needed ? -ENOBUFS : 0);
		assert_true(evchan_proto_arena_used(arena) <= limit);
		evchan_proto_arena_free(arena);
	}
}

/* A message needs a certain number of bytes: with one less it is refused, whichever allocation that hits. */
static void limit_is_exact(void **state)
{
	for (size_t i = 0; i < SCHEMA_COUNT; i++) {
		for (uint64_t seed = 0; seed < 3; seed++) {
			make_message(*state, all_schemas[i], seed << 32);
			step_limit(*state, all_schemas[i],
					seed == 1 ? EVCHAN_PROTO_COPY_BYTES : 0);
		}
	}
}

/* What an arena was used for before makes no difference to what fits. */
static void limit_knows_no_history(void **state)
{
	struct bench *bench = *state;
	const ProtobufCMessageDescriptor *type = &evchan__test__repeated__descriptor;

	for (uint64_t seed = 0; seed < 40; seed++) {
		size_t needed, limit;

		make_message(bench, type, seed << 32);
		needed = bytes_needed(bench, type, 0);
		/* Exactly enough, and one byte too few. */
		for (limit = needed - 1; limit <= needed; limit++) {
			struct evchan_proto_arena *arena = make_arena(limit);
			const ProtobufCMessage *message;

			for (unsigned times = 0; times < 4; times++) {
				evchan_proto_arena_reset(arena);
				assert_int_equal(decode(bench, arena, type, 0, &message),
						limit < needed ? -ENOBUFS : 0);
			}
			evchan_proto_arena_free(arena);
		}
	}
}

/* Fills an arena of this limit with strings of this size. Returns how many there were. */
static unsigned fill(struct bench *bench, struct evchan_proto_arena *arena, size_t size)
{
	const ProtobufCMessage *message;
	unsigned count = 0;

	bench->bytes[0] = 0x12;
	bench->bytes[1] = (uint8_t)(size | 0x80);
	bench->bytes[2] = (uint8_t)(size >> 7);
	memset(bench->bytes + 3, 'x', size);
	bench->size = size + 3;
	while (decode(bench, arena, &evchan__test__leaf__descriptor, 0, &message) == 0)
		count++;
	return count;
}

/* Twice and a half the limit is taken from malloc at most, whatever the pieces are, and a reset gives some back. */
static void memory_is_bounded(void **state)
{
	const size_t limit = 200000;

	for (size_t size = 128; size < 2900; size += 77) {
		struct evchan_proto_arena *arena = make_arena(limit);

		for (unsigned times = 0; times < 3; times++) {
			unsigned count = fill(*state, arena, size);

			assert_true(count >= limit / (size + 200));
			assert_true(evchan_proto_arena_used(arena) <= limit);
			assert_true(evchan_proto_arena_allocated(arena) <=
					limit * 5 / 2 + 1000);
			evchan_proto_arena_reset(arena);
			assert_int_equal(evchan_proto_arena_used(arena), 0);
			assert_true(evchan_proto_arena_allocated(arena) <= limit + 100);
		}
		evchan_proto_arena_free(arena);
	}
}

/* After a few messages of a size there is memory for all to come. */
static void memory_is_used_again(void **state)
{
	struct bench *bench = *state;
	struct evchan_proto_arena *arena = make_arena(0);
	const ProtobufCMessage *message;
	size_t allocated;

	make_message(bench, &evchan__test3__plain__descriptor, 1);
	for (unsigned i = 0; i < 3; i++) {
		evchan_proto_arena_reset(arena);
		for (unsigned j = 0; j < 50; j++)
			assert_int_equal(
					decode(bench, arena,
							&evchan__test3__plain__descriptor,
							0, &message),
					0);
	}
	allocated = evchan_proto_arena_allocated(arena);
	for (unsigned i = 0; i < 10; i++) {
		evchan_proto_arena_reset(arena);
		for (unsigned j = 0; j < 50; j++)
			assert_int_equal(
					decode(bench, arena,
							&evchan__test3__plain__descriptor,
							0, &message),
					0);
		assert_int_equal(evchan_proto_arena_allocated(arena), allocated);
	}
	evchan_proto_arena_free(arena);
}

/* Several messages live in one arena until it is reset. */
static void messages_share_an_arena(void **state)
{
	struct bench *bench = *state;
	struct evchan_proto_arena *arena = make_arena(0);
	const ProtobufCMessage *messages[20];
	ProtobufCMessage *copies[20];

	for (unsigned i = 0; i < 20; i++) {
		make_message(bench, all_schemas[i % SCHEMA_COUNT], (uint64_t)i << 32);
		assert_int_equal(decode(bench, arena, all_schemas[i % SCHEMA_COUNT],
						 EVCHAN_PROTO_COPY_BYTES, &messages[i]),
				0);
		assert_int_equal(evchan_proto_detach(&copies[i], messages[i], NULL), 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		assert_true(messages_are_equal(messages[i], copies[i]));
		protobuf_c_message_free_unpacked(copies[i], NULL);
	}
	evchan_proto_arena_free(arena);
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(limit_is_exact),
		BENCH_TEST(limit_knows_no_history),
		BENCH_TEST(memory_is_bounded),
		BENCH_TEST(memory_is_used_again),
		BENCH_TEST(messages_share_an_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
