/* SPDX-License-Identifier: MIT */
/*
 * A listener of our own making: what it looks like from outside, how it accepts, and that nothing of it is left.
 * Where it may be made is in listener_place_test.c, what happens when somebody else is, or was, at the address in
 * listener_takeover_test.c, and descriptors that are handed in are in listener_descriptor_test.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "listener_folder.h"

/* ---- What is made ------------------------------------------------------------------------ */

/* A path: a socket file and a lock file beside it, both kept, all descriptors ours alone, and all gone at the end. */
static void path_is_listened_at(void **state)
{
	unsigned before = count_open_descriptors();
	struct listener listener;
	struct stat status;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_true(listener.owns_path);
	assert_false(listener.is_lane);
	assert_string_equal(listener.address.text, path_of("socket"));
	assert_int_equal(descriptor_count(), count_open_descriptors() - before);
	assert_true(fcntl(listener.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(listener.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(listener.lock_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(listener.directory_fd, F_GETFD), FD_CLOEXEC);

	assert_int_equal(lstat(path_of("socket"), &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_true(listener.device == status.st_dev);
	assert_true(listener.inode == status.st_ino);
	assert_int_equal(lstat(path_of("socket.lock"), &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_uid, geteuid());
	assert_true(is_reached(&listener, path_of("socket")));

	listener_deinit(&listener, false);
	assert_int_equal(listener.fd, -1);
	assert_int_equal(listener.lock_fd, -1);
	assert_int_equal(listener.directory_fd, -1);
	assert_int_equal(descriptor_count(), 0);
	assert_false(exists("socket"));
	assert_false(exists("socket.lock"));
}

/* The socket file has the permissions asked for, the lock file none for others, whatever the umask. */
static void permissions_are_exact(void **state)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0777, 0620 },
			    masks[] = { 0, 022, 077, 0777 };
	struct listener listener;
	struct stat status;
	mode_t before;
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < 5 * 4; i++) {
		before = umask(masks[i % 4]);
		r = open_at(&listener, path_of("socket"), modes[i / 4]);
		umask(before);
		assert_int_equal(r, 0);
		assert_int_equal(lstat(path_of("socket"), &status), 0);
		assert_int_equal(status.st_mode & 07777, modes[i / 4]);
		assert_int_equal(lstat(path_of("socket.lock"), &status), 0);
		assert_int_equal(status.st_mode & 0077, 0);
		listener_deinit(&listener, false);
	}
}

/* The same again at once, many times: nothing is in the way of the next, not even who still waited in the queue. */
static void address_can_be_used_again(void **state)
{
	struct listener listener;
	char name[64];
	int client, i;

	(void)state;
	snprintf(name, sizeof(name), "@evchan-again-%ld", (long)getpid());
	for (i = 0; i < 50; i++) {
		const char *text = i % 2 ? name : path_of("socket");

		assert_int_equal(open_at(&listener, text, 0600), 0);
		assert_true(is_reached(&listener, text));
		client = connect_to(text);
		listener_deinit(&listener, false);
		close(client);
	}
}

/* Who still waited in the queue is told at once. */
static void end_is_seen_in_the_queue(void **state)
{
	struct listener listener;
	struct pollfd hang_up;
	int client;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	client = connect_to(path_of("socket"));
	listener_deinit(&listener, false);
	hang_up = (struct pollfd){ client, POLLIN, 0 };
	assert_int_equal(poll(&hang_up, 1, LONG_MS), 1);
	assert_true(hang_up.revents & POLLHUP);
	close(client);
}

/* The longest path there can be has a lock file as well. */
static void longest_path_works(void **state)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct listener listener;
	size_t length = sizeof(name) - 1 - strlen(folder) - 1;

	(void)state;
	memset(name, 'x', length);
	name[length] = '\0';
	assert_int_equal(open_in_folder(&listener, name), 0);
	assert_true(is_reached(&listener, path_of(name)));
	listener_deinit(&listener, false);
	assert_false(exists(name));
	name[length] = 'x';
	name[length + 1] = '\0';
	assert_int_equal(error_of_open(path_of(name)), -ENAMETOOLONG);
}

static void listen_at_relative_path(void *unused)
{
	struct listener listener;

	(void)unused;
	CHILD_CHECK(chdir(folder) == 0);
	CHILD_CHECK(open_at(&listener, "socket", 0600) == 0);
	CHILD_CHECK(exists("socket") && exists("socket.lock"));
	CHILD_CHECK(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
	CHILD_CHECK(!exists("socket") && !exists("socket.lock"));
	CHILD_CHECK(chmod(".", 0777) == 0);
	CHILD_CHECK(error_of_open("socket") == -EACCES);
	CHILD_CHECK(chmod(".", 0700) == 0);
}

/* A name without a folder is in the working directory, which must be as safe as any. */
static void relative_path_works(void **state)
{
	(void)state;
	assert_int_equal(in_child(listen_at_relative_path, NULL), 0);
}

/* An abstract name needs no files. A live one is in use, one that ended is free. */
static void abstract_name_is_listened_at(void **state)
{
	struct listener listener;
	struct holder holder;
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@evchan-listener-%ld", (long)getpid());
	assert_int_equal(open_at(&listener, name, 0600), 0);
	assert_false(listener.owns_path);
	assert_int_equal(listener.lock_fd, -1);
	assert_string_equal(listener.address.text, name);
	assert_true(is_reached(&listener, name));
	assert_int_equal(error_of_open(name), -EADDRINUSE);
	assert_true(is_reached(&listener, name));
	listener_deinit(&listener, false);

	holder_start(&holder, name);
	assert_int_equal(holder.result, 0);
	assert_int_equal(error_of_open(name), -EADDRINUSE);
	holder_kill(&holder);
	assert_int_equal(open_at(&listener, name, 0600), 0);
	listener_deinit(&listener, false);
}

/* A fresh private address is found by its text. */
static void fresh_address_is_listened_at(void **state)
{
	struct listener one, other;

	(void)state;
	assert_int_equal(open_at(&one, "", 0600), 0);
	assert_int_equal(open_at(&other, "", 0600), 0);
	assert_true(is_reached(&one, one.address.text));
	assert_true(is_reached(&other, other.address.text));
	listener_deinit(&one, false);
	listener_deinit(&other, false);
}

/* ---- Accepting --------------------------------------------------------------------------------- */

/* Those who wait are accepted one by one, into the table, non-blocking and for no child. */
static void connections_are_accepted(void **state)
{
	struct listener listener;
	int clients[3], fds[3], i;
	unsigned owned;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	owned = descriptor_count();
	assert_int_equal(listener_accept(&listener, &fds[0]), -EAGAIN);
	for (i = 0; i < 3; i++)
		clients[i] = connect_to(path_of("socket"));
	for (i = 0; i < 3; i++) {
		assert_int_equal(listener_accept(&listener, &fds[i]), 0);
		assert_true(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(descriptor_count(), owned + 1 + (unsigned)i);
	}
	assert_int_equal(listener_accept(&listener, &i), -EAGAIN);
	for (i = 0; i < 3; i++) {
		descriptor_close(fds[i]);
		close(clients[i]);
	}
	listener_deinit(&listener, false);
}

/* Whoever came, said something and went is still accepted and heard. */
static void gone_client_is_accepted(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	struct listener listener;
	struct pair pair = { .peer = -1 };
	int client, fd;
	size_t length = make_hello(hello);

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	client = connect_to(path_of("socket"));
	assert_int_equal(send(client, hello, length, 0), length);
	close(client);
	assert_int_equal(listener_accept(&listener, &fd), 0);
	control_socket_init(&pair.control, fd);
	assert_true(receives_frame(&pair, hello, length));
	assert_int_equal(receive(&pair), -EPIPE);
	control_socket_deinit(&pair.control, NULL);
	listener_deinit(&listener, false);
}

static void accept_without_numbers(void *unused)
{
	struct listener listener;
	int client, fd;

	(void)unused;
	CHILD_CHECK(open_in_folder(&listener, "socket") == 0);
	client = connect_to(path_of("socket"));
	leave_numbers(0);
	CHILD_CHECK(listener_accept(&listener, &fd) == -EMFILE);
	CHILD_CHECK(listener_accept(&listener, &fd) == -EMFILE);
	leave_all_numbers();
	CHILD_CHECK(listener_accept(&listener, &fd) == 0);
	CHILD_CHECK(send(client, "x", 1, 0) == 1);
	CHILD_CHECK(recv(fd, &client, 1, MSG_DONTWAIT) == 1);
	descriptor_close(fd);
	listener_deinit(&listener, false);
}

/* A connection waits in the queue until there is a number for it. */
static void connection_waits_for_a_number(void **state)
{
	(void)state;
	if (!can_limit_numbers())
		skip();
	assert_int_equal(in_child(accept_without_numbers, NULL), 0);
}

/* ---- The end -------------------------------------------------------------------------------------- */

/* Ended twice, or never begun: nothing happens, also if somebody else is at the path meanwhile. */
static void second_end_is_harmless(void **state)
{
	struct listener none = LISTENER_NONE, listener;

	(void)state;
	listener_deinit(&none, false);
	listener_deinit(&none, true);
	listener_give_back(&none);
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	listener_deinit(&listener, false);
	make_file("socket", 0600);
	make_file("socket.lock", 0600);
	listener_deinit(&listener, false);
	assert_true(exists("socket"));
	assert_true(exists("socket.lock"));
	remove_file("socket");
	remove_file("socket.lock");
}

/* Giving back is for what was handed in: a listener of our own stays. */
static void own_listener_is_not_given_back(void **state)
{
	struct listener listener;
	unsigned owned;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	owned = descriptor_count();
	listener_give_back(&listener);
	assert_int_equal(descriptor_count(), owned);
	assert_true(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
}

/* What is at the path at the end is removed only if it is the socket that was put there. */
static void replaced_path_is_left_alone(void **state)
{
	struct listener listener;
	int other;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	remove_file("socket");
	make_file("socket", 0600);
	listener_deinit(&listener, false);
	assert_true(exists("socket"));
	assert_false(exists("socket.lock"));
	remove_file("socket");

	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	remove_file("socket");
	other = bind_plain(path_of("socket"), SOCK_STREAM, 5);
	listener_deinit(&listener, false);
	assert_true(exists("socket"));
	close(other);
	remove_file("socket");
}

/* Files that others have removed are not missed. */
static void removed_files_are_not_missed(void **state)
{
	struct listener listener;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	remove_file("socket");
	remove_file("socket.lock");
	listener_deinit(&listener, false);
}

static void accept_forbidden(void *arg)
{
	struct listener listener;
	int fd = -1, client;

	CHILD_CHECK(open_in_folder(&listener, "socket") == 0);
	client = connect_to(path_of("socket"));
	CHILD_CHECK(client >= 0);
	if (forbid_system_call(SYS_accept4, *(const int *)arg) < 0) {
		listener_deinit(&listener, false);
		_exit(CHILD_SKIPPED);
	}
	CHILD_CHECK(listener_accept(&listener, &fd) == -*(const int *)arg);
	CHILD_CHECK(fd == -1);
	listener_deinit(&listener, false);
}

/* What will be said again at once is not told as one connection's own trouble. */
static void lasting_errors_are_told(void **state)
{
	int errors[] = { EPERM, EACCES, EBADF, ENOTSOCK, EMFILE, ENOBUFS }, result;

	(void)state;
	if (HAS_THREAD_SANITIZER)
		skip(); /* a listener that cannot be emptied is closed on a thread */
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		result = in_child(accept_forbidden, &errors[i]);
		if (result == CHILD_SKIPPED)
			skip();
		assert_int_equal(result, 0);
	}
}

/* A listener that was shut lets nobody in, and gives out who was there before. */
static void shut_listener_keeps_its_queue(void **state)
{
	struct listener listener;
	int client, fd;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	client = connect_to(path_of("socket"));
	assert_true(client >= 0);
	listener_shut(&listener);
	assert_int_equal(connect_to(path_of("socket")), -ECONNREFUSED);
	assert_int_equal(listener_accept(&listener, &fd), 0);
	descriptor_close(fd);
	assert_int_equal(listener_accept(&listener, &fd), -EAGAIN);
	close(client);
	listener_deinit(&listener, false);
}

static void end_in_child(void *arg)
{
	struct listener *listener = arg;
	int fd = listener->fd, lock_fd = listener->lock_fd,
	    directory_fd = listener->directory_fd;

	listener_deinit(listener, true);
	CHILD_CHECK(!is_open(fd));
	CHILD_CHECK(!is_open(lock_fd));
	CHILD_CHECK(!is_open(directory_fd));
	CHILD_CHECK(descriptor_count() == 0);
	CHILD_CHECK(exists("socket") && exists("socket.lock"));
	listener_deinit(listener, true);
}

/* A forked child only closes: the path, the lock and the listener are its parent's and stay so. */
static void child_only_closes(void **state)
{
	struct listener listener;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_int_equal(in_child(end_in_child, &listener), 0);
	assert_true(is_reached(&listener, path_of("socket")));
	assert_int_equal(error_of_open(path_of("socket")), -EADDRINUSE);
	listener_deinit(&listener, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(path_is_listened_at),
		FOLDER_TEST(permissions_are_exact),
		FOLDER_TEST(address_can_be_used_again),
		FOLDER_TEST(end_is_seen_in_the_queue),
		FOLDER_TEST(longest_path_works),
		FOLDER_TEST(relative_path_works),
		FOLDER_TEST(abstract_name_is_listened_at),
		FOLDER_TEST(fresh_address_is_listened_at),
		FOLDER_TEST(connections_are_accepted),
		FOLDER_TEST(gone_client_is_accepted),
		FOLDER_TEST(connection_waits_for_a_number),
		FOLDER_TEST(second_end_is_harmless),
		FOLDER_TEST(own_listener_is_not_given_back),
		FOLDER_TEST(replaced_path_is_left_alone),
		FOLDER_TEST(removed_files_are_not_missed),
		FOLDER_TEST(lasting_errors_are_told),
		FOLDER_TEST(shut_listener_keeps_its_queue),
		FOLDER_TEST(child_only_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
