/* SPDX-License-Identifier: MIT */
/*
 * How a control socket begins: connected to a listener, at once or not at all, or taken over from the
 * application after a check. A descriptor that fails the check is exactly what it was.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control_pair.h"

#define NOBODY 65534

static char folder[] = "/tmp/evchan-connect-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct address address_of(const char *text)
{
	struct address address;

	MUST(address_parse(&address, text, ADDRESS_OF_SENDER) == 0);
	return address;
}

/* A socket of this type that is bound there, and listens if `backlog` is not negative. */
static int bind_socket(const struct address *address, int type, int backlog)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	MUST(fd >= 0);
	MUST(bind(fd, (const struct sockaddr *)&address->unix_address,
			     address->unix_length) == 0);
	MUST(backlog < 0 || listen(fd, backlog) == 0);
	return fd;
}

static int try_connect(const char *text)
{
	struct control_socket control = CONTROL_SOCKET_NONE;
	struct address address = address_of(text);
	unsigned owned = descriptor_count();
	int r = control_socket_connect(&control, &address);

	if (r == 0) {
		control_socket_deinit(&control, NULL);
		return 0;
	}
	if (control.fd != -1 || descriptor_count() != owned)
		return -1000;
	return r;
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* ---- Connecting ------------------------------------------------------------------------ */

static void assert_connects(const char *text)
{
	struct address address = address_of(text);
	int listener = bind_socket(&address, SOCK_STREAM, 5), fd;
	struct control_socket control;
	const unsigned char *frame;
	enum control_type type;
	unsigned char got[8];

	assert_int_equal(control_socket_connect(&control, &address), 0);
	assert_int_equal(fcntl(control.fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(control.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(descriptor_count(), 1);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(
			control_socket_send(&control, bye_frame, sizeof(bye_frame), NULL),
			0);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), sizeof(bye_frame));
	assert_int_equal(send(fd, bye_frame, sizeof(bye_frame), 0), sizeof(bye_frame));
	assert_int_equal(control_socket_receive(&control, &type, &frame, NULL, NULL),
			sizeof(bye_frame));
	assert_int_equal(type, CONTROL_BYE);
	control_socket_deinit(&control, NULL);
	close(fd);
	close(listener);
}

/* A path or a name that somebody listens at: connected at once, ready to use, in the table and not for children. */
static void listener_is_connected_to(void **state)
{
	char name[64];

	(void)state;
	assert_connects(path_of("socket"));
	assert_int_equal(unlink(path_of("socket")), 0);
	snprintf(name, sizeof(name), "@evchan-connect-%ld", (long)getpid());
	assert_connects(name);
}

/* Nobody there, in every way: no file, a file nobody listens at, a name nobody has. */
static void absence_is_told(void **state)
{
	struct address address = address_of(path_of("stale"));
	char name[64];
	int fd;

	(void)state;
	assert_int_equal(try_connect(path_of("absent")), -ENOENT);
	assert_int_equal(try_connect(path_of("absent/socket")), -ENOENT);
	fd = bind_socket(&address, SOCK_STREAM, -1);
	assert_int_equal(try_connect(path_of("stale")), -ECONNREFUSED);
	close(fd);
	assert_int_equal(try_connect(path_of("stale")), -ECONNREFUSED);
	assert_int_equal(try_connect(path_of("stale/socket")), -ENOTDIR);
	assert_int_equal(unlink(path_of("stale")), 0);
	snprintf(name, sizeof(name), "@evchan-nobody-%ld", (long)getpid());
	assert_int_equal(try_connect(name), -ECONNREFUSED);
}

/* What is there is something else. */
static void other_sockets_are_not_connected_to(void **state)
{
	struct address address = address_of(path_of("other"));
	int fd = bind_socket(&address, SOCK_DGRAM, -1);

	(void)state;
	assert_int_equal(try_connect(path_of("other")), -EPROTOTYPE);
	close(fd);
	assert_int_equal(unlink(path_of("other")), 0);
	fd = bind_socket(&address, SOCK_SEQPACKET, 5);
	assert_int_equal(try_connect(path_of("other")), -EPROTOTYPE);
	close(fd);
	assert_int_equal(unlink(path_of("other")), 0);
}

/* A listener that is behind with accepting is there, but not now: told at once, waited for by nobody. */
static void full_backlog_is_told_at_once(void **state)
{
	struct control_socket controls[8];
	struct address address = address_of(path_of("busy"));
	int listener = bind_socket(&address, SOCK_STREAM, 1), i, fd;

	(void)state;
	for (i = 0; i < 8; i++) {
		int r = control_socket_connect(&controls[i], &address);

		if (r < 0) {
			assert_int_equal(r, -EAGAIN);
			break;
		}
	}
	assert_in_range(i, 1, 7);
	assert_int_equal(try_connect(path_of("busy")), -EAGAIN);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(try_connect(path_of("busy")), 0);
	while (i-- > 0)
		control_socket_deinit(&controls[i], NULL);
	close(fd);
	close(listener);
	assert_int_equal(unlink(path_of("busy")), 0);
}

static void connect_as_nobody(void *arg)
{
	CHILD_CHECK(setgid(NOBODY) == 0);
	CHILD_CHECK(setuid(NOBODY) == 0);
	CHILD_CHECK(try_connect(path_of("private")) == *(int *)arg);
}

/* The socket file's permissions decide who may connect. */
static void permissions_are_kept(void **state)
{
	struct address address = address_of(path_of("private"));
	int listener, expected;

	(void)state;
	if (getuid() != 0)
		skip();
	listener = bind_socket(&address, SOCK_STREAM, 5);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(path_of("private"), 0600), 0);
	expected = -EACCES;
	assert_int_equal(in_child(connect_as_nobody, &expected), 0);
	assert_int_equal(chmod(path_of("private"), 0666), 0);
	expected = 0;
	assert_int_equal(in_child(connect_as_nobody, &expected), 0);
	close(listener);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(unlink(path_of("private")), 0);
}

static void connect_without_numbers(void *unused)
{
	(void)unused;
	leave_numbers(0);
	CHILD_CHECK(try_connect(path_of("socket")) == -EMFILE);
	leave_all_numbers();
	CHILD_CHECK(try_connect(path_of("socket")) == 0);
}

/* Without a free number there is no connection, and nothing else happens. */
static void a_number_is_needed(void **state)
{
	struct address address = address_of(path_of("socket"));
	int listener = bind_socket(&address, SOCK_STREAM, 5);

	(void)state;
	assert_int_equal(in_child(connect_without_numbers, NULL), 0);
	close(listener);
	assert_int_equal(unlink(path_of("socket")), 0);
}

/* ---- Taking over ------------------------------------------------------------------------- */

/* A connected socket, wherever it comes from, is entered in the table and kept from children. */
static void connected_socket_is_adopted(void **state)
{
	struct control_socket control;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(control_socket_adopt(&control, ends[0]), 0);
	assert_int_equal(control.fd, ends[0]);
	assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(descriptor_count(), 1);
	assert_int_equal(control_socket_ring(&control), 0);
	control_socket_deinit(&control, NULL);
	close(ends[1]);
}

/* One whose peer has come, said something and gone still has that to tell. */
static void hung_up_socket_is_adopted(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct control_socket control;
	const unsigned char *frame;
	struct control_arrival arrival;
	enum control_type type;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(send(ends[1], hello, length, 0), length);
	close(ends[1]);
	assert_int_equal(control_socket_adopt(&control, ends[0]), 0);
	assert_int_equal(control_socket_receive(&control, &type, &frame, &arrival, NULL),
			length);
	assert_int_equal(type, CONTROL_HELLO);
	assert_int_equal(control_socket_receive(&control, &type, &frame, NULL, NULL),
			-EPIPE);
	control_socket_deinit(&control, NULL);
}

/* Refused with this error, and nothing about it has changed. */
static void assert_left_alone(int fd, int expected)
{
	struct control_socket control = CONTROL_SOCKET_NONE;
	int descriptor_flags = fcntl(fd, F_GETFD), flags = fcntl(fd, F_GETFL);
	unsigned owned = descriptor_count();

	assert_int_equal(control_socket_adopt(&control, fd), expected);
	assert_int_equal(fcntl(fd, F_GETFD), descriptor_flags);
	assert_int_equal(fcntl(fd, F_GETFL), flags);
	assert_int_equal(descriptor_count(), owned);
	assert_int_equal(control.fd, -1);
}

/* A number that is not open, and what is no socket. */
static void other_descriptors_are_left_alone(void **state)
{
	int ends[2], fd = dup(0);

	(void)state;
	close(fd);
	assert_left_alone(fd, -EBADF);
	assert_left_alone(-1, -EBADF);
	assert_int_equal(pipe(ends), 0);
	assert_left_alone(ends[0], -ENOTSOCK);
	assert_left_alone(ends[1], -ENOTSOCK);
	close(ends[0]);
	close(ends[1]);
	fd = open("/dev/null", O_RDWR);
	assert_left_alone(fd, -ENOTSOCK);
	close(fd);
	fd = open("/", O_RDONLY);
	assert_left_alone(fd, -ENOTSOCK);
	close(fd);
}

/* UNIX sockets that are not connected, or no streams. */
static void other_unix_sockets_are_left_alone(void **state)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	struct address address = address_of(path_of("listening"));
	int fd, ends[2];
	size_t i;

	(void)state;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_left_alone(fd, -EINVAL);
	close(fd);
	fd = bind_socket(&address, SOCK_STREAM, 5);
	assert_left_alone(fd, -EINVAL);
	close(fd);
	assert_int_equal(unlink(path_of("listening")), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i], 0, ends), 0);
		assert_left_alone(ends[0], -EINVAL);
		close(ends[0]);
		close(ends[1]);
	}
}

/* Streams that are connected, but of another family. */
static void internet_sockets_are_left_alone(void **state)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t length = sizeof(name);
	int listener = socket(AF_INET, SOCK_STREAM, 0),
	    fd = socket(AF_INET, SOCK_STREAM, 0), r;

	(void)state;
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = bind(listener, (struct sockaddr *)&name, sizeof(name)) < 0 ||
			listen(listener, 1) < 0 ||
			getsockname(listener, (struct sockaddr *)&name, &length) < 0 ||
			connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0;
	if (r == 0)
		assert_left_alone(fd, -EINVAL);
	close(fd);
	close(listener);
	if (r)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(listener_is_connected_to),
		TEST(absence_is_told),
		TEST(other_sockets_are_not_connected_to),
		TEST(full_backlog_is_told_at_once),
		TEST(permissions_are_kept),
		TEST(a_number_is_needed),
		TEST(connected_socket_is_adopted),
		TEST(hung_up_socket_is_adopted),
		TEST(other_descriptors_are_left_alone),
		TEST(other_unix_sockets_are_left_alone),
		TEST(internet_sockets_are_left_alone),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
