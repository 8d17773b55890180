/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end. For a socket that was accepted or connected the kernel knows it from the start
 * (SO_PEERCRED); for one that was handed in it only knows who made the pair, so the credentials that come
 * with the hello count. They must be the hello's sender's own, and never somebody's by default.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/un.h>

#include "control_pair.h"

#define NOBODY 65534

/* The hello, as control_socket_send() sends it. */
static int say_hello(struct control_socket *control, bool credentials)
{
	const struct control_ancillary ancillary = { .credentials = credentials };
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);

	return control_socket_send(control, hello, length, &ancillary);
}

struct other_process {
	int fd;    /* its end of the connection */
	uid_t uid; /* it becomes */
	bool credentials;
};

static void say_hello_as(void *arg)
{
	const struct other_process *process = arg;
	struct control_socket control;

	if (process->uid != getuid()) {
		CHILD_CHECK(setgid(process->uid) == 0);
		CHILD_CHECK(setuid(process->uid) == 0);
	}
	CHILD_CHECK(control_socket_adopt(&control, process->fd) == 0);
	CHILD_CHECK(say_hello(&control, process->credentials) == 0);
}

/* Forks somebody who says hello on the peer's end of a pair and ends. Their pid. */
static pid_t hello_from_another_process(struct pair *pair, uid_t uid, bool credentials)
{
	struct other_process process = { pair->peer, uid, credentials };
	pid_t child = fork();

	if (child == 0) {
		say_hello_as(&process);
		_exit(0);
	}
	assert_int_equal(child_result(child), 0);
	peer_close(pair);
	return child;
}

static void assert_credentials(const struct pair *pair, pid_t pid, uid_t uid, gid_t gid)
{
	assert_true(pair->arrival.has_credentials);
	assert_int_equal(pair->arrival.credentials.pid, pid);
	assert_int_equal(pair->arrival.credentials.uid, uid);
	assert_int_equal(pair->arrival.credentials.gid, gid);
}

/* ---- Credentials with the hello -------------------------------------------------- */

/* The hello's own sender is told, not whoever made the pair. */
static void hello_tells_its_sender(void **state)
{
	struct pair pair;
	pid_t child;

	(void)state;
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, true);
	child = hello_from_another_process(&pair, getuid(), true);
	assert_true(receive(&pair) > 0);
	assert_credentials(&pair, child, getuid(), getgid());
	assert_int_equal(pair.arrival.fd_count, 0);
	assert_int_equal(receive(&pair), -EPIPE);
	pair_close(&pair);
}

/* Another user's process is seen as what it is. */
static void hello_tells_another_user(void **state)
{
	struct evchan_peer maker;
	struct pair pair;
	pid_t child;

	(void)state;
	if (getuid() != 0)
		skip();
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, true);
	child = hello_from_another_process(&pair, NOBODY, true);
	assert_int_equal(control_socket_peer(&pair.control, &maker), 0);
	assert_int_equal(maker.pid, getpid());
	assert_true(receive(&pair) > 0);
	assert_credentials(&pair, child, NOBODY, NOBODY);
	pair_close(&pair);
}

/* A hello that was queued before anybody asked for credentials tells its sender, too: an honest sender always
 * states who it is. */
static void queued_hello_tells_its_sender(void **state)
{
	struct pair pair;
	pid_t child;

	(void)state;
	pair_open(&pair);
	child = hello_from_another_process(&pair, getuid(), true);
	control_socket_prepare_accepted(&pair.control, true);
	assert_true(receive(&pair) > 0);
	assert_credentials(&pair, child, getuid(), getgid());
	pair_close(&pair);
}

/* A hello that was queued then and does not state who sent it comes from nobody known. What the kernel makes up for
 * it, the overflow user, is a real user's number, and not the sender's. */
static void silent_hello_is_nobodys(void **state)
{
	struct pair pair;

	(void)state;
	if (getuid() == NOBODY)
		skip();
	pair_open(&pair);
	hello_from_another_process(&pair, getuid(), false);
	control_socket_prepare_accepted(&pair.control, true);
	assert_true(receive(&pair) > 0);
	if (pair.arrival.has_credentials)
		assert_int_equal(pair.arrival.credentials.uid, getuid());
	pair_close(&pair);
}

/* Asked for in time, the kernel adds them, whether the sender wants it or not. */
static void sender_cannot_hide(void **state)
{
	struct pair pair;
	pid_t child;

	(void)state;
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, true);
	child = hello_from_another_process(&pair, getuid(), false);
	assert_true(receive(&pair) > 0);
	assert_credentials(&pair, child, getuid(), getgid());
	pair_close(&pair);
}

/* Where SO_PEERCRED is enough nobody asks, and none come. */
static void credentials_come_only_if_wanted(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, false);
	hello_from_another_process(&pair, getuid(), true);
	assert_true(receive(&pair) > 0);
	assert_false(pair.arrival.has_credentials);
	pair_close(&pair);
}

