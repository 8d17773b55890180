/* SPDX-License-Identifier: MIT */
/*
 * Listeners that were handed in: inherited by number, or from systemd. They belong to a receiver only as long as it
 * lives, and what does not fit is left exactly as it was. Also here: the end of a listener with something in its
 * queue that must not be waited for.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "listener_folder.h"
#include "slow_descriptor.h"

static int open_fd(struct listener *listener, int fd)
{
	char text[32];

	snprintf(text, sizeof(text), "fd:%d", fd);
	return open_at(listener, text, 0600);
}

/* ---- What fits ---------------------------------------------------------------------------- */

/* A listening socket is taken as it is, made non-blocking and kept from children; its path stays when we end. */
static void listening_socket_is_taken(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct listener listener;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path_of("socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(open_fd(&listener, fd), 0);
	assert_int_equal(listener.fd, fd);
	assert_int_equal(listener.lock_fd, -1);
	assert_false(listener.is_lane);
	assert_false(listener.owns_path);
	assert_int_equal(descriptor_count(), 1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
	assert_int_equal(listener.fd, -1);
	/* Which has a descriptor of its own meanwhile. */
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_int_equal(descriptor_count(), 0);
	assert_false(is_open(fd));
	assert_true(exists("socket"));
	assert_false(exists("socket.lock"));
	remove_file("socket");
}

/* Who else has the socket goes on serving it: we end only our own copy. */
static void other_copies_stay_alive(void **state)
{
	struct listener first, second;
	int fd = bind_plain(path_of("socket"), SOCK_STREAM, 5), copy = dup(fd), client;

	(void)state;
	assert_int_equal(open_fd(&first, fd), 0);
	client = connect_to(path_of("socket"));
	assert_true(client >= 0);
	listener_deinit(&first, false);
	assert_int_equal(open_fd(&second, copy), 0);
	assert_true(is_heard(&second, client));
	assert_true(is_reached(&second, path_of("socket")));
	close(client);
	listener_deinit(&second, false);
	remove_file("socket");
}

/* A connected socket is a lane, not a listener. */
static void connected_socket_is_a_lane(void **state)
{
	struct listener listener;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(open_fd(&listener, ends[0]), 0);
	assert_int_equal(listener.fd, ends[0]);
	assert_true(listener.is_lane);
	assert_false(listener.owns_path);
	assert_int_equal(descriptor_count(), 1);
	assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	listener_deinit(&listener, false);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_false(is_open(ends[0]));
	close(ends[1]);
}

/* What was taken can be given back, open as before, and is then nobody's business of ours. */
static void handed_in_descriptor_is_given_back(void **state)
{
	struct listener listener;
	int ends[2], fd = bind_plain(path_of("socket"), SOCK_STREAM, 5), client;

	(void)state;
	assert_int_equal(open_fd(&listener, fd), 0);
	listener_give_back(&listener);
	assert_int_equal(listener.fd, -1);
	assert_int_equal(descriptor_count(), 0);
	listener_deinit(&listener, false);
	client = connect_to(path_of("socket"));
	assert_true(client >= 0);
	close(client);
	close(fd);
	remove_file("socket");

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(open_fd(&listener, ends[0]), 0);
	listener_give_back(&listener);
	listener_deinit(&listener, false);
	assert_int_equal(send(ends[0], "x", 1, MSG_NOSIGNAL), 1);
	close(ends[0]);
	close(ends[1]);
}

static void end_in_child(void *arg)
{
	listener_deinit(arg, true);
	CHILD_CHECK(descriptor_count() == 0);
}

/* A child's end does not end the parent's. */
static void child_only_closes(void **state)
{
	struct listener listener;
	int fd = bind_plain(path_of("socket"), SOCK_STREAM, 5);

	(void)state;
	assert_int_equal(open_fd(&listener, fd), 0);
	assert_int_equal(in_child(end_in_child, &listener), 0);
	assert_true(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
	remove_file("socket");
}

static void accept_on_blocking_listener(void *unused)
{
	struct listener listener;
	int fd = bind_plain(path_of("socket"), SOCK_STREAM, 5), accepted;

	(void)unused;
	/* Ends whoever waits. */
	alarm(5 * slowdown());
	CHILD_CHECK(open_fd(&listener, fd) == 0);
	make_blocking(fd);
	CHILD_CHECK(listener_accept(&listener, &accepted) == -EAGAIN);
	make_blocking(fd);
	CHILD_CHECK(is_reached(&listener, path_of("socket")));
	make_blocking(fd);
	CHILD_CHECK(listener_accept(&listener, &accepted) == -EAGAIN);
	listener_deinit(&listener, false);
}

/* O_NONBLOCK belongs to everybody who has the socket, and any of them can clear it: accepting does not wait. */
static void blocking_listener_does_not_block(void **state)
{
	int result = in_child(accept_on_blocking_listener, NULL);

	(void)state;
	remove_file("socket");
	assert_int_equal(result, 0);
}

/* ---- What does not ------------------------------------------------------------------------- */

/* Refused with this error, and nothing about it has changed, not even after a deinit. */
static void assert_left_alone(int fd, int expected)
{
	int descriptor_flags = fcntl(fd, F_GETFD), flags = fcntl(fd, F_GETFL);
	unsigned owned = descriptor_count();
	struct listener listener;

	assert_int_equal(open_fd(&listener, fd), expected);
	listener_deinit(&listener, false);
	assert_int_equal(fcntl(fd, F_GETFD), descriptor_flags);
	assert_int_equal(fcntl(fd, F_GETFL), flags);
	assert_int_equal(descriptor_count(), owned);
}

/* A number that is not open, and what is no socket. */
static void other_descriptors_are_left_alone(void **state)
{
	int ends[2], fd = dup(0);

	(void)state;
	close(fd);
	assert_left_alone(fd, -EBADF);
	assert_int_equal(pipe(ends), 0);
	assert_left_alone(ends[0], -ENOTSOCK);
	assert_left_alone(ends[1], -ENOTSOCK);
	close(ends[0]);
	close(ends[1]);
	fd = open(folder, O_RDONLY);
	assert_left_alone(fd, -ENOTSOCK);
	close(fd);
}

/* Sockets that are neither listening nor connected UNIX streams. */
static void other_sockets_are_left_alone(void **state)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	int fd, ends[2];
	size_t i;

	(void)state;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_left_alone(fd, -EINVAL);
	close(fd);
	fd = bind_plain(path_of("socket"), SOCK_STREAM, -1);
	assert_left_alone(fd, -EINVAL);
	close(fd);
	remove_file("socket");
	fd = bind_plain(path_of("socket"), SOCK_SEQPACKET, 5);
	assert_left_alone(fd, -EINVAL);
	close(fd);
	remove_file("socket");
	for (i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i], 0, ends), 0);
		assert_left_alone(ends[0], -EINVAL);
		close(ends[0]);
		close(ends[1]);
	}
}

