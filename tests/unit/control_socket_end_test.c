/* SPDX-License-Identifier: MIT */
/*
 * The end of a control socket. The peer is told at once, after what was said last; closing what is still in the queue
 * may take for ever and is nobody's business here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_pair.h"
#include "slow_descriptor.h"

/* The peer sees the end at once, after the last words, and can send no more; the descriptor is gone. */
static void end_is_seen_at_once(void **state)
{
	unsigned char got[8];
	struct pair pair;
	int fd;

	(void)state;
	pair_open(&pair);
	fd = pair.control.fd;
	assert_int_equal(send_bye(&pair), 0);
	control_socket_deinit(&pair.control, NULL);
	assert_int_equal(pair.control.fd, -1);
	assert_false(is_open(fd));
	assert_int_equal(peer_get(&pair, got, sizeof(got)), sizeof(bye_frame));
	assert_memory_equal(got, bye_frame, sizeof(bye_frame));
	assert_int_equal(peer_get(&pair, got, sizeof(got)), 0);
	assert_int_equal(send(pair.peer, bye_frame, sizeof(bye_frame), MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	peer_close(&pair);
}

/* An empty queue closes at once, without a thread; so it does when the peer has gone first. */
static void empty_queue_closes_at_once(void **state)
{
	unsigned threads = count_threads();
	struct pair pair;
	int fd, gone;

	(void)state;
	for (gone = 0; gone < 2; gone++) {
		pair_open(&pair);
		fd = pair.control.fd;
		pass_hello(&pair);
		if (gone)
			peer_close(&pair);
		control_socket_deinit(&pair.control, NULL);
		assert_false(is_open(fd));
		assert_int_equal(count_threads(), threads);
		peer_close(&pair);
	}
}

/* What is unread does not keep it: last words are heard even then. */
static void unread_frames_do_not_keep_it(void **state)
{
	unsigned char got[8];
	struct pair pair;

	(void)state;
	pair_open(&pair);
	peer_send(&pair, bye_frame, sizeof(bye_frame));
	assert_int_equal(send_bye(&pair), 0);
	control_socket_deinit(&pair.control, NULL);
	assert_int_equal(pair.control.fd, -1);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_int_equal(descriptor_count(), 0);
	assert_int_equal(peer_get(&pair, got, sizeof(got)), sizeof(bye_frame));
	assert_true(peer_get(&pair, got, sizeof(got)) <= 0);
	peer_close(&pair);
}

/* Ended twice, or never begun: nothing happens. */
static void second_end_is_harmless(void **state)
{
	struct control_socket none = CONTROL_SOCKET_NONE;
	struct pair pair;
	int other;

	(void)state;
	control_socket_deinit(&none, NULL);
	control_socket_abandon(&none);
	pair_open(&pair);
	control_socket_deinit(&pair.control, NULL);
	/* Somebody else gets the number. */
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	control_socket_deinit(&pair.control, NULL);
	control_socket_abandon(&pair.control);
	assert_true(is_open(other));
	close(other);
	peer_close(&pair);
}

static void abandon(void *arg)
{
	struct pair *pair = arg;
	int fd = pair->control.fd;
	unsigned owned = descriptor_count();

	control_socket_abandon(&pair->control);
	CHILD_CHECK(pair->control.fd == -1);
	CHILD_CHECK(!is_open(fd));
	CHILD_CHECK(descriptor_count() == owned - 1);
	control_socket_abandon(&pair->control);
}

/* A forked child can let go of its copy: the connection is the parent's and goes on. */
static void child_abandons_its_copy_only(void **state)
{
	unsigned char got[8];
	struct pair pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(in_child(abandon, &pair), 0);
	assert_int_equal(peer_get(&pair, got, sizeof(got)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send_bye(&pair), 0);
	assert_int_equal(peer_get(&pair, got, sizeof(got)), sizeof(bye_frame));
	pass_hello(&pair);
	pair_close(&pair);
}

/* A connection that ends with descriptors unread in its queue leaves none, and its peer knows at once. */
static void unread_descriptors_end_with_the_connection(void **state)
{
	struct disposal_account *account;
	struct slow_descriptor slow;
	struct pair pair;
	char byte;

	(void)state;
	if (!slow_open(&slow))
		skip();
	assert_int_equal(disposal_account_new(&account), 0);
	pair_open(&pair);
	assert_int_equal(
			peer_send_copies(&pair, bye_frame, sizeof(bye_frame), slow.fd, 1),
			0);
	close(slow.fd);
	control_socket_deinit(&pair.control, account);
	assert_int_equal(pair.control.fd, -1);
	/* The end, or a reset, if the disposal thread has come to the queue already. */
	if (recv(pair.peer, &byte, 1, MSG_DONTWAIT) != 0)
		assert_int_equal(errno, ECONNRESET);
	assert_int_equal(send(pair.peer, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(disposal_account_pending(account), 1);
	close(slow.peer);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_int_equal(disposal_account_pending(account), 0);
	control_socket_deinit(&pair.control, account);
	assert_int_equal(disposal_account_pending(account), 0);
	disposal_account_release(account);
	peer_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(end_is_seen_at_once),
		TEST(empty_queue_closes_at_once),
		TEST(unread_frames_do_not_keep_it),
		TEST(second_end_is_harmless),
		TEST(child_abandons_its_copy_only),
		TEST(unread_descriptors_end_with_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
