/* SPDX-License-Identifier: MIT */
/*
 * Who gets a path. A dead receiver's is taken over, a live one's never, and of two that want it at the same moment one
 * gets it. Whatever else is found in the way, at the path or at the lock beside it, stays as it is.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "listener_folder.h"

/* ---- Live ones ---------------------------------------------------------------------------- */

static void assert_in_use_and_undisturbed(struct listener *listener)
{
	ino_t socket_inode = inode_of("socket"), lock_inode = inode_of("socket.lock");

	assert_int_equal(error_of_open(path_of("socket")), -EADDRINUSE);
	assert_true(inode_of("socket") == socket_inode);
	assert_true(inode_of("socket.lock") == lock_inode);
	if (listener)
		assert_true(is_reached(listener, path_of("socket")));
}

/* A path that is listened at is in use, by this process or by another, and nothing happens to it. */
static void live_path_is_in_use(void **state)
{
	struct listener listener;
	struct holder holder;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_in_use_and_undisturbed(&listener);
	assert_in_use_and_undisturbed(&listener);
	listener_deinit(&listener, false);

	holder_start(&holder, path_of("socket"));
	assert_int_equal(holder.result, 0);
	assert_in_use_and_undisturbed(NULL);
	holder_end(&holder);
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	listener_deinit(&listener, false);
}

/* Fills the queue of whoever listens there. How many connections, in `fds`. */
static size_t fill_backlog(const char *path, int *fds, size_t most)
{
	size_t count = 0;

	while (count < most && (fds[count] = connect_to(path)) >= 0)
		count++;
	MUST(count < most && fds[count] == -EAGAIN);
	return count;
}

#define BACKLOG_MAX 6000

/* One that is behind with accepting, or stopped, is as live as any. */
static void busy_path_is_in_use(void **state)
{
	static int fds[BACKLOG_MAX];
	struct listener listener;
	size_t count;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	count = fill_backlog(path_of("socket"), fds, BACKLOG_MAX);
	assert_in_use_and_undisturbed(NULL);
	while (count > 0)
		close(fds[--count]);
	listener_deinit(&listener, false);
}

/* A socket that some other program listens at has no lock beside it, and is in use all the same, busy or not. */
static void other_programs_socket_is_in_use(void **state)
{
	int fd = bind_plain(path_of("socket"), SOCK_STREAM, 1), fds[8];
	ino_t inode = inode_of("socket");
	size_t count;

	(void)state;
	assert_int_equal(error_of_open(path_of("socket")), -EADDRINUSE);
	assert_true(inode_of("socket") == inode);
	count = fill_backlog(path_of("socket"), fds, 8);
	assert_int_equal(error_of_open(path_of("socket")), -EADDRINUSE);
	assert_true(inode_of("socket") == inode);
	assert_false(exists("socket.lock"));
	while (count > 0)
		close(fds[--count]);
	close(fd);
	remove_file("socket");
}

/* So is a socket of another kind, which no receiver has made. */
static void other_kinds_of_sockets_are_in_use(void **state)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < 2; i++) {
		fd = bind_plain(path_of("socket"), types[i],
				types[i] == SOCK_DGRAM ? -1 : 5);
		assert_int_equal(error_of_open(path_of("socket")), -EADDRINUSE);
		assert_true(exists("socket"));
		close(fd);
		remove_file("socket");
	}
}

