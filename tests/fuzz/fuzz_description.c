/* SPDX-License-Identifier: MIT */
/*
 * A sender's description of a message type as attacker input: whatever it says, the answer is one of three, and the
 * reason a string. What the types of this process say of themselves is identical, and stays a description when
 * it is written again.
 *
 * The input: a byte for the type, one for the room for the reason, then the description.
 */

#include <errno.h>

#include <evchan/proto.h>

#include "fuzz.h"
#include "schemas.h"

#define DESCRIPTION_MAX 65536u
#define WHY_MAX 128u

static struct evchan_proto_types *types;

static enum evchan_proto_match compare(const ProtobufCMessageDescriptor *descriptor,
		const uint8_t *description, size_t size, size_t why_size)
{
	enum evchan_proto_match match = (enum evchan_proto_match)77;
	char *why = why_size ? malloc(why_size) : NULL;
	int r;

	if (why)
		memset(why, '?', why_size);
	r = evchan_proto_compare(
			&match, types, descriptor, description, size, why, why_size);
	FUZZ_CHECK(r == 0 || r == -EPROTO);
	FUZZ_CHECK(r < 0 ? match == (enum evchan_proto_match)77
			 : match <= EVCHAN_PROTO_INCOMPATIBLE);
	if (why && r == 0 && match == EVCHAN_PROTO_INCOMPATIBLE)
		FUZZ_CHECK(memchr(why, '\0', why_size));
	free(why);
	return match;
}

static void check_own(const ProtobufCMessageDescriptor *descriptor)
{
	size_t size = DESCRIPTION_MAX;
	uint8_t *description = malloc(size);

	FUZZ_CHECK(description);
	FUZZ_CHECK(evchan_proto_describe(types, descriptor, description, &size) == 0);
	FUZZ_CHECK(compare(descriptor, description, size, WHY_MAX) ==
			EVCHAN_PROTO_IDENTICAL);
	free(description);
}

static void set_up(void)
{
	if (types)
		return;
	FUZZ_CHECK(evchan_proto_types_new(&types) == 0);
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		FUZZ_CHECK(evchan_proto_types_add(
					   types, all_schemas[i], (uint32_t)i + 1) == 0);
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		check_own(all_schemas[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = { bytes, bytes + size };
	const ProtobufCMessageDescriptor *descriptor;
	size_t why_size;
	uint8_t *exact;

	set_up();
	descriptor = all_schemas[fuzz_byte(&input) % SCHEMA_COUNT];
	why_size = fuzz_byte(&input) % WHY_MAX;
	size = fuzz_left(&input);
	exact = fuzz_exact_copy(input.at, size);
	(void)compare(descriptor, exact, size, why_size);
	free(exact);
	return 0;
}
