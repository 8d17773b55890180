/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_ORACLE_H
#define EVCHAN_TESTS_ORACLE_H

/*
 * Asks protobuf-c about bytes, and whether the decoder and the packers say the same: the same error, or the same message, the
 * same bytes, and a copy that is the same.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "compare_messages.h"
#include "pack.h"
#include "random_wire.h"
#include "schemas.h"
#include "types.h"

struct oracle {
	struct evchan_proto_types *types;
	struct evchan_proto_arena *arena;
	uint64_t compared;
	uint64_t valid;
};

static inline unsigned rounds(unsigned usual)
{
	const char *slowdown = getenv("EVCHAN_TEST_SLOWDOWN");
	unsigned factor = slowdown ? (unsigned)atoi(slowdown) : 1;

	return usual / (factor > 1 ? factor * 2 : 1);
}

static inline int open_oracle(void **state)
{
	struct oracle *oracle = calloc(1, sizeof(*oracle));

	assert_int_equal(evchan_proto_types_new(&oracle->types), 0);
	for (size_t i = 0; i < ORACLE_COUNT; i++)
		assert_int_equal(evchan_proto_types_add(oracle->types, oracle_schema(i),
						 (uint32_t)i + 1),
				0);
	assert_int_equal(evchan_proto_arena_new(&oracle->arena, 0), 0);
	*state = oracle;
	return 0;
}

static inline int close_oracle(void **state)
{
	struct oracle *oracle = *state;

	printf("%llu inputs, of which %llu are valid\n",
			(unsigned long long)oracle->compared,
			(unsigned long long)oracle->valid);
	evchan_proto_arena_free(oracle->arena);
	evchan_proto_types_free(oracle->types);
	free(oracle);
	return 0;
}

static inline void say(const char *what, const ProtobufCMessageDescriptor *descriptor,
		const uint8_t *bytes, size_t size)
{
	fprintf(stderr, "%s: type of %u fields, bytes:", what, descriptor->n_fields);
	for (size_t i = 0; i < size; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, "\n");
}

/* By the plan, as senders do it: with exactly as much room as is needed, and with more. */
static inline void compare_planned(const struct evchan_proto_types *types,
		const ProtobufCMessage *message, const uint8_t *expected, size_t needed)
{
	const struct plan *plan = plan_table_find(&types->plans, message->descriptor);

	for (unsigned more = 0; more <= 64; more += 64) {
		uint8_t *packed = malloc(needed + more + 1);
		const uint8_t *behind = pack_planned(
				plan, message, packed, packed + needed + more, more == 0);

		assert_int_equal(behind - packed, needed);
		assert_memory_equal(packed, expected, needed);
		free(packed);
	}
}

/* All packers give the same bytes, and ours none more than there is room for. */
static inline void compare_packers(
		const struct evchan_proto_types *types, const ProtobufCMessage *message)
{
	size_t needed = protobuf_c_message_get_packed_size(message), used = needed;
	uint8_t *expected = malloc(needed + 1), *packed = malloc(needed ? needed : 1);

	assert_int_equal(protobuf_c_message_pack(message, expected), needed);
	assert_int_equal(evchan_proto_pack(message, packed, &used), 0);
	assert_int_equal(used, needed);
	assert_memory_equal(packed, expected, needed);
	free(packed);
	compare_planned(types, message, expected, needed);
	if (needed) {
		size_t less = needed - 1 - (needed > 8 ? needed % 7 : 0);

		packed = malloc(less ? less : 1);
		used = less;
		assert_int_equal(evchan_proto_pack(message, packed, &used), -ENOBUFS);
		assert_int_equal(used, needed);
		free(packed);
	}
	free(expected);
}

/* A detached copy is the same, and is freed by protobuf-c. */
static inline void compare_detached(const ProtobufCMessage *message)
{
	ProtobufCMessage *copy;

	assert_int_equal(evchan_proto_detach(&copy, message, NULL), 0);
	assert_true(messages_are_equal(copy, message));
	protobuf_c_message_free_unpacked(copy, NULL);
}

static inline void compare_decoders(struct oracle *oracle,
		const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
		size_t size, unsigned flags)
{
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	ProtobufCMessage *expected =
			protobuf_c_message_unpack(descriptor, NULL, size, bytes);
	const ProtobufCMessage *message = NULL;
	int r;

	options.flags = flags;
	evchan_proto_arena_reset(oracle->arena);
	r = evchan_proto_decode(&message, oracle->arena, oracle->types, descriptor, bytes,
			size, &options, NULL);
	if ((r == 0) != (expected != NULL))
		say(expected ? "only protobuf-c takes it" : "only evchan takes it",
				descriptor, bytes, size);
	assert_int_equal(r, expected ? 0 : -EBADMSG);
	oracle->compared++;
	if (!expected)
		return;
	oracle->valid++;
	if (!messages_are_equal(message, expected)) {
		say("the results differ", descriptor, bytes, size);
		fail();
	}
	compare_packers(oracle->types, message);
	compare_detached(message);
	protobuf_c_message_free_unpacked(expected, NULL);
}

/* One input of a type from a seed, of at most `room` bytes, with messages in it so deep. */
static inline void compare_random(struct oracle *oracle,
		const ProtobufCMessageDescriptor *descriptor, struct random_wire *wire,
		size_t room, int depth, bool is_damaged)
{
	uint8_t *exact;

	wire->room = room;
	wire->bytes = malloc(room);
	random_message(wire, descriptor, depth);
	if (is_damaged)
		random_damage(wire);
	if (!has_message_twice(descriptor, wire->bytes, wire->size)) {
		/* Of exactly its size, so that a sanitizer sees one byte too many. */
		exact = malloc(wire->size ? wire->size : 1);
		memcpy(exact, wire->bytes, wire->size);
		compare_decoders(oracle, descriptor, exact, wire->size,
				random_below(wire, 2) ? EVCHAN_PROTO_COPY_BYTES
						      : EVCHAN_PROTO_BORROW_PACKED *
								random_below(wire, 2));
		free(exact);
	}
	free(wire->bytes);
}

#endif
