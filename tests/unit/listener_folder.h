/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_LISTENER_FOLDER_H
#define EVCHAN_TESTS_LISTENER_FOLDER_H

/*
 * A folder of the test's own, made anew for each, in which listeners live and die; it must be empty at the end.
 * And a process that opens a listener there and keeps it until it is told to end, or killed.
 */

#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control_pair.h"
#include "listener.h"

#define NOBODY 65534

static char folder[] = "/tmp/evchan-listener-XXXXXX";

/* A name in the folder. Valid until the fourth call after this. */
static inline const char *path_of(const char *name)
{
	static char paths[4][200];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static inline bool exists(const char *name)
{
	struct stat status;

	return lstat(path_of(name), &status) == 0;
}

static inline ino_t inode_of(const char *name)
{
	struct stat status;

	MUST(lstat(path_of(name), &status) == 0);
	return status.st_ino;
}

static inline int make_folder(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return mkdtemp(folder) ? note_descriptors(state) : -1;
}

static inline int remove_folder(void **state)
{
	int r = compare_descriptors(state);

	if (rmdir(folder) < 0) {
		fprintf(stderr, "something is left in %s\n", folder);
		return -1;
	}
	return r;
}

#define FOLDER_TEST(function) \
	cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

/* Opens a listener at an address as it is written. */
static inline int open_at(struct listener *listener, const char *text, mode_t mode)
{
	struct address address;
	int r;

	*listener = (struct listener)LISTENER_NONE;
	r = address_parse(&address, text, ADDRESS_OF_RECEIVER);
	if (r < 0)
		return r;
	return listener_open(listener, &address, mode);
}

static inline int open_in_folder(struct listener *listener, const char *name)
{
	return open_at(listener, path_of(name), 0600);
}

/* The error of an attempt that must fail, and leave nothing open or in the table. -1000 if it does. */
static inline int error_of_open(const char *text)
{
	unsigned open_before = count_open_descriptors(), owned = descriptor_count();
	struct listener listener;
	int r = open_at(&listener, text, 0600);

	if (r == 0 || listener.fd != -1 || listener.lock_fd != -1 ||
			listener.directory_fd != -1)
		r = -1000;
	listener_deinit(&listener, false);
	if (count_open_descriptors() != open_before || descriptor_count() != owned)
		r = -1000;
	return r;
}

/* A plain connection to an address as it is written: a descriptor or a negative errno. */
static inline int connect_to(const char *text)
{
	struct address address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	MUST(fd >= 0);
	MUST(address_parse(&address, text, ADDRESS_OF_SENDER) == 0);
	if (connect(fd, (struct sockaddr *)&address.unix_address, address.unix_length) ==
			0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* Whether what the client says comes out of the next connection that is not dead: starters who look whether anybody
 * is there leave such in the queue. */
static inline bool is_heard(struct listener *listener, int client)
{
	char byte = 'x';
	ssize_t got = 0;
	int fd;

	MUST(send(client, &byte, 1, MSG_DONTWAIT) == 1);
	while (got == 0 && listener_accept(listener, &fd) == 0) {
		got = recv(fd, &byte, 1, MSG_DONTWAIT);
		descriptor_close(fd);
	}
	return got == 1;
}

/* Whether somebody who connects there reaches this listener. */
static inline bool is_reached(struct listener *listener, const char *text)
{
	int client = connect_to(text);
	bool result = client >= 0 && is_heard(listener, client);

	if (client >= 0)
		close(client);
	return result;
}

/* A plain UNIX socket of this type, bound there, listening if `backlog` is not negative. */
static inline int bind_plain(const char *path, int type, int backlog)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	MUST(fd >= 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	MUST(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	MUST(backlog < 0 || listen(fd, backlog) == 0);
	return fd;
}

/* A regular file with these permissions. */
static inline void make_file(const char *name, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	MUST(fd >= 0);
	MUST(fchmod(fd, mode) == 0);
	close(fd);
}

static inline void remove_file(const char *name)
{
	MUST(unlink(path_of(name)) == 0);
}

/* ---- Another process that has a listener ------------------------------------------------- */

struct holder {
	pid_t pid;
	int gate;   /* open as long as it shall hold */
	int result; /* of its listener_open() */
};

static inline void hold_listener(const char *text, int gate, int answer)
{
	struct listener listener;
	int r = open_at(&listener, text, 0600);
	char end;

	CHILD_CHECK(write(answer, &r, sizeof(r)) == sizeof(r));
	CHILD_CHECK(read(gate, &end, 1) == 0);
	listener_deinit(&listener, false);
}

/* Starts it and waits until it has tried. */
static inline void holder_start(struct holder *holder, const char *text)
{
	int gate[2], answer[2];

	MUST(pipe2(gate, O_CLOEXEC) == 0);
	MUST(pipe2(answer, O_CLOEXEC) == 0);
	holder->pid = fork();
	MUST(holder->pid >= 0);
	if (holder->pid == 0) {
		close(gate[1]);
		hold_listener(text, gate[0], answer[1]);
		_exit(0);
	}
	close(gate[0]);
	close(answer[1]);
	holder->gate = gate[1];
	MUST(read(answer[0], &holder->result, sizeof(holder->result)) ==
			sizeof(holder->result));
	close(answer[0]);
}

/* It ends in order. */
static inline void holder_end(struct holder *holder)
{
	close(holder->gate);
	MUST(child_result(holder->pid) == 0);
}

/* It is killed. */
static inline void holder_kill(struct holder *holder)
{
	MUST(kill(holder->pid, SIGKILL) == 0);
	MUST(child_result(holder->pid) == -SIGKILL);
	close(holder->gate);
}

#endif
