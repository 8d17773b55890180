/* SPDX-License-Identifier: MIT */
/*
 * The frames byte by byte, as they have been on the wire since version 1 of the protocol. The other tests hold
 * for any layout; this one fails when the layout changes, which no receiver and sender of different
 * releases would survive. Whoever changes it raises CONTROL_PROTOCOL_VERSION.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "control_message.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_MARK 1
#else
#define BYTE_ORDER_MARK 2
#endif

/* clang-format off */
static const unsigned char hello_bytes[] = {
	0x10, 0, 77, 0,                                   /* type, length */
	'e', 'v', 'c', 'h', 'a', 'n', '\r', '\n',         /* magic */
	BYTE_ORDER_MARK, 0x03, 2, 5,                      /* flags, bell, length of the label */
	1, 0, 0, 0,                                       /* version */
	0, 0x20, 0, 0,                                    /* header size */
	0, 0, 0, 0, 0, 0, 0, 0,                           /* features */
	0, 0, 4, 0, 0, 0, 0, 0,                           /* capacity */
	0xf8, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,   /* resume */
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, /* lane */
	0, 0, 0, 0, 0, 0, 0, 0,                           /* zero */
	'l', 'a', 'b', 'e', 'l',
};

static const unsigned char welcome_bytes[] = {
	0x11, 0, 24, 0,                                   /* type, length */
	1, 0, 0, 0,                                       /* version */
	0x11, 0, 0, 0, 0, 0, 0, 0x80,                     /* features */
	3, 0, 0, 0,                                       /* bell */
	0, 0, 1, 0,                                       /* header size */
};

static const unsigned char refused_bytes[] = {
	0x12, 0, 18, 0,                                   /* type, length */
	20, 0, 0, 0,                                      /* refusal */
	1, 0, 0, 0,                                       /* final */
	0xe8, 3, 0, 0,                                    /* retry after */
	'n', 'o',
};

static const unsigned char bye_bytes[] = { 0x14, 0, 4, 0 };
/* clang-format on */

/* A hello's bytes. The first 20, type to version, stay the same in every version. */
static void hello_has_these_bytes(void **state)
{
	struct control_hello hello = {
		.version = 1,
		.capacity = 262144,
		.resume = UINT64_C(0x01020304050607f8),
		.header_size = 8192,
		.bell = 2,
		.lane_id = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
		.was_connected = true,
		.lazy = true,
		.label = "label",
	};
	unsigned char frame[CONTROL_FRAME_MAX];

	(void)state;
	memset(frame, 0xa5, sizeof(frame));
	assert_int_equal(control_encode_hello(frame, &hello), sizeof(hello_bytes));
	assert_memory_equal(frame, hello_bytes, sizeof(hello_bytes));
}

/* Which flag is which bit. */
static void hello_flags_are_these_bits(void **state)
{
	struct control_hello hello = { .version = 1 };
	unsigned char frame[CONTROL_FRAME_MAX];

	(void)state;
	control_encode_hello(frame, &hello);
	assert_int_equal(frame[13], 0);
	hello.was_connected = true;
	control_encode_hello(frame, &hello);
	assert_int_equal(frame[13], 1);
	hello.was_connected = false;
	hello.lazy = true;
	control_encode_hello(frame, &hello);
	assert_int_equal(frame[13], 2);
}

/* A welcome's bytes. */
static void welcome_has_these_bytes(void **state)
{
	struct control_welcome welcome = {
		.version = 1,
		.features = UINT64_C(0x8000000000000011),
		.bell = 3,
		.header_size = 65536,
	};
	unsigned char frame[CONTROL_FRAME_MAX];

	(void)state;
	memset(frame, 0xa5, sizeof(frame));
	assert_int_equal(control_encode_welcome(frame, &welcome), sizeof(welcome_bytes));
	assert_memory_equal(frame, welcome_bytes, sizeof(welcome_bytes));
}

/* The bytes of a refusal, and of an eviction, which differs in the type only. */
static void refused_has_these_bytes(void **state)
{
	struct control_refused refused = {
		.refusal = 20,
		.final = true,
		.retry_after_ms = 1000,
		.text = "no",
	};
	unsigned char frame[CONTROL_FRAME_MAX];

	(void)state;
	memset(frame, 0xa5, sizeof(frame));
	assert_int_equal(control_encode_refused(frame, CONTROL_REFUSED, &refused),
			sizeof(refused_bytes));
	assert_memory_equal(frame, refused_bytes, sizeof(refused_bytes));
	control_encode_refused(frame, CONTROL_EVICTED, &refused);
	assert_int_equal(frame[0], 0x13);
	assert_memory_equal(frame + 1, refused_bytes + 1, sizeof(refused_bytes) - 1);
}

/* The short ones. */
static void ring_and_bye_have_these_bytes(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	(void)state;
	assert_int_equal(CONTROL_RING, 0x01);
	assert_int_equal(control_encode_bye(frame), sizeof(bye_bytes));
	assert_memory_equal(frame, bye_bytes, sizeof(bye_bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_has_these_bytes),
		cmocka_unit_test(hello_flags_are_these_bits),
		cmocka_unit_test(welcome_has_these_bytes),
		cmocka_unit_test(refused_has_these_bytes),
		cmocka_unit_test(ring_and_bye_have_these_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
