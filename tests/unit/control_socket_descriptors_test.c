/* SPDX-License-Identifier: MIT */
/*
 * Descriptors on the control socket. With the first frame they are welcome if they are few; all others, however many
 * and whatever they are, must end up closed, without anybody having waited for that. Each test ends
 * with a count of what is open.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "control_pair.h"
#include "slow_descriptor.h"

static bool is_same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
			one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* ---- Welcome ones ------------------------------------------------------------------- */

/* What came with the first frame is the caller's: in the table, close-on-exec, in the order sent. */
static void first_frame_brings_its_descriptors(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello), count, i;
	unsigned before;
	struct pair pair;
	int fds[2];

	(void)state;
	for (count = 1; count <= CONTROL_DESCRIPTORS_MAX; count++) {
		MUST(pipe(fds) == 0);
		pair_open(&pair);
		assert_int_equal(peer_send_with(&pair, hello, length, fds, count), 0);
		before = descriptor_count();
		assert_true(receives_frame(&pair, hello, length));
		assert_int_equal(pair.arrival.fd_count, count);
		assert_int_equal(descriptor_count(), before + count);
		for (i = 0; i < CONTROL_DESCRIPTORS_MAX; i++) {
			if (i >= count) {
				assert_int_equal(pair.arrival.fds[i], -1);
				continue;
			}
			assert_int_equal(fcntl(pair.arrival.fds[i], F_GETFD), FD_CLOEXEC);
			assert_int_equal(fcntl(pair.arrival.fds[i], F_GETFL) & O_ACCMODE,
					fcntl(fds[i], F_GETFL) & O_ACCMODE);
			assert_true(is_same_file(pair.arrival.fds[i], fds[i]));
		}
		close_arrival(&pair);
		assert_int_equal(descriptor_count(), before);
		pair_close(&pair);
		close(fds[0]);
		close(fds[1]);
	}
}

/* What follows in the same piece follows as usual. */
static void frames_behind_it_are_kept(void **state)
{
	unsigned char bytes[CONTROL_FRAME_MAX];
	size_t length = make_hello(bytes);
	struct pair pair;
	int fd = open_something();

	(void)state;
	bytes[length] = CONTROL_RING;
	memcpy(bytes + length + 1, bye_frame, sizeof(bye_frame));
	pair_open(&pair);
	assert_int_equal(peer_send_copies(&pair, bytes, length + 1 + sizeof(bye_frame),
					 fd, 1),
			0);
	assert_true(receives_hello(&pair));
	assert_int_equal(pair.arrival.fd_count, 1);
	close_arrival(&pair);
	assert_int_equal(receive(&pair), 1);
	assert_int_equal(pair.type, CONTROL_RING);
	assert_true(receives_frame(&pair, bye_frame, sizeof(bye_frame)));
	assert_int_equal(receive(&pair), -EAGAIN);
	pair_close(&pair);
	close(fd);
}