/* A listening socket of the Internet's. */
static void internet_socket_is_left_alone(void **state)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;

	(void)state;
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, 1) < 0;
	if (r == 0)
		assert_left_alone(fd, -EINVAL);
	close(fd);
	if (r)
		skip();
}

/* ---- systemd -------------------------------------------------------------------------------- */

static void listen_for_systemd(void *unused)
{
	struct listener listener;
	char pid[32];
	int fd;

	(void)unused;
	/* As systemd leaves it: blocking, inherited, the second of two. */
	fd = bind_plain(path_of("socket"), SOCK_STREAM, 5);
	CHILD_CHECK(dup2(fd, 4) == 4);
	if (fd != 4)
		close(fd);
	CHILD_CHECK(dup2(open("/dev/null", O_RDONLY), 3) == 3);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "other:evchan", 1);

	CHILD_CHECK(open_at(&listener, "systemd:", 0600) == -ENOTSOCK);
	CHILD_CHECK(open_at(&listener, "systemd:evchan", 0600) == 0);
	CHILD_CHECK(listener.fd == 4);
	CHILD_CHECK(!listener.owns_path && !listener.is_lane);
	CHILD_CHECK(fcntl(4, F_GETFD) == FD_CLOEXEC);
	CHILD_CHECK(fcntl(4, F_GETFL) & O_NONBLOCK);
	CHILD_CHECK(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(!is_open(4));
}

