/* SPDX-License-Identifier: MIT */
/*
 * Receiving descriptors when this process has no number left for them. A hello may be all that is left of its sender, so
 * it must wait in the queue, whole; and what nobody wants must not be dropped by the kernel, which would close it here
 * and now.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_pair.h"
#include "slow_descriptor.h"

static void receive_without_numbers(void *arg)
{
	const unsigned *sizes = arg; /* how many are sent, how many numbers are free */
	struct pair pair;
	struct pollfd readable;
	unsigned owned;
	int i;

	owned = descriptor_count();
	pair_open(&pair);
	say_hello_with(&pair, sizes[0]);
	peer_close(&pair);
	leave_numbers(sizes[1]);
	for (i = 0; i < 3; i++) {
		CHILD_CHECK(receive(&pair) == -EMFILE);
		CHILD_CHECK(disposal_wait(LONG_MS) == 0);
		CHILD_CHECK(descriptor_count() == owned + 1);
		readable = (struct pollfd){ pair.control.fd, POLLIN, 0 };
		CHILD_CHECK(poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN));
	}
	leave_all_numbers();
	CHILD_CHECK(receives_hello(&pair));
	CHILD_CHECK(pair.arrival.fd_count == sizes[0]);
	for (i = 0; i < (int)sizes[0]; i++)
		CHILD_CHECK(is_open(pair.arrival.fds[i]));
	close_arrival(&pair);
	CHILD_CHECK(receive(&pair) == -EPIPE);
	pair_close(&pair);
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(descriptor_count() == owned);
}

/* While there is no room for its descriptors a hello stays queued, as often as it is looked at, even if its sender is
 * gone; when there is room it is all there. */
static void hello_waits_for_numbers(void **state)
{
	unsigned sizes[][2] = { { 1, 0 }, { 2, 0 }, { 2, 1 } };
	size_t i;

	(void)state;
	if (HAS_THREAD_SANITIZER || !can_limit_numbers())
		skip();
	for (i = 0; i < 3; i++)
		assert_int_equal(in_child(receive_without_numbers, sizes[i]), 0);
}

static void receive_plain_frames_without_numbers(void *unused)
{
	struct pair pair;

	(void)unused;
	pair_open(&pair);
	leave_numbers(0);
	pass_hello(&pair);
	peer_send(&pair, bye_frame, sizeof(bye_frame));
	CHILD_CHECK(receives_frame(&pair, bye_frame, sizeof(bye_frame)));
	CHILD_CHECK(receive(&pair) == -EAGAIN);
}

/* Who brings no descriptors needs no room for any. */
static void plain_frames_need_no_number(void **state)
{
	(void)state;
	assert_int_equal(in_child(receive_plain_frames_without_numbers, NULL), 0);
}

static void end_with_queued_hello_without_numbers(void *unused)
{
	unsigned owned = descriptor_count();
	struct pair pair;

	(void)unused;
	pair_open(&pair);
	say_hello_with(&pair, 2);
	leave_numbers(0);
	CHILD_CHECK(receive(&pair) == -EMFILE);
	pair_close(&pair);
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(descriptor_count() == owned);
}

/* The end comes also where nothing can be received. */
static void waiting_hello_can_be_given_up(void **state)
{
	(void)state;
	if (HAS_THREAD_SANITIZER || !can_limit_numbers())
		skip();
	assert_int_equal(in_child(end_with_queued_hello_without_numbers, NULL), 0);
}

static struct pair pair_in_child;

static void queue_hello_and_slow_ring(const struct slow_descriptor *slow)
{
	pair_open(&pair_in_child);
	say_hello_with(&pair_in_child, 1);
	CHILD_CHECK(peer_send_copies(&pair_in_child, &ring_frame, 1, slow->fd, 1) == 0);
	CHILD_CHECK(receives_hello(&pair_in_child));
	close_arrival(&pair_in_child);
}

static void try_to_forget_pass_rights(void *unused)
{
	(void)unused;
	CHILD_CHECK(forget_pass_rights() == 0);
}

/* The same on a kernel that lets the peer send it when the hello is long done. */
static void queue_slow_ring_late(const struct slow_descriptor *slow)
{
	CHILD_CHECK(forget_pass_rights() == 0);
	pair_open(&pair_in_child);
	pass_hello(&pair_in_child);
	CHILD_CHECK(receive(&pair_in_child) == -EAGAIN);
	CHILD_CHECK(peer_send_copies(&pair_in_child, &ring_frame, 1, slow->fd, 1) == 0);
}

static void receive_ring_without_numbers(void)
{
	leave_numbers(0);
	CHILD_CHECK(receive(&pair_in_child) < 0);
	CHILD_CHECK(pair_in_child.result != -EAGAIN);
	pair_close(&pair_in_child);
}

/* A descriptor there is no number for must not be dropped, and closed, inside recvmsg either. */
static void no_descriptor_is_dropped_by_the_kernel(void **state)
{
	struct slow_descriptor slow;

	(void)state;
	if (HAS_THREAD_SANITIZER || !slow_open(&slow))
		skip();
	assert_true(is_not_delayed(
			&slow, queue_hello_and_slow_ring, receive_ring_without_numbers));
	if (in_child(try_to_forget_pass_rights, NULL) != 0)
		return;
	assert_true(slow_open(&slow));
	assert_true(is_not_delayed(
			&slow, queue_slow_ring_late, receive_ring_without_numbers));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello_waits_for_numbers),
		TEST(plain_frames_need_no_number),
		TEST(waiting_hello_can_be_given_up),
		TEST(no_descriptor_is_dropped_by_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
