/* SPDX-License-Identifier: MIT */

/* The public structs as their callers fill them in: sizes, defaults, limits. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* ---- Sizes ------------------------------------------------------------------- */

struct old {
	size_t size;
	uint64_t first;
};

struct known {
	size_t size;
	uint64_t first;
	uint64_t second;
};

struct newer {
	size_t size;
	uint64_t first;
	uint64_t second;
	uint64_t third;
};

/* A caller of the library's own age is copied as it is. */
static void same_size_is_copied(void **state)
{
	struct known given = { sizeof(given), 1, 2 }, copy;

	(void)state;
	assert_int_equal(options_copy(&copy, sizeof(copy), &given), 0);
	assert_memory_equal(&copy, &given, sizeof(copy));
}

/* What an older caller does not have is zero. */
static void older_caller_leaves_zeros(void **state)
{
	struct old given = { sizeof(given), 1 };
	struct known copy = { 9, 9, 9 };

	(void)state;
	assert_int_equal(options_copy(&copy, sizeof(copy), &given), 0);
	assert_int_equal(copy.size, sizeof(copy));
	assert_int_equal(copy.first, 1);
	assert_int_equal(copy.second, 0);
}

/* A newer caller is fine as long as it asks for nothing new. */
static void newer_caller_asks_for_nothing_new(void **state)
{
	struct newer given = { sizeof(given), 1, 2, 0 };
	struct known copy;

	(void)state;
	assert_int_equal(options_copy(&copy, sizeof(copy), &given), 0);
	assert_int_equal(copy.size, sizeof(copy));
	assert_int_equal(copy.first, 1);
	assert_int_equal(copy.second, 2);
}

/* Otherwise it is refused, for any byte of what is new, and nothing is written. */
static void newer_caller_asks_for_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(uint64_t); i++) {
		struct newer given = { sizeof(given), 1, 2, (uint64_t)1 << (8 * i) };
		struct known copy = { 9, 9, 9 };

		assert_int_equal(options_copy(&copy, sizeof(copy), &given), -E2BIG);
		assert_int_equal(copy.size, 9);
		assert_int_equal(copy.first, 9);
	}
}

/* NULL is all zeros. */
static void null_is_all_zeros(void **state)
{
	struct known copy = { 9, 9, 9 };

	(void)state;
	assert_int_equal(options_copy(&copy, sizeof(copy), NULL), 0);
	assert_int_equal(copy.size, sizeof(copy));
	assert_int_equal(copy.first, 0);
	assert_int_equal(copy.second, 0);
}

/* A struct without its _INIT macro has some size: too small a one, and one that no
 * struct will ever have, are refused before anything behind them is read. */
static void nonsense_sizes_are_refused(void **state)
{
	struct known given = { 0, 1, 2 }, copy;

	(void)state;
	for (given.size = 0; given.size < sizeof(size_t); given.size++)
		assert_int_equal(options_copy(&copy, sizeof(copy), &given), -EINVAL);
	given.size = 4097;
	assert_int_equal(options_copy(&copy, sizeof(copy), &given), -E2BIG);
	given.size = SIZE_MAX;
	assert_int_equal(options_copy(&copy, sizeof(copy), &given), -E2BIG);
}

/* What the library fills in stays inside the caller's struct, and says how much it is. */
static void filling_in_respects_the_size(void **state)
{
	const struct known known = { sizeof(known), 1, 2 };
	struct newer given = { 0, 9, 9, 9 };

	(void)state;
	given.size = sizeof(struct newer);
	options_copy_out(&given, &known, sizeof(known));
	assert_int_equal(given.size, sizeof(known));
	assert_int_equal(given.first, 1);
	assert_int_equal(given.second, 2);
	assert_int_equal(given.third, 9);

	given = (struct newer){ sizeof(struct old), 9, 9, 9 };
	options_copy_out(&given, &known, sizeof(known));
	assert_int_equal(given.size, sizeof(struct old));
	assert_int_equal(given.first, 1);
	assert_int_equal(given.second, 9);

	given = (struct newer){ sizeof(size_t), 9, 9, 9 };
	options_copy_out(&given, &known, sizeof(known));
	assert_int_equal(given.size, sizeof(size_t));
	assert_int_equal(given.first, 9);

	given = (struct newer){ 3, 9, 9, 9 };
	options_copy_out(&given, &known, sizeof(known));
	assert_int_equal(given.size, 0);
	assert_int_equal(given.first, 9);
}