/* Credentials come beside descriptors, and beside every later frame, without being in the way. */
static void credentials_come_beside_all_else(void **state)
{
	static const unsigned char later[] = { CONTROL_RING, CONTROL_BYE, 0, 4, 0 };
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct control_ancillary ancillary = { .fd_count = 2, .credentials = true };
	struct control_socket sender;
	struct pair pair;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, true);
	assert_int_equal(control_socket_adopt(&sender, pair.peer), 0);
	ancillary.fds = fds;
	assert_int_equal(control_socket_send(&sender, hello, length, &ancillary), 0);
	peer_send(&pair, later, sizeof(later));
	assert_true(receives_frame(&pair, hello, length));
	assert_credentials(&pair, getpid(), getuid(), getgid());
	assert_int_equal(pair.arrival.fd_count, 2);
	descriptor_close(pair.arrival.fds[0]);
	descriptor_close(pair.arrival.fds[1]);
	assert_int_equal(receive(&pair), 1);
	assert_true(receives_frame(&pair, later + 1, 4));
	assert_int_equal(receive(&pair), -EAGAIN);
	control_socket_deinit(&pair.control, NULL);
	control_socket_deinit(&sender, NULL);
	close(fds[0]);
	close(fds[1]);
}

/* Beside the most descriptors that are welcome, the credentials still fit. */
static void credentials_fit_beside_the_most_descriptors(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct pair pair;

	(void)state;
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, true);
	assert_int_equal(peer_send_copies(&pair, hello, length, pair.peer,
					 CONTROL_DESCRIPTORS_MAX),
			0);
	assert_true(receives_frame(&pair, hello, length));
	assert_int_equal(pair.arrival.fd_count, CONTROL_DESCRIPTORS_MAX);
	assert_credentials(&pair, getpid(), getuid(), getgid());
	close_arrival(&pair);
	pair_close(&pair);
}

/* Credentials take no room that would let more descriptors in. */
static void too_many_descriptors_are_refused_beside_credentials(void **state)
{
	static const size_t counts[] = { 3, 4, 12, 253 };
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello), i;
	struct pair pair;

	(void)state;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		pair_open(&pair);
		control_socket_prepare_accepted(&pair.control, true);
		assert_int_equal(peer_send_copies(&pair, hello, length, pair.peer,
						 counts[i]),
				0);
		assert_int_equal(receive(&pair), -EPROTO);
		assert_int_equal(pair.arrival.fd_count, 0);
		pair_close(&pair);
	}
}

/* ---- SO_PEERCRED -------------------------------------------------------------------- */

static int listen_at(struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(address_parse(address, "", ADDRESS_OF_RECEIVER) == 0);
	MUST(fd >= 0);
	MUST(bind(fd, (struct sockaddr *)&address->unix_address, address->unix_length) ==
			0);
	MUST(listen(fd, 5) == 0);
	return fd;
}

static void connect_and_wait(void *arg)
{
	struct control_socket control;
	char byte;

	if (getuid() == 0) {
		CHILD_CHECK(setgid(NOBODY) == 0);
		CHILD_CHECK(setuid(NOBODY) == 0);
	}
	CHILD_CHECK(control_socket_connect(&control, arg) == 0);
	/* Until the other side is done with looking. */
	while (recv(control.fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
		struct pollfd hang_up = { control.fd, POLLIN, 0 };

		poll(&hang_up, 1, LONG_MS);
	}
	control_socket_deinit(&control, NULL);
}

/* The accepting side sees who called connect, the connecting side who called listen. */
static void both_ends_see_each_other(void **state)
{
	struct control_socket accepted, connected;
	struct address address;
	struct evchan_peer peer;
	int listener = listen_at(&address), fd;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		connect_and_wait(&address);
		_exit(0);
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(control_socket_adopt(&accepted, fd), 0);
	assert_int_equal(control_socket_peer(&accepted, &peer), 0);
	assert_int_equal(peer.pid, child);
	assert_int_equal(peer.uid, getuid() == 0 ? NOBODY : getuid());
	assert_int_equal(peer.gid, getuid() == 0 ? NOBODY : getgid());
	control_socket_deinit(&accepted, NULL);
	assert_int_equal(child_result(child), 0);

	assert_int_equal(control_socket_connect(&connected, &address), 0);
	assert_int_equal(control_socket_peer(&connected, &peer), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, getuid());
	assert_int_equal(peer.gid, getgid());
	control_socket_deinit(&connected, NULL);
	close(listener);
}

/* A peer that is gone is still known. */
static void peer_is_known_after_its_end(void **state)
{
	struct evchan_peer peer;
	struct pair pair;

	(void)state;
	pair_open(&pair);
	peer_close(&pair);
	assert_int_equal(control_socket_peer(&pair.control, &peer), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, getuid());
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello_tells_its_sender),
		TEST(hello_tells_another_user),
		TEST(queued_hello_tells_its_sender),
		TEST(silent_hello_is_nobodys),
		TEST(sender_cannot_hide),
		TEST(credentials_come_only_if_wanted),
		TEST(credentials_come_beside_all_else),
		TEST(credentials_fit_beside_the_most_descriptors),
		TEST(too_many_descriptors_are_refused_beside_credentials),
		TEST(both_ends_see_each_other),
		TEST(peer_is_known_after_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
