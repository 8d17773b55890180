/* SPDX-License-Identifier: MIT */
/*
 * Encoded messages as attacker input: the decoder says what protobuf-c's own says, and what it gives packs to the
 * same bytes. tests/proto/differential_test.c asks the same about bytes at random.
 *
 * The input: a byte for the type, one for the options, then the message.
 */

#include <errno.h>
#include <stdbool.h>

#include <evchan/proto.h>

#include "compare_messages.h"
#include "fuzz.h"
#include "random_wire.h"
#include "schemas.h"

static struct evchan_proto_types *types;
static struct evchan_proto_arena *arena;
static struct evchan_proto_arena *small_arena;

static void set_up(void)
{
	if (types)
		return;
	FUZZ_CHECK(evchan_proto_types_new(&types) == 0);
	for (size_t i = 0; i < ORACLE_COUNT; i++)
		FUZZ_CHECK(evchan_proto_types_add(types, oracle_schema(i),
					   (uint32_t)i + 1) == 0);
	FUZZ_CHECK(evchan_proto_arena_new(&arena, 0) == 0);
	FUZZ_CHECK(evchan_proto_arena_new(&small_arena, 2048) == 0);
}

/* Both packers give the same bytes, and ours none more than there is room for. */
static void check_packed(const ProtobufCMessage *message)
{
	size_t needed = protobuf_c_message_get_packed_size(message), used = needed;
	uint8_t *expected = malloc(needed + 1), *packed = malloc(needed ? needed : 1);

	FUZZ_CHECK(expected && packed);
	FUZZ_CHECK(protobuf_c_message_pack(message, expected) == needed);
	FUZZ_CHECK(evchan_proto_pack(message, packed, &used) == 0);
	FUZZ_CHECK(used == needed && memcmp(packed, expected, needed) == 0);
	free(packed);
	free(expected);
	if (needed == 0)
		return;
	packed = malloc(needed - 1 ? needed - 1 : 1);
	used = needed - 1;
	FUZZ_CHECK(evchan_proto_pack(message, packed, &used) == -ENOBUFS &&
			used == needed);
	free(packed);
}

static void check_detached(const ProtobufCMessage *message)
{
	ProtobufCMessage *copy;

	FUZZ_CHECK(evchan_proto_detach(&copy, message, NULL) == 0);
	FUZZ_CHECK(messages_are_equal(copy, message));
	protobuf_c_message_free_unpacked(copy, NULL);
}

/* What the options or the room forbid, and protobuf-c does not. */
static bool is_own_error(int error, unsigned flags)
{
	return error == -ELOOP || error == -ENOBUFS ||
			(error == -EILSEQ && (flags & EVCHAN_PROTO_CHECK_UTF8));
}

/* `is_comparable`: no field in it makes decoders differ by design. */
static void check_decoded(const ProtobufCMessageDescriptor *descriptor,
		const uint8_t *bytes, size_t size, unsigned flags, bool is_comparable)
{
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	struct evchan_proto_problem problem = { SIZE_MAX, NULL };
	const ProtobufCMessage *message = NULL;
	ProtobufCMessage *expected;
	int r;

	options.flags = flags;
	evchan_proto_arena_reset(arena);
	r = evchan_proto_decode(&message, arena, types, descriptor, bytes, size, &options,
			&problem);
	if (r < 0) {
		FUZZ_CHECK(!message && problem.offset <= size && problem.text);
		FUZZ_CHECK(r == -EBADMSG || is_own_error(r, flags));
	} else {
		check_packed(message);
		check_detached(message);
	}
	if (!is_comparable || is_own_error(r, flags))
		return;
	expected = protobuf_c_message_unpack(descriptor, NULL, size, bytes);
	FUZZ_CHECK((r == 0) == (expected != NULL));
	if (!expected)
		return;
	FUZZ_CHECK(messages_are_equal(message, expected));
	protobuf_c_message_free_unpacked(expected, NULL);
}

/* With little room: the same answer, or that there is none. */
static void check_small(const ProtobufCMessageDescriptor *descriptor,
		const uint8_t *bytes, size_t size)
{
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	const ProtobufCMessage *message = NULL;
	int r;

	options.max_depth = 3;
	evchan_proto_arena_reset(small_arena);
	r = evchan_proto_decode(&message, small_arena, types, descriptor, bytes, size,
			&options, NULL);
	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -ELOOP || r == -ENOBUFS);
	if (r == 0)
		check_packed(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const unsigned known = EVCHAN_PROTO_COPY_BYTES | EVCHAN_PROTO_BORROW_PACKED |
			EVCHAN_PROTO_CHECK_UTF8;
	struct fuzz_input input = { bytes, bytes + size };
	const ProtobufCMessageDescriptor *descriptor;
	unsigned flags;
	uint8_t *exact;

	set_up();
	descriptor = oracle_schema(fuzz_byte(&input) % ORACLE_COUNT);
	flags = fuzz_byte(&input) & known;
	size = fuzz_left(&input);
	exact = fuzz_exact_copy(input.at, size);
	check_decoded(descriptor, exact, size, flags,
			!has_message_twice(descriptor, exact, size));
	check_small(descriptor, exact, size);
	free(exact);
	return 0;
}
