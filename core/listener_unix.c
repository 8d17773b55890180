/* SPDX-License-Identifier: MIT */
/*
 * Listening on UNIX sockets, and taking over the path of a receiver that is dead.
 *
 * Whether a socket file belongs to a living receiver cannot be told by connecting alone: one that is between bind(2) and
 * listen(2) refuses just like a dead one, and two starters could each unlink the other's. So there is a lock,
 * NAME.lock, held for as long as the path is; only its holder looks at the socket file, and only a file
 * whose owner answers nobody is unlinked. The lock is flock(2)'s: it ends with its process, whatever ends that.
 *
 * The lock file itself is unlinked at the end, so somebody may hold the lock of a file that is no longer there while another
 * makes a new one: whoever gets a lock looks whether its file is still the path's, and starts over if not.
 *
 * All of it relies on nobody else being able to rename or remove things in the directory, so that is
 * asked for first.
 */

#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "disposal.h"
#include "unix_socket.h"

/* The kernel takes less if its limit (net.core.somaxconn) is lower. */
#define BACKLOG 4096

/* Each time around some other starter has come to its end, so a few are plenty. */
#define LOCK_TRIES 100

#define LOCK_PATH_SIZE (sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".lock"))

/* ---- The directory ------------------------------------------------------------------ */

/* The name of a path in its directory. */
static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Opened once, so that what is removed at the end is what was made at the beginning, wherever the program has gone
 * meanwhile and whatever the directory is called then. */
static int open_directory(struct listener *listener, const char *path)
{
	char directory[LOCK_PATH_SIZE];
	int length = (int)(name_of(path) - path);
	int r;

	snprintf(directory, sizeof(directory), "%.*s", length, path);
	descriptor_begin();
	r = unix_socket_own(unix_socket_open_directory(length ? directory : "."),
			&listener->directory_fd);
	descriptor_end();
	return r;
}

static int check_directory(const struct listener *listener)
{
	struct stat status;

	if (fstat(listener->directory_fd, &status) < 0)
		return -errno;
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return -EACCES;
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX))
		return -EACCES;
	return 0;
}

/* ---- The lock --------------------------------------------------------------------------- */

static int open_lock(int directory_fd, const char *lock_name, int *out)
{
	const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	int r;

	descriptor_begin();
	r = unix_socket_own(openat(directory_fd, lock_name, flags, 0600), out);
	descriptor_end();
	/* A link, a directory, a device without a driver: not a lock file of ours. */
	return r == -ELOOP || r == -EISDIR || r == -ENXIO || r == -ENODEV ? -EACCES : r;
}