/* Without its lock file a live path is still live: somebody tidied up. */
static void removed_lock_does_not_free_the_path(void **state)
{
	struct listener listener;
	ino_t inode;

	(void)state;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	inode = inode_of("socket");
	remove_file("socket.lock");
	assert_int_equal(error_of_open(path_of("socket")), -EADDRINUSE);
	assert_true(inode_of("socket") == inode);
	assert_true(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
}

/* Whoever lost both files to a successor takes nothing of the successor's with it at the end. */
static void successor_keeps_its_files(void **state)
{
	struct listener first, second;

	(void)state;
	assert_int_equal(open_in_folder(&first, "socket"), 0);
	remove_file("socket");
	remove_file("socket.lock");
	assert_int_equal(open_in_folder(&second, "socket"), 0);
	listener_deinit(&first, false);
	assert_true(exists("socket"));
	assert_true(exists("socket.lock"));
	assert_in_use_and_undisturbed(&second);
	listener_deinit(&second, false);
}

static void end_elsewhere(void *unused)
{
	struct listener listener;

	(void)unused;
	CHILD_CHECK(mkdir(path_of("elsewhere"), 0700) == 0);
	make_file("elsewhere/socket", 0600);
	make_file("elsewhere/socket.lock", 0600);
	CHILD_CHECK(chdir(folder) == 0);
	CHILD_CHECK(open_at(&listener, "socket", 0600) == 0);
	CHILD_CHECK(chdir("elsewhere") == 0);
	listener_deinit(&listener, false);
	CHILD_CHECK(exists("elsewhere/socket"));
	CHILD_CHECK(exists("elsewhere/socket.lock"));
	remove_file("elsewhere/socket");
	remove_file("elsewhere/socket.lock");
	CHILD_CHECK(rmdir(path_of("elsewhere")) == 0);
}

/* A relative path leads somewhere else when the working directory has changed, as a daemon's does: what is there
 * is not removed, what is ours is. */
static void working_directory_may_change(void **state)
{
	(void)state;
	assert_int_equal(in_child(end_elsewhere, NULL), 0);
	assert_false(exists("socket"));
	assert_false(exists("socket.lock"));
}

/* ---- Dead ones ------------------------------------------------------------------------------ */

/* The path of a receiver that was killed is taken over, with the lock file it left, again and again. */
static void killed_owners_path_is_taken_over(void **state)
{
	struct listener listener;
	struct holder holder;
	ino_t inode;
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		holder_start(&holder, path_of("socket"));
		assert_int_equal(holder.result, 0);
		inode = inode_of("socket.lock");
		holder_kill(&holder);
		assert_true(exists("socket") && exists("socket.lock"));
	}
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_true(is_reached(&listener, path_of("socket")));
	assert_true(listener.inode == inode_of("socket"));
	assert_true(inode_of("socket.lock") == inode);
	listener_deinit(&listener, false);
	assert_false(exists("socket") || exists("socket.lock"));
}