/* Callbacks follow the same rule. */
static void callbacks_are_copied(void **state)
{
	struct evchan_receiver_callbacks receiver = EVCHAN_RECEIVER_CALLBACKS_INIT,
					 receiver_read;
	struct evchan_sender_callbacks sender = EVCHAN_SENDER_CALLBACKS_INIT, sender_read;

	(void)state;
	assert_int_equal(options_read_receiver_callbacks(&receiver_read, &receiver), 0);
	assert_int_equal(options_read_receiver_callbacks(&receiver_read, NULL), 0);
	assert_null(receiver_read.message);
	receiver.size = 0;
	assert_int_equal(options_read_receiver_callbacks(&receiver_read, &receiver),
			-EINVAL);
	assert_int_equal(options_read_sender_callbacks(&sender_read, &sender), 0);
	assert_int_equal(options_read_sender_callbacks(&sender_read, NULL), 0);
	assert_null(sender_read.connected);
	sender.size = 0;
	assert_int_equal(options_read_sender_callbacks(&sender_read, &sender), -EINVAL);
}

/* ---- Receiver ---------------------------------------------------------------- */

static const struct evchan_receiver_options receiver_init = EVCHAN_RECEIVER_OPTIONS_INIT;

static int read_receiver(const struct evchan_receiver_options *given)
{
	struct evchan_receiver_options options;

	return options_read_receiver(&options, given);
}

/* The defaults are those of the public header, for NULL and for a struct that says
 * nothing. */
static void receiver_defaults(void **state)
{
	const struct evchan_receiver_options *const given[] = { NULL, &receiver_init };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct evchan_receiver_options options;

		assert_int_equal(options_read_receiver(&options, given[i]), 0);
		assert_int_equal(options.flags, 0);
		assert_int_equal(options.bell, EVCHAN_BELL_DEFAULT);
		assert_int_equal(options.max_senders, 4096);
		assert_int_equal(options.max_senders_per_uid, 4096);
		assert_int_equal(options.max_lane_bytes, 64 * MIB);
		assert_int_equal(options.max_total_bytes,
				sizeof(void *) >= 8 ? 4 * GIB : GIB);
		assert_int_equal(options.max_uid_bytes, options.max_total_bytes);
		assert_int_equal(options.max_held_bytes, 0);
		assert_int_equal(options.turn_messages, 256);
		assert_true(options_leave_share(given[i]));
		assert_int_equal(options.turn_bytes, MIB);
		assert_int_equal(options.turn_total_messages, 1024);
		assert_int_equal(options.turn_total_bytes, 4 * MIB);
		assert_int_equal(options.hello_timeout_ms, 3000);
		assert_int_equal(options.socket_mode, 0600);
		assert_int_equal(options.wake_interval_ms, 0);
		assert_null(options.allow_uids);
		assert_null(options.allow_gids);
	}
}

/* What is given is kept, and the limits of one uid follow those of all. */
static void receiver_values_are_kept(void **state)
{
	struct evchan_receiver_options given = receiver_init, options;
	const uid_t uids[] = { 1, 2 };

	(void)state;
	given.flags = EVCHAN_RECEIVER_ANY_UID | EVCHAN_RECEIVER_COPY |
			EVCHAN_RECEIVER_ALLOW_LAZY | EVCHAN_RECEIVER_LOCK_MEMORY |
			EVCHAN_RECEIVER_NO_OBSERVERS;
	given.bell = EVCHAN_BELL_PIPE;
	given.max_senders = 7;
	given.max_lane_bytes = 12345;
	given.max_total_bytes = 54321;
	given.max_held_bytes = 100;
	given.turn_messages = 1;
	given.turn_bytes = 2;
	given.turn_total_messages = 3;
	given.turn_total_bytes = 4;
	given.hello_timeout_ms = 5;
	given.socket_mode = 0666;
	given.allow_uids = uids;
	given.allow_uid_count = 2;
	given.wake_interval_ms = 1000;
	given.wake_bytes = 10;
	given.spin_us = 1000;
	assert_int_equal(options_read_receiver(&options, &given), 0);
	assert_false(options_leave_share(&given));
	assert_int_equal(options.max_senders_per_uid, 7);
	assert_int_equal(options.max_uid_bytes, 54321);
	given.max_senders_per_uid = 7;
	given.max_uid_bytes = 54321;
	assert_memory_equal(&options, &given, sizeof(options));
}

