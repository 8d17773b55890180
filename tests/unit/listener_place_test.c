/* SPDX-License-Identifier: MIT */
/*
 * Where a listener may be made: only where nobody else could put something in its place, and where there is room.
 * Wherever it fails, nothing half-made stays behind.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mount.h>

#include "listener_folder.h"

/* Where others may write they could put their own socket in its place. Sticky keeps them from that. */
static void folder_is_not_writable_by_others(void **state)
{
	static const mode_t unsafe[] = { 0777, 0707, 0702, 0770, 0720, 0775 };
	static const mode_t safe[] = { 0700, 0750, 0755, 0711, 01777, 01770, 03777 };
	struct listener listener;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		assert_int_equal(chmod(folder, unsafe[i]), 0);
		assert_int_equal(error_of_open(path_of("socket")), -EACCES);
		assert_false(exists("socket"));
		assert_false(exists("socket.lock"));
	}
	for (i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
		assert_int_equal(chmod(folder, safe[i]), 0);
		assert_int_equal(open_in_folder(&listener, "socket"), 0);
		listener_deinit(&listener, false);
	}
}

/* The owner of a folder may do there what he wants, sticky or not. */
static void folder_is_ours_or_roots(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
	assert_int_equal(error_of_open(path_of("socket")), -EACCES);
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(error_of_open(path_of("socket")), -EACCES);
	assert_false(exists("socket.lock"));
	assert_int_equal(chown(folder, 0, 0), 0);
}

static void listen_as_nobody(void *unused)
{
	struct listener listener;

	(void)unused;
	CHILD_CHECK(setgid(NOBODY) == 0);
	CHILD_CHECK(setuid(NOBODY) == 0);
	CHILD_CHECK(open_in_folder(&listener, "socket") == 0);
	CHILD_CHECK(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
	CHILD_CHECK(!exists("socket") && !exists("socket.lock"));
}

/* A sticky folder of root's, as /tmp is one, is good for everybody. */
static void sticky_folder_of_roots_is_good(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(in_child(listen_as_nobody, NULL), 0);
}

static void listen_without_permission(void *unused)
{
	(void)unused;
	CHILD_CHECK(setgid(NOBODY) == 0);
	CHILD_CHECK(setuid(NOBODY) == 0);
	CHILD_CHECK(error_of_open(path_of("socket")) == -EACCES);
}

/* Nobody listens where he may not write. */
static void folder_must_be_writable(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(in_child(listen_without_permission, NULL), 0);
}

/* A folder that is not there, or is none. */
static void folder_must_exist(void **state)
{
	(void)state;
	assert_int_equal(error_of_open(path_of("absent/socket")), -ENOENT);
	make_file("file", 0600);
	assert_int_equal(error_of_open(path_of("file/socket")), -ENOTDIR);
	remove_file("file");
}

/* A folder may be reached through a link, as /var/run is. */
static void link_to_a_folder_is_followed(void **state)
{
	struct listener listener;

	(void)state;
	assert_int_equal(mkdir(path_of("real"), 0700), 0);
	assert_int_equal(symlink("real", path_of("link")), 0);
	assert_int_equal(open_in_folder(&listener, "link/socket"), 0);
	assert_true(is_reached(&listener, path_of("real/socket")));
	listener_deinit(&listener, false);
	assert_int_equal(chmod(path_of("real"), 0777), 0);
	assert_int_equal(error_of_open(path_of("link/socket")), -EACCES);
	remove_file("link");
	assert_int_equal(rmdir(path_of("real")), 0);
}

static void listen_on_other_file_systems(void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNS) < 0 ||
			mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0)
		_exit(CHILD_SKIPPED);
	if (mount("none", folder, "tmpfs", MS_RDONLY, "mode=0700") < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(error_of_open(path_of("socket")) == -EROFS);
	CHILD_CHECK(umount(folder) == 0);
	/* Room for the folder itself and one file more, which is the lock. */
	CHILD_CHECK(mount("none", folder, "tmpfs", 0, "mode=0700,nr_inodes=2") == 0);
	CHILD_CHECK(error_of_open(path_of("socket")) == -ENOSPC);
	CHILD_CHECK(!exists("socket") && !exists("socket.lock"));
}

/* A file system that is read-only or full: an error, and nothing half-made. */
static void file_system_may_refuse(void **state)
{
	int result = in_child(listen_on_other_file_systems, NULL);

	(void)state;
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

static void listen_without_numbers(void *unused)
{
	struct listener listener = LISTENER_NONE;
	unsigned left;
	int r = -1;

	(void)unused;
	for (left = 0; left < 10; left++) {
		leave_numbers(left);
		r = open_in_folder(&listener, "socket");
		leave_all_numbers();
		if (r == 0)
			break;
		CHILD_CHECK(r == -EMFILE);
		CHILD_CHECK(listener.fd == -1 && listener.lock_fd == -1);
		CHILD_CHECK(descriptor_count() == 0);
		CHILD_CHECK(!exists("socket") && !exists("socket.lock"));
	}
	CHILD_CHECK(r == 0);
	CHILD_CHECK(left >= 2);
	CHILD_CHECK(is_reached(&listener, path_of("socket")));
	listener_deinit(&listener, false);
}

/* With too few descriptors, wherever they run out, nothing is left behind, and the next try succeeds. */
static void numbers_are_needed(void **state)
{
	(void)state;
	if (!can_limit_numbers())
		skip();
	assert_int_equal(in_child(listen_without_numbers, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(folder_is_not_writable_by_others),
		FOLDER_TEST(folder_is_ours_or_roots),
		FOLDER_TEST(sticky_folder_of_roots_is_good),
		FOLDER_TEST(folder_must_be_writable),
		FOLDER_TEST(folder_must_exist),
		FOLDER_TEST(link_to_a_folder_is_followed),
		FOLDER_TEST(file_system_may_refuse),
		FOLDER_TEST(numbers_are_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