/* Either file alone may be what is left of a dead one. */
static void half_of_what_was_left_is_enough(void **state)
{
	struct listener listener;

	(void)state;
	close(bind_plain(path_of("socket"), SOCK_STREAM, 5));
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_true(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);

	make_file("socket.lock", 0644);
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_true(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
	assert_false(exists("socket.lock"));
}

struct two_processes {
	int ready;      /* the child says here that it runs */
	int child_gate; /* it ends when this does */
};

static void own_and_fork(void *arg)
{
	struct two_processes *processes = arg;
	struct listener listener;
	char end;

	CHILD_CHECK(open_in_folder(&listener, "socket") == 0);
	if (fork() == 0) {
		CHILD_CHECK(write(processes->ready, "x", 1) == 1);
		CHILD_CHECK(read(processes->child_gate, &end, 1) == 0);
		_exit(0);
	}
	kill(getpid(), SIGKILL);
}

/* A child that the dead receiver had forked, and that lives on, holds neither the path nor the lock. */
static void killed_owners_child_holds_nothing(void **state)
{
	struct two_processes processes;
	struct listener listener;
	int ready[2], gate[2];
	pid_t owner;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	processes = (struct two_processes){ ready[1], gate[0] };
	owner = fork();
	if (owner == 0) {
		close(gate[1]);
		own_and_fork(&processes);
	}
	assert_int_equal(child_result(owner), -SIGKILL);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_true(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
	close(gate[0]);
	close(gate[1]);
	close(ready[0]);
	close(ready[1]);
}

/* ---- What is no receiver's --------------------------------------------------------------------- */

static void assert_in_the_way(const char *name)
{
	ino_t inode = inode_of(name);

	assert_int_equal(error_of_open(path_of(name)), -EADDRINUSE);
	assert_true(inode_of(name) == inode);
}

/* What is no socket is in the way, stays there, and is not waited for; no lock is left beside it. */
static void other_files_stay(void **state)
{
	(void)state;
	make_file("in_the_way", 0600);
	assert_in_the_way("in_the_way");
	remove_file("in_the_way");
	assert_int_equal(mkdir(path_of("in_the_way"), 0700), 0);
	assert_in_the_way("in_the_way");
	assert_int_equal(rmdir(path_of("in_the_way")), 0);
	assert_int_equal(mkfifo(path_of("in_the_way"), 0600), 0);
	assert_in_the_way("in_the_way");
	remove_file("in_the_way");
	assert_false(exists("in_the_way.lock"));
}

/* A symbolic link is not what it points to: neither followed nor removed, even if nobody answers at its end. */
static void links_stay(void **state)
{
	int fd = bind_plain(path_of("stale"), SOCK_STREAM, 5);

	(void)state;
	close(fd);
	assert_int_equal(symlink("stale", path_of("link")), 0);
	assert_in_the_way("link");
	assert_true(exists("stale"));
	remove_file("stale");
	assert_in_the_way("link");
	assert_false(exists("stale"));
	remove_file("link");
	assert_false(exists("link.lock"));
}

/* Another user's socket is not ours to remove, dead or not. */
static void other_users_socket_stays(void **state)
{
	int fd = bind_plain(path_of("socket"), SOCK_STREAM, 5);
	ino_t inode = inode_of("socket");

	(void)state;
	close(fd);
	if (geteuid() != 0) {
		remove_file("socket");
		skip();
	}
	assert_int_equal(chown(path_of("socket"), NOBODY, NOBODY), 0);
	assert_int_equal(error_of_open(path_of("socket")), -EACCES);
	assert_true(inode_of("socket") == inode);
	remove_file("socket");
}

/* ---- What is no lock ------------------------------------------------------------------------------ */

/* Refused with one of the errors that are documented for it, and nothing is made of it. */
static void assert_lock_is_refused(void)
{
	ino_t inode = inode_of("socket.lock");
	int r = error_of_open(path_of("socket"));

	assert_true(r == -EACCES || r == -EADDRINUSE);
	assert_true(inode_of("socket.lock") == inode);
	assert_false(exists("socket"));
}

/* A link in the lock's place could make us create, or lock, a file elsewhere. */
static void link_is_no_lock(void **state)
{
	(void)state;
	assert_int_equal(symlink("elsewhere", path_of("socket.lock")), 0);
	assert_lock_is_refused();
	assert_false(exists("elsewhere"));
	make_file("elsewhere", 0600);
	assert_lock_is_refused();
	remove_file("elsewhere");
	remove_file("socket.lock");
}

/* Only a regular file is one; opening a pipe must not wait for its other end. */
static void other_files_are_no_locks(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path_of("socket.lock"), 0600), 0);
	assert_lock_is_refused();
	remove_file("socket.lock");
	assert_int_equal(mkdir(path_of("socket.lock"), 0700), 0);
	assert_lock_is_refused();
	assert_int_equal(rmdir(path_of("socket.lock")), 0);
	close(bind_plain(path_of("socket.lock"), SOCK_STREAM, 5));
	assert_lock_is_refused();
	remove_file("socket.lock");
}

/* Another user could hold it for ever, or remove it under us. */
static void other_users_file_is_no_lock(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	make_file("socket.lock", 0666);
	assert_int_equal(chown(path_of("socket.lock"), NOBODY, NOBODY), 0);
	assert_lock_is_refused();
	remove_file("socket.lock");
}

/* A lock that is taken means that somebody is starting, even if there is no socket yet: not waited for. */
static void taken_lock_is_in_use(void **state)
{
	struct listener listener;
	int fd;

	(void)state;
	make_file("socket.lock", 0600);
	fd = open(path_of("socket.lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(error_of_open(path_of("socket")), -EADDRINUSE);
	assert_true(exists("socket.lock"));
	close(fd);
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	/* And ours is taken for as long as we live. */
	fd = open(path_of("socket.lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	listener_deinit(&listener, false);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(live_path_is_in_use),
		FOLDER_TEST(busy_path_is_in_use),
		FOLDER_TEST(other_programs_socket_is_in_use),
		FOLDER_TEST(other_kinds_of_sockets_are_in_use),
		FOLDER_TEST(removed_lock_does_not_free_the_path),
		FOLDER_TEST(successor_keeps_its_files),
		FOLDER_TEST(working_directory_may_change),
		FOLDER_TEST(killed_owners_path_is_taken_over),
		FOLDER_TEST(half_of_what_was_left_is_enough),
		FOLDER_TEST(killed_owners_child_holds_nothing),
		FOLDER_TEST(other_files_stay),
		FOLDER_TEST(links_stay),
		FOLDER_TEST(other_users_socket_stays),
		FOLDER_TEST(link_is_no_lock),
		FOLDER_TEST(other_files_are_no_locks),
		FOLDER_TEST(other_users_file_is_no_lock),
		FOLDER_TEST(taken_lock_is_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