/* A ring that cannot be mapped here is above the limit of a lane, whatever limit is
 * asked for. */
static void receiver_takes_no_ring_it_cannot_map(void **state)
{
	struct evchan_receiver_options given = receiver_init, options;

	(void)state;
	given.max_lane_bytes = UINT64_MAX;
	assert_int_equal(options_read_receiver(&options, &given), 0);
	assert_int_equal(options.max_lane_bytes, OPTIONS_CAPACITY_MAX);
}

/* A value without a meaning is refused, and nothing is written. */
static void receiver_nonsense_is_refused(void **state)
{
	struct evchan_receiver_options given, options;
	const gid_t gid = 1;

	(void)state;
	for (int bit = 5; bit < 32; bit++) {
		given = receiver_init;
		given.flags = (uint32_t)1 << bit;
		assert_int_equal(read_receiver(&given), -EINVAL);
	}
	given = receiver_init;
	given.bell = EVCHAN_BELL_SOCKET; /* the senders' choice */
	assert_int_equal(read_receiver(&given), -EINVAL);
	given.bell = 4;
	assert_int_equal(read_receiver(&given), -EINVAL);
	given = receiver_init;
	given.socket_mode = 01777;
	assert_int_equal(read_receiver(&given), -EINVAL);
	given = receiver_init;
	given.wake_interval_ms = 1001;
	assert_int_equal(read_receiver(&given), -EINVAL);
	given = receiver_init;
	given.wake_bytes = 1; /* without an interval */
	assert_int_equal(read_receiver(&given), -EINVAL);
	given = receiver_init;
	given.spin_us = 1001;
	assert_int_equal(read_receiver(&given), -EINVAL);
	given = receiver_init;
	given.reserved = 1;
	assert_int_equal(read_receiver(&given), -EINVAL);
	given = receiver_init;
	given.allow_uid_count = 1;
	assert_int_equal(read_receiver(&given), -EINVAL);
	given = receiver_init;
	given.allow_gid_count = 1;
	memset(&options, 0x55, sizeof(options));
	assert_int_equal(options_read_receiver(&options, &given), -EINVAL);
	assert_int_equal(options.max_senders, 0x55555555);
	given.allow_gids = &gid;
	assert_int_equal(read_receiver(&given), 0);
}

/* ---- Sender ------------------------------------------------------------------ */

static const struct evchan_sender_options sender_init = EVCHAN_SENDER_OPTIONS_INIT;

static int read_sender(const struct evchan_sender_options *given)
{
	struct evchan_sender_options options;

	return options_read_sender(&options, given);
}

/* The defaults are those of the public header. */
static void sender_defaults(void **state)
{
	const struct evchan_sender_options *const given[] = { NULL, &sender_init };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct evchan_sender_options options;

		assert_int_equal(options_read_sender(&options, given[i]), 0);
		assert_int_equal(options.flags, 0);
		assert_int_equal(options.bell, EVCHAN_BELL_DEFAULT);
		assert_int_equal(options.capacity, 256 * KIB);
		assert_int_equal(options.low_watermark, 128 * KIB);
		assert_int_equal(options.reconnect_min_ms, 10);
		assert_int_equal(options.reconnect_max_ms, 2000);
		assert_string_equal(options.label, "");
		assert_null(options.receiver_uids);
	}
}

static uint64_t capacity_for(uint64_t given_capacity)
{
	struct evchan_sender_options given = sender_init, options;

	given.capacity = given_capacity;
	assert_int_equal(options_read_sender(&options, &given), 0);
	assert_int_equal(options.low_watermark, options.capacity / 2);
	return options.capacity;
}

/* The capacity is a power of two, from one page to the limit. */
static void capacity_is_rounded_up(void **state)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct evchan_sender_options given = sender_init;

	(void)state;
	assert_int_equal(capacity_for(1), page);
	assert_int_equal(capacity_for(page), page);
	assert_int_equal(capacity_for(page + 1), 2 * page);
	assert_int_equal(capacity_for(100 * page), 128 * page);
	assert_int_equal(capacity_for(OPTIONS_CAPACITY_MAX - 1), OPTIONS_CAPACITY_MAX);
	assert_int_equal(capacity_for(OPTIONS_CAPACITY_MAX), OPTIONS_CAPACITY_MAX);
	given.capacity = OPTIONS_CAPACITY_MAX + 1;
	assert_int_equal(read_sender(&given), -EINVAL);
	given.capacity = UINT64_MAX;
	assert_int_equal(read_sender(&given), -EINVAL);
}