/* Whether a name in the directory still stands for this file. */
static bool is_named(const struct listener *listener, const char *name, uint64_t device, uint64_t inode)
{
	struct stat named;

	return fstatat(listener->directory_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
			(uint64_t)named.st_dev == device && named.st_ino == inode;
}

/* Locks an open lock file. Returns 0; 1: it is no longer the path's; -EADDRINUSE; -EACCES; others. */
static int lock(const struct listener *listener, int fd, const char *lock_name)
{
	struct stat opened;

	if (fstat(fd, &opened) < 0)
		return -errno;
	if (!S_ISREG(opened.st_mode) || opened.st_uid != geteuid())
		return -EACCES;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	return !is_named(listener, lock_name, (uint64_t)opened.st_dev, opened.st_ino);
}

static void lock_name_of(char *lock_name, const struct address *address)
{
	snprintf(lock_name, LOCK_PATH_SIZE, "%s.lock", name_of(address->unix_address.sun_path));
}

static int take_lock(struct listener *listener, const struct address *address)
{
	char lock_name[LOCK_PATH_SIZE];
	int fd, r;

	lock_name_of(lock_name, address);
	for (int i = 0; i < LOCK_TRIES; i++) {
		r = open_lock(listener->directory_fd, lock_name, &fd);
		if (r < 0)
			return r;
		r = lock(listener, fd, lock_name);
		if (r == 0) {
			listener->lock_fd = fd;
			return 0;
		}
		descriptor_close(fd);
		if (r < 0)
			return r;
	}
	return -EADDRINUSE;
}

/* ---- The socket ---------------------------------------------------------------------- */

/* Whether nobody listens on a socket file of ours. Returns 0 if so, -EADDRINUSE if somebody does; others. */
static int probe(const struct address *address)
{
	int fd, r;

	r = unix_socket_new(&fd);
	if (r < 0)
		return r;
	r = connect(fd, (const struct sockaddr *)&address->unix_address, address->unix_length);
	if (r < 0)
		r = -errno;
	descriptor_close(fd);
	switch (r) {
	case -ECONNREFUSED:
		return 0;
	case -EACCES:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return r;
	default: /* connected; backlog full; a socket of another type */
		return -EADDRINUSE;
	}
}

/* Under the lock: removes what a dead receiver left. */
static int clear_path(const struct listener *listener, const struct address *address)
{
	const char *name = name_of(address->unix_address.sun_path);
	struct stat status;
	int r;

	if (fstatat(listener->directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EADDRINUSE;
	if (status.st_uid != geteuid())
		return -EACCES;
	r = probe(address);
	if (r < 0)
		return r;
	return unlinkat(listener->directory_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Before listen(2), so that nobody connects to a file whose permissions are not set yet. */
static int bind_path(struct listener *listener, const struct address *address, mode_t mode)
{
	const char *name = name_of(address->unix_address.sun_path);
	struct stat status;

	if (bind(listener->fd, (const struct sockaddr *)&address->unix_address,
			    address->unix_length) < 0)
		return -errno;
	listener->owns_path = true;
	if (fstatat(listener->directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	listener->device = (uint64_t)status.st_dev;
	listener->inode = status.st_ino;
	return fchmodat(listener->directory_fd, name, mode, 0) < 0 ? -errno : 0;
}

static int open_path(struct listener *listener, const struct address *address, mode_t mode)
{
	int r;

	r = open_directory(listener, address->unix_address.sun_path);
	if (r < 0)
		return r;
	r = check_directory(listener);
	if (r < 0)
		return r;
	r = take_lock(listener, address);
	if (r < 0)
		return r;
	r = clear_path(listener, address);
	if (r < 0)
		return r;
	r = unix_socket_new(&listener->fd);
	if (r < 0)
		return r;
	r = bind_path(listener, address, mode);
	if (r < 0)
		return r;
	return listen(listener->fd, BACKLOG) < 0 ? -errno : 0;
}

static int open_abstract(struct listener *listener, const struct address *address)
{
	int r;

	r = unix_socket_new(&listener->fd);
	if (r < 0)
		return r;
	if (bind(listener->fd, (const struct sockaddr *)&address->unix_address,
			    address->unix_length) < 0)
		return -errno;
	return listen(listener->fd, BACKLOG) < 0 ? -errno : 0;
}

/* ---- A descriptor handed in -------------------------------------------------------------- */

/* What senders would write to get there, where that can be told. */
static void find_text(struct address *address)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(name) - 1; /* a path that fills it all has no NUL */
	int characters;

	if (getsockname(address->fd, (struct sockaddr *)&name, &length) < 0)
		return;
	characters = (int)length - (int)offsetof(struct sockaddr_un, sun_path);
	if (characters > (int)sizeof(name.sun_path))
		characters = (int)sizeof(name.sun_path);
	if (characters > 1 && name.sun_path[0])
		snprintf(address->text, sizeof(address->text), "%.*s", characters, name.sun_path);
	else if (characters > 1)
		snprintf(address->text, sizeof(address->text), "@%.*s", characters - 1,
				name.sun_path + 1);
}

/* accept(2) has no flag of its own to not wait, and O_NONBLOCK belongs to everybody who has the descriptor. */
static void forbid_waiting(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int open_descriptor(struct listener *listener, const struct address *address)
{
	int fd = address->fd, r;
	bool listens;

	r = unix_socket_check(fd, &listens);
	if (r < 0)
		return r;
	r = descriptor_own(fd);
	if (r < 0)
		return r;
	listener->fd = fd;
	listener->is_lane = !listens;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (listener->is_lane)
		return 0;
	forbid_waiting(fd);
	find_text(&listener->address);
	return 0;
}

/* ---- The whole ------------------------------------------------------------------------------ */

int listener_open(struct listener *out, const struct address *address, mode_t mode)
{
	struct listener listener = LISTENER_NONE;
	int r = -EINVAL;

	listener.address = *address;
	switch (address->kind) {
	case ADDRESS_PATH:
		r = open_path(&listener, address, mode);
		break;
	case ADDRESS_ABSTRACT:
		r = open_abstract(&listener, address);
		break;
	case ADDRESS_DESCRIPTOR:
		r = open_descriptor(&listener, address);
		break;
	}
	if (r < 0) {
		listener_deinit(&listener, false);
		return r;
	}
	*out = listener;
	return 0;
}

/* Only what is known to be one connection's own trouble lets the next be tried at once: whoever asks again after any other
 * error may be told the same for ever, by a level-triggered watch. */
static int accept_error(int error)
{
	return error == -EPROTO ? -ECONNABORTED : error;
}

void listener_shut(struct listener *listener)
{
	if (listener->fd >= 0 && listener->address.kind != ADDRESS_DESCRIPTOR)
		(void)shutdown(listener->fd, SHUT_RDWR);
}

int listener_accept(struct listener *listener, int *fd)
{
	int r;

	if (listener->address.kind == ADDRESS_DESCRIPTOR)
		forbid_waiting(listener->fd);
	descriptor_begin();
	do
		r = unix_socket_own(unix_socket_accept(listener->fd), fd);
	while (r == -EINTR);
	descriptor_end();
	return r < 0 ? accept_error(r) : 0;
}

/* Closing a listener closes what waits in its queue, and that may hold descriptors of strangers: it is taken out, and
 * closed on the disposal thread. If that is not possible for want of descriptors, the listener itself is. */
static void close_own(struct listener *listener)
{
	int fd, r = 0;

	listener_shut(listener);
	for (int i = 0; i <= BACKLOG && (r == 0 || r == -ECONNABORTED); i++) {
		r = listener_accept(listener, &fd);
		if (r == 0)
			disposal_close(fd, NULL);
	}
	if (r == -EAGAIN || r == -EINVAL)
		descriptor_close(listener->fd);
	else
		disposal_close(listener->fd, NULL);
}

static void unlink_path(const struct listener *listener)
{
	const char *name = name_of(listener->address.unix_address.sun_path);
	char lock_name[LOCK_PATH_SIZE];
	struct stat lock_file;

	if (listener->owns_path && is_named(listener, name, listener->device, listener->inode))
		unlinkat(listener->directory_fd, name, 0);
	/* Last, under the lock: whoever opens the file from now on makes a new one. If somebody has removed ours, the one
	 * that is there now is another's. */
	lock_name_of(lock_name, &listener->address);
	if (fstat(listener->lock_fd, &lock_file) == 0 &&
			is_named(listener, lock_name, (uint64_t)lock_file.st_dev,
					lock_file.st_ino))
		unlinkat(listener->directory_fd, lock_name, 0);
}

void listener_give_back(struct listener *listener)
{
	if (listener->address.kind != ADDRESS_DESCRIPTOR)
		return;
	descriptor_disown(listener->fd);
	listener->fd = -1;
}

static void close_listener(struct listener *listener, bool in_child)
{
	if (listener->fd < 0 || in_child)
		descriptor_close(listener->fd);
	else if (listener->address.kind == ADDRESS_DESCRIPTOR)
		/* It may be shared with others, and its queue is the next receiver's; unless nobody else has it. */
		disposal_close(listener->fd, NULL);
	else
		close_own(listener);
}

void listener_deinit(struct listener *listener, bool in_child)
{
	if (!in_child && listener->lock_fd >= 0)
		unlink_path(listener);
	close_listener(listener, in_child);
	descriptor_close(listener->lock_fd);
	descriptor_close(listener->directory_fd);
	listener->fd = -1;
	listener->lock_fd = -1;
	listener->directory_fd = -1;
	listener->owns_path = false;
}
