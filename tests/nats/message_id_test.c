/* SPDX-License-Identifier: MIT */

/*
 * Names of messages: the same for the same message, whichever process makes them and on whatever machine; others for any
 * other uid, lane or sequence; and nothing of the lane id can be read in them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "message_id.h"

static const uint8_t lane[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* BLAKE2b with 16 bytes of digest, as Python's hashlib has it. */
static void the_name_is_what_it_was_yesterday(void **state)
{
	char text[HASH_TEXT];

	(void)state;
	message_id(text, 1000, lane, 0x0102030405060708);
	assert_string_equal(text, "2f9772cdd8889dacb57075467feabc39");
}

static void each_part_counts(void **state)
{
	uint8_t other_lane[16];
	char texts[5][HASH_TEXT];

	(void)state;
	memcpy(other_lane, lane, sizeof(lane));
	other_lane[15] ^= 1;
	message_id(texts[0], 1000, lane, 7);
	message_id(texts[1], 1001, lane, 7);
	message_id(texts[2], 1000, other_lane, 7);
	message_id(texts[3], 1000, lane, 8);
	message_id(texts[4], 1000, lane, UINT64_C(7) << 32);
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(texts[i], texts[j]);
}

static void the_lane_id_is_not_in_it(void **state)
{
	char text[HASH_TEXT], hex[HASH_TEXT];

	(void)state;
	message_id(text, 0, lane, 0);
	sodium_bin2hex(hex, sizeof(hex), lane, sizeof(lane));
	for (size_t i = 0; i + 4 <= 32; i++) {
		hex[i + 4] = '\0';
		assert_null(strstr(text, hex + i));
		sodium_bin2hex(hex, sizeof(hex), lane, sizeof(lane));
	}
}

static void a_schema_has_a_name(void **state)
{
	char one[HASH_TEXT], other[HASH_TEXT];

	(void)state;
	schema_signature(one, "\1\1", 2);
	schema_signature(other, "\1\2", 2);
	assert_int_equal(strlen(one), 32);
	assert_string_not_equal(one, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_is_what_it_was_yesterday),
		cmocka_unit_test(each_part_counts),
		cmocka_unit_test(the_lane_id_is_not_in_it),
		cmocka_unit_test(a_schema_has_a_name),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
