/* SPDX-License-Identifier: MIT */
/*
 * The messages of protobuf's conformance suite, decoded and packed as protobuf-c does it: every type in every label, maps,
 * oneofs, recursion, and the types that come with protobuf. The schemas are in conformance/; groups are taken out,
 * of which protobuf-c knows nothing.
 */

#include "oracle.h"

#ifdef EVCHAN_TEST_CONFORMANCE

#define ROOM 16384

/* Half of the inputs have messages in them, the others are short. */
static void compare_many(
		struct oracle *oracle, uint64_t seed, unsigned count, bool is_damaged)
{
	for (unsigned i = 0; i < count; i++) {
		struct random_wire wire = { .state = seed + i };
		const ProtobufCMessageDescriptor *descriptor =
				conformance_schemas[random_below(
						&wire, CONFORMANCE_COUNT)];

		compare_random(oracle, descriptor, &wire, ROOM, i % 2, is_damaged);
	}
}

/* What encoders write, but for a rare mistake, of which so many fields have some. */
static void sane_messages_are_decoded_alike(void **state)
{
	struct oracle *oracle = *state;

	compare_many(oracle, UINT64_C(3) << 32, rounds(10000), false);
	assert_true(oracle->valid > oracle->compared / 8);
}

/* What nobody writes but a fault or an attacker. */
static void damaged_messages_are_decoded_alike(void **state)
{
	struct oracle *oracle = *state;

	compare_many(oracle, UINT64_C(4) << 32, rounds(20000), true);
	assert_true(oracle->valid > 0 && oracle->valid < oracle->compared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sane_messages_are_decoded_alike,
				open_oracle, close_oracle),
		cmocka_unit_test_setup_teardown(damaged_messages_are_decoded_alike,
				open_oracle, close_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	printf("skipped: google/protobuf/struct.proto is not installed (Debian: "
	       "libprotobuf-dev)\n");
	return 77;
}

#endif