/* A hello that is queued outlives the sender, with what it brings. */
static void queued_hello_outlives_its_sender(void **state)
{
	struct pair pair;
	pid_t child;

	(void)state;
	pair_open(&pair);
	child = fork();
	if (child == 0) {
		say_hello_with(&pair, 1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(child_result(child), -SIGKILL);
	peer_close(&pair);
	assert_true(receives_hello(&pair));
	assert_int_equal(pair.arrival.fd_count, 1);
	assert_true(is_open(pair.arrival.fds[0]));
	close_arrival(&pair);
	assert_int_equal(receive(&pair), -EPIPE);
	pair_close(&pair);
}

/* ---- Unwelcome ones ----------------------------------------------------------------- */

/* More than a good frame carries break the protocol, however good the frame, and as often as one asks: none of them is
 * received, and all are let go of with the connection. */
static void too_many_are_refused(void **state)
{
	static const size_t counts[] = { 3, 4, 10, 64, 252, 253 };
	struct disposal_account *account;
	struct pair pair;
	unsigned before;
	size_t i;

	(void)state;
	assert_int_equal(disposal_account_new(&account), 0);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		before = count_open_descriptors();
		pair_open(&pair);
		say_hello_with(&pair, counts[i]);
		assert_int_equal(receive_charged(&pair, account), -EPROTO);
		assert_int_equal(pair.arrival.fd_count, 0);
		assert_int_equal(pair.arrival.fds[0], -1);
		assert_int_equal(pair.arrival.fds[1], -1);
		assert_int_equal(receive_charged(&pair, account), -EPROTO);
		pair_close(&pair);
		assert_int_equal(disposal_wait(LONG_MS), 0);
		assert_int_equal(disposal_account_pending(account), 0);
		assert_int_equal(count_open_descriptors(), before);
	}
	disposal_account_release(account);
}

static void receive_most(void *unused)
{
	unsigned owned = descriptor_count();
	struct pair pair;

	(void)unused;
	pair_open(&pair);
	say_hello_with(&pair, 253);
	/* Copies of a few: those who send hundreds do not get at the numbers of the others. */
	leave_numbers(20);
	CHILD_CHECK(receive(&pair) == -EPROTO);
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(descriptor_count() == owned + 1);
	pair_close(&pair);
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(descriptor_count() == owned);
}

/* However many were sent, looking at them takes a few numbers, and no more. */
static void too_many_take_few_numbers(void **state)
{
	(void)state;
	if (HAS_THREAD_SANITIZER || !can_limit_numbers())
		skip();
	assert_int_equal(in_child(receive_most, NULL), 0);
}

/* Letting go of a stranger's descriptor may take for ever: not here, and at its own expense. */
static void unwanted_descriptor_delays_nobody(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct disposal_account *account;
	struct slow_descriptor slow;
	struct pair pair;

	(void)state;
	if (!slow_open(&slow))
		skip();
	assert_int_equal(disposal_account_new(&account), 0);
	pair_open(&pair);
	assert_int_equal(peer_send_copies(&pair, hello, length, slow.fd, 3), 0);
	close(slow.fd);
	assert_int_equal(receive_charged(&pair, account), -EPROTO);
	control_socket_deinit(&pair.control, account);
	peer_close(&pair);
	assert_true(disposal_account_pending(account) > 0);
	assert_int_equal(disposal_wait(0), -ETIMEDOUT);
	close(slow.peer);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_int_equal(disposal_account_pending(account), 0);
	disposal_account_release(account);
}

/* Garbage with descriptors beside it is garbage, whatever was sent with it. */
static void garbage_brings_nothing(void **state)
{
	static const unsigned char garbage[] = { 0xff, 1, 2, 3 };
	static const size_t counts[] = { 1, 2, 3, 253 };
	struct pair pair;
	int fd = open_something();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		pair_open(&pair);
		assert_int_equal(peer_send_copies(&pair, garbage, sizeof(garbage), fd,
						 counts[i]),
				0);
		assert_int_equal(receive(&pair), -EPROTO);
		assert_int_equal(receive(&pair), -EPROTO);
		pair_close(&pair);
	}
	close(fd);
}

/* Descriptors beside a later frame break the protocol, be they few or many, also when they were queued
 * before the hello was looked at. */
static void later_descriptors_are_refused(void **state)
{
	static const size_t counts[] = { 1, 2, 3, 253 };
	int fd = open_something();
	struct pair pair;
	size_t i;

	(void)state;
	for (i = 0; i < 2 * sizeof(counts) / sizeof(counts[0]); i++) {
		pair_open(&pair);
		say_hello_with(&pair, 1);
		if (i % 2)
			peer_send(&pair, bye_frame, sizeof(bye_frame));
		assert_int_equal(peer_send_copies(&pair, bye_frame, sizeof(bye_frame), fd,
						 counts[i / 2]),
				0);
		assert_true(receives_hello(&pair));
		assert_int_equal(pair.arrival.fd_count, 1);
		close_arrival(&pair);
		/* The first goodbye may be read together with the second. */
		if (receive(&pair) > 0 && i % 2)
			receive(&pair);
		assert_int_equal(pair.result, -EPROTO);
		pair_close(&pair);
	}
	close(fd);
}

/* The same for what is sent after the hello was taken: refused here, or by the kernel at the sender's. */
static void descriptors_after_the_hello_are_refused(void **state)
{
	int fd = open_something(), sent;
	struct pair pair;

	(void)state;
	pair_open(&pair);
	say_hello_with(&pair, 1);
	assert_true(receives_hello(&pair));
	close_arrival(&pair);
	sent = peer_send_copies(&pair, &ring_frame, 1, fd, 1);
	assert_true(sent == 0 || sent == -EPERM);
	assert_int_equal(receive(&pair), sent == 0 ? -EPROTO : -EAGAIN);
	pair_close(&pair);
	close(fd);
}

