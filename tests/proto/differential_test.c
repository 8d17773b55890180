/* SPDX-License-Identifier: MIT */
/*
 * The decoder and the packer against protobuf-c's own: the same result for the same bytes, valid or not.
 *
 * Inputs are made from fixed seeds, so a failure comes back. Those in which a message field comes twice are left out:
 * there protobuf-c loses data (merge_test.c).
 */

#include "oracle.h"

#define ROOM 4096

static void compare_one(struct oracle *oracle, uint64_t seed, bool is_damaged)
{
	struct random_wire wire = { .state = seed };

	compare_random(oracle, all_schemas[random_below(&wire, SCHEMA_COUNT)], &wire,
			ROOM, 3, is_damaged);
}

/* What encoders write. */
static void sane_input_is_decoded_alike(void **state)
{
	struct oracle *oracle = *state;

	for (unsigned i = 0; i < rounds(20000); i++)
		compare_one(oracle, i, false);
	assert_true(oracle->valid > oracle->compared / 2);
}

/* What nobody writes but a fault or an attacker. */
static void damaged_input_is_decoded_alike(void **state)
{
	for (unsigned i = 0; i < rounds(40000); i++)
		compare_one(*state, UINT64_C(1) << 32 | i, true);
}

/* Noise. */
static void noise_is_decoded_alike(void **state)
{
	for (unsigned i = 0; i < rounds(40000); i++) {
		struct random_wire wire = { .state = UINT64_C(2) << 32 | i };
		const ProtobufCMessageDescriptor *descriptor =
				all_schemas[random_below(&wire, SCHEMA_COUNT)];
		size_t size = random_below(&wire, 24);
		uint8_t *bytes = malloc(size ? size : 1);

		for (size_t j = 0; j < size; j++) {
			unsigned shift = random_below(&wire, 8);

			bytes[j] = (uint8_t)(random_next(&wire) >> shift);
		}
		if (!has_message_twice(descriptor, bytes, size))
			compare_decoders(*state, descriptor, bytes, size, 0);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
				sane_input_is_decoded_alike, open_oracle, close_oracle),
		cmocka_unit_test_setup_teardown(damaged_input_is_decoded_alike,
				open_oracle, close_oracle),
		cmocka_unit_test_setup_teardown(
				noise_is_decoded_alike, open_oracle, close_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