/* The low watermark is below the capacity as it is after rounding. */
static void low_watermark_is_below_the_capacity(void **state)
{
	struct evchan_sender_options given = sender_init, options;

	(void)state;
	given.capacity = 128 * KIB + 1;
	given.low_watermark = 256 * KIB - 1;
	assert_int_equal(options_read_sender(&options, &given), 0);
	assert_int_equal(options.low_watermark, 256 * KIB - 1);
	given.low_watermark = 256 * KIB;
	assert_int_equal(read_sender(&given), -EINVAL);
	given.low_watermark = 1;
	assert_int_equal(options_read_sender(&options, &given), 0);
	assert_int_equal(options.low_watermark, 1);
}

static void check_reconnect(uint32_t least, uint32_t longest, uint32_t expect_least,
		uint32_t expect_longest)
{
	struct evchan_sender_options given = sender_init, options;

	given.reconnect_min_ms = least;
	given.reconnect_max_ms = longest;
	assert_int_equal(options_read_sender(&options, &given), 0);
	assert_int_equal(options.reconnect_min_ms, expect_least);
	assert_int_equal(options.reconnect_max_ms, expect_longest);
}

/* A default never stands in the way of the value that was given. */
static void reconnect_defaults_make_way(void **state)
{
	struct evchan_sender_options given = sender_init;

	(void)state;
	check_reconnect(0, 0, 10, 2000);
	check_reconnect(50, 0, 50, 2000);
	check_reconnect(5000, 0, 5000, 5000);
	check_reconnect(0, 100, 10, 100);
	check_reconnect(0, 3, 3, 3);
	check_reconnect(7, 7, 7, 7);
	given.reconnect_min_ms = 8;
	given.reconnect_max_ms = 7;
	assert_int_equal(read_sender(&given), -EINVAL);
}

/* A label has at most 63 bytes. */
static void label_has_a_limit(void **state)
{
	struct evchan_sender_options given = sender_init, options;
	char label[65];

	(void)state;
	memset(label, 'x', sizeof(label));
	label[63] = '\0';
	given.label = label;
	assert_int_equal(options_read_sender(&options, &given), 0);
	assert_ptr_equal(options.label, label);
	label[63] = 'x';
	label[64] = '\0';
	assert_int_equal(read_sender(&given), -EINVAL);
}

/* A value without a meaning is refused. */
static void sender_nonsense_is_refused(void **state)
{
	struct evchan_sender_options given;

	(void)state;
	for (int bit = 0; bit < 32; bit++) {
		given = sender_init;
		given.flags = (uint32_t)1 << bit;
		assert_int_equal(read_sender(&given), bit < 5 ? 0 : -EINVAL);
	}
	given = sender_init;
	given.bell = EVCHAN_BELL_SOCKET;
	assert_int_equal(read_sender(&given), 0);
	given.bell = EVCHAN_BELL_SOCKET + 1;
	assert_int_equal(read_sender(&given), -EINVAL);
	given = sender_init;
	given.receiver_uid_count = 1;
	assert_int_equal(read_sender(&given), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_size_is_copied),
		cmocka_unit_test(older_caller_leaves_zeros),
		cmocka_unit_test(newer_caller_asks_for_nothing_new),
		cmocka_unit_test(newer_caller_asks_for_more),
		cmocka_unit_test(null_is_all_zeros),
		cmocka_unit_test(nonsense_sizes_are_refused),
		cmocka_unit_test(filling_in_respects_the_size),
		cmocka_unit_test(callbacks_are_copied),
		cmocka_unit_test(receiver_defaults),
		cmocka_unit_test(receiver_values_are_kept),
		cmocka_unit_test(receiver_takes_no_ring_it_cannot_map),
		cmocka_unit_test(receiver_nonsense_is_refused),
		cmocka_unit_test(sender_defaults),
		cmocka_unit_test(capacity_is_rounded_up),
		cmocka_unit_test(low_watermark_is_below_the_capacity),
		cmocka_unit_test(reconnect_defaults_make_way),
		cmocka_unit_test(label_has_a_limit),
		cmocka_unit_test(sender_nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