static void receive_later_descriptors(void *unused)
{
	static const size_t counts[] = { 1, 2, 253 };
	unsigned owned = descriptor_count(), open_before = count_open_descriptors();
	struct pair pair;
	size_t i;

	(void)unused;
	if (forget_pass_rights() < 0)
		_exit(CHILD_SKIPPED);
	for (i = 0; i < 3; i++) {
		pair_open(&pair);
		say_hello_with(&pair, 1);
		CHILD_CHECK(receives_hello(&pair));
		close_arrival(&pair);
		/* The queue has been seen empty: that is no reason to rely on it. */
		CHILD_CHECK(receive(&pair) == -EAGAIN);
		CHILD_CHECK(receive(&pair) == -EAGAIN);
		CHILD_CHECK(peer_send_copies(&pair, &ring_frame, 1, 0, counts[i]) == 0);
		CHILD_CHECK(receive(&pair) == -EPROTO);
		pair_close(&pair);
	}
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(descriptor_count() == owned);
	CHILD_CHECK(count_open_descriptors() == open_before);
}

/* On older kernels nobody but us refuses them, at any time. */
static void older_kernels_refuse_nothing(void **state)
{
	int result;

	(void)state;
	if (HAS_THREAD_SANITIZER)
		skip();
	result = in_child(receive_later_descriptors, NULL);
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

/* Refused ones may block as well: neither the receive nor the end of the connection waits. */
static void later_descriptor_delays_nobody(void **state)
{
	struct slow_descriptor slow;
	struct pair pair;

	(void)state;
	if (!slow_open(&slow))
		skip();
	pair_open(&pair);
	say_hello_with(&pair, 1);
	assert_int_equal(peer_send_copies(&pair, &ring_frame, 1, slow.fd, 1), 0);
	close(slow.fd);
	assert_true(receives_hello(&pair));
	close_arrival(&pair);
	assert_int_equal(receive(&pair), -EPROTO);
	pair_close(&pair);
	assert_int_equal(disposal_wait(0), -ETIMEDOUT);
	close(slow.peer);
}

/* What comes with the second frame does not count as the first one's, even if both are there at once. */
static void descriptors_are_their_own_frames(void **state)
{
	int fd = open_something();
	struct pair pair;

	(void)state;
	pair_open(&pair);
	peer_send(&pair, bye_frame, sizeof(bye_frame));
	assert_int_equal(peer_send_copies(&pair, &ring_frame, 1, fd, 1), 0);
	if (receive(&pair) > 0) {
		assert_int_equal(pair.type, CONTROL_BYE);
		assert_int_equal(pair.arrival.fd_count, 0);
		assert_int_equal(pair.arrival.fds[0], -1);
		receive(&pair);
	}
	assert_int_equal(pair.result, -EPROTO);
	pair_close(&pair);
	close(fd);
}

/* A hello is sent in one piece. One that is not, and has descriptors with any piece, is refused, waited for or
 * accepted with them; but looked at as often as one likes, it leaves nothing open. */
static void hello_in_pieces_leaks_nothing(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello), cut;
	int fd = open_something(), piece, i;
	struct pair pair;

	(void)state;
	for (cut = 1; cut < length; cut += 11)
		for (piece = 0; piece < 3; piece++) {
			pair_open(&pair);
			assert_int_equal(peer_send_copies(&pair, hello, cut, fd,
							 piece != 1),
					0);
			for (i = 0; i < 5; i++)
				assert_true(receive(&pair) == -EAGAIN ||
						pair.result == -EPROTO);
			assert_int_equal(peer_send_copies(&pair, hello + cut,
							 length - cut, fd, piece != 0),
					0);
			receive(&pair);
			if (pair.result > 0) {
				assert_int_equal(pair.result, length);
				assert_int_equal(pair.arrival.fd_count,
						piece == 2 ? 2 : 1);
				close_arrival(&pair);
			} else {
				assert_true(pair.result == -EPROTO ||
						pair.result == -EAGAIN);
			}
			pair_close(&pair);
		}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_frame_brings_its_descriptors),
		TEST(frames_behind_it_are_kept),
		TEST(queued_hello_outlives_its_sender),
		TEST(too_many_are_refused),
		TEST(too_many_take_few_numbers),
		TEST(unwanted_descriptor_delays_nobody),
		TEST(garbage_brings_nothing),
		TEST(later_descriptors_are_refused),
		TEST(descriptors_after_the_hello_are_refused),
		TEST(older_kernels_refuse_nothing),
		TEST(later_descriptor_delays_nobody),
		TEST(descriptors_are_their_own_frames),
		TEST(hello_in_pieces_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
