/* SPDX-License-Identifier: MIT */
/*
 * How reading a control socket comes to its end: by garbage or by a hang-up. What was good before it is returned first,
 * and what is neither a frame nor an end is never waited for.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_pair.h"

static void assert_garbage_is_refused(const void *garbage, size_t size, bool is_first)
{
	struct pair pair;

	pair_open(&pair);
	if (!is_first)
		pass_hello(&pair);
	peer_send(&pair, garbage, size);
	assert_int_equal(receive(&pair), -EPROTO);
	/* It does not turn into something by being looked at again. */
	assert_int_equal(receive(&pair), -EPROTO);
	pair_close(&pair);
}

/* Types that do not exist, lengths that cannot be. */
static void garbage_is_refused(void **state)
{
	static const unsigned char lengths[][4] = { { CONTROL_HELLO, 0, 0, 0 },
		{ CONTROL_BYE, 0, 3, 0 }, { CONTROL_WELCOME, 0, 1, 2 },
		{ CONTROL_EVICTED, 0, 0xff, 0xff }, { CONTROL_REFUSED, 0, 0, 0x80 } };
	unsigned char type;
	size_t i;

	(void)state;
	for (i = 0; i < 256; i++) {
		type = (unsigned char)i;
		if (type == CONTROL_RING ||
				(type >= CONTROL_HELLO && type <= CONTROL_LAST))
			continue;
		assert_garbage_is_refused(&type, 1, true);
		assert_garbage_is_refused(&type, 1, false);
	}
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_garbage_is_refused(lengths[i], 4, true);
		assert_garbage_is_refused(lengths[i], 4, false);
	}
}

/* What was good before the garbage is good. */
static void frames_before_garbage_are_returned(void **state)
{
	static const unsigned char bytes[] = { CONTROL_BYE, 0, 4, 0, CONTROL_RING,
		CONTROL_RING, CONTROL_BYE, 0, 4, 0, 0xff };
	struct pair pair;

	(void)state;
	pair_open(&pair);
	peer_send(&pair, bytes, sizeof(bytes));
	assert_true(receives_frame(&pair, bytes, 4));
	take_rings(&pair, 2);
	assert_true(receives_frame(&pair, bytes, 4));
	assert_int_equal(receive(&pair), -EPROTO);
	pair_close(&pair);
}

/* ---- Hang-up --------------------------------------------------------------------------- */

/* All that was sent comes before the end, and the end stays. */
static void frames_before_a_hang_up_are_returned(void **state)
{
	static const unsigned char rings[] = { CONTROL_RING, CONTROL_RING };
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct pair pair;

	(void)state;
	pair_open(&pair);
	peer_send(&pair, hello, length);
	peer_send(&pair, rings, sizeof(rings));
	peer_send(&pair, bye_frame, sizeof(bye_frame));
	peer_close(&pair);
	assert_true(receives_frame(&pair, hello, length));
	take_rings(&pair, 2);
	assert_true(receives_frame(&pair, bye_frame, sizeof(bye_frame)));
	assert_int_equal(receive(&pair), -EPIPE);
	assert_int_equal(receive(&pair), -EPIPE);
	pair_close(&pair);
}

/* A peer that only stops sending has hung up, too. */
static void half_a_connection_is_none(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(shutdown(pair.peer, SHUT_WR), 0);
	assert_int_equal(receive(&pair), -EPIPE);
	pair_close(&pair);
}

/* A peer that goes with something of ours unread resets the connection: frames first, then the end. */
static void reset_is_a_hang_up(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct pair pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(control_socket_ring(&pair.control), 0);
	peer_send(&pair, hello, length);
	peer_send(&pair, &ring_frame, 1);
	peer_close(&pair);
	assert_true(receives_frame(&pair, hello, length));
	take_rings(&pair, 1);
	assert_int_equal(receive(&pair), -EPIPE);
	assert_int_equal(receive(&pair), -EPIPE);
	pair_close(&pair);

	pair_open(&pair);
	assert_int_equal(control_socket_ring(&pair.control), 0);
	peer_close(&pair);
	assert_int_equal(receive(&pair), -EPIPE);
	pair_close(&pair);
}

/* A frame that will never be whole ends with the connection, however much of it is there. One look may be spent
 * on what there is of it; it is not waited for. */
static void half_a_frame_and_a_hang_up_is_a_hang_up(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello), cut;
	struct pair pair;
	int variant;

	(void)state;
	for (cut = 1; cut < length; cut++)
		for (variant = 0; variant < 4; variant++) {
			pair_open(&pair);
			if (variant & 1)
				pass_hello(&pair);
			peer_send(&pair, hello, cut);
			if (variant & 2)
				assert_int_equal(receive(&pair), -EAGAIN);
			peer_close(&pair);
			if (receive(&pair) == -EAGAIN)
				receive(&pair);
			assert_int_equal(pair.result, -EPIPE);
			pair_close(&pair);
		}
}

/* Whoever shares the open file description can make it blocking: receiving does not wait for that. */
static void blocking_description_does_not_block(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct pair pair;

	(void)state;
	pair_open(&pair);
	make_blocking(pair.control.fd);
	assert_int_equal(receive(&pair), -EAGAIN);
	peer_send(&pair, hello, 5);
	assert_int_equal(receive(&pair), -EAGAIN);
	peer_send(&pair, hello + 5, length - 5);
	assert_true(receives_frame(&pair, hello, length));
	assert_int_equal(receive(&pair), -EAGAIN);
	peer_send(&pair, hello, 5);
	assert_int_equal(receive(&pair), -EAGAIN);
	peer_close(&pair);
	assert_int_equal(receive(&pair), -EPIPE);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(garbage_is_refused),
		TEST(frames_before_garbage_are_returned),
		TEST(frames_before_a_hang_up_are_returned),
		TEST(half_a_connection_is_none),
		TEST(reset_is_a_hang_up),
		TEST(half_a_frame_and_a_hang_up_is_a_hang_up),
		TEST(blocking_description_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