/* A socket that systemd passes is found by its name; the path is systemd's, and stays. */
static void systemd_socket_is_taken(void **state)
{
	(void)state;
	assert_int_equal(in_child(listen_for_systemd, NULL), 0);
	assert_true(exists("socket"));
	remove_file("socket");
}

static void take_what_was_queued(void *unused)
{
	struct listener listener;
	int fd, client;

	(void)unused;
	fd = bind_plain(path_of("socket"), SOCK_STREAM, 5);
	client = connect_to(path_of("socket"));
	CHILD_CHECK(client >= 0);
	CHILD_CHECK(open_fd(&listener, fd) == 0);
	CHILD_CHECK(is_heard(&listener, client));
	listener_deinit(&listener, false);
}

/* Connections that were made before any receiver ran are its first. */
static void queued_connections_are_accepted(void **state)
{
	(void)state;
	assert_int_equal(in_child(take_what_was_queued, NULL), 0);
	remove_file("socket");
}

/* ---- The end of a listener nobody has accepted from ----------------------------------------- */

static struct listener listener_in_child;

/* A client connects, sends a descriptor that cannot be let go of, and is gone. */
static void queue_slow_connection(const struct slow_descriptor *slow)
{
	struct pair client = { .peer = connect_to(path_of("socket")) };

	CHILD_CHECK(client.peer >= 0);
	CHILD_CHECK(peer_send_copies(&client, "x", 1, slow->fd, 1) == 0);
	close(client.peer);
}

static void queue_at_own_listener(const struct slow_descriptor *slow)
{
	CHILD_CHECK(open_in_folder(&listener_in_child, "socket") == 0);
	queue_slow_connection(slow);
}

static void queue_at_handed_in_listener(const struct slow_descriptor *slow)
{
	CHILD_CHECK(open_fd(&listener_in_child,
				    bind_plain(path_of("socket"), SOCK_STREAM, 5)) == 0);
	queue_slow_connection(slow);
}

static void end_listener(void)
{
	listener_deinit(&listener_in_child, false);
}

static void end_listener_without_numbers(void)
{
	leave_numbers(0);
	listener_deinit(&listener_in_child, false);
}

/* What waits to be accepted ends with the listener, and may hold what a stranger sent: not waited for, even
 * where no number is left to accept it with. */
static void queue_is_not_waited_for(void **state)
{
	struct slow_descriptor slow;

	(void)state;
	if (HAS_THREAD_SANITIZER || !slow_open(&slow))
		skip();
	assert_true(is_not_delayed(&slow, queue_at_own_listener, end_listener));
	assert_false(exists("socket"));
	assert_true(slow_open(&slow));
	assert_true(is_not_delayed(
			&slow, queue_at_own_listener, end_listener_without_numbers));
	assert_false(exists("socket"));
}

/* So it is if the listener was handed in, and we are the last to have it. */
static void handed_in_queue_is_not_waited_for(void **state)
{
	struct slow_descriptor slow;

	(void)state;
	if (HAS_THREAD_SANITIZER || !slow_open(&slow))
		skip();
	assert_true(is_not_delayed(&slow, queue_at_handed_in_listener, end_listener));
	remove_file("socket");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(listening_socket_is_taken),
		FOLDER_TEST(other_copies_stay_alive),
		FOLDER_TEST(connected_socket_is_a_lane),
		FOLDER_TEST(handed_in_descriptor_is_given_back),
		FOLDER_TEST(child_only_closes),
		FOLDER_TEST(blocking_listener_does_not_block),
		FOLDER_TEST(other_descriptors_are_left_alone),
		FOLDER_TEST(other_sockets_are_left_alone),
		FOLDER_TEST(internet_socket_is_left_alone),
		FOLDER_TEST(systemd_socket_is_taken),
		FOLDER_TEST(queued_connections_are_accepted),
		FOLDER_TEST(queue_is_not_waited_for),
		FOLDER_TEST(handed_in_queue_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
