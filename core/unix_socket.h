/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_UNIX_SOCKET_H
#define EVCHAN_CORE_UNIX_SOCKET_H

/* What the two files on UNIX stream sockets (control_socket_unix.c, listener_unix.c) both need of a descriptor. */

#include <stdbool.h>

/* A new one: close-on-exec, non-blocking, in descriptor.h's table. Errors: -EMFILE; -ENFILE; -ENOMEM and others of
 * socket(2). */
int unix_socket_new(int *fd);

/*
 * Enters a descriptor that some call has just made (-1: it has failed, errno tells) into the table, or closes it. Between
 * descriptor_begin() and descriptor_end(). Errors: -errno of that call; -ENOMEM.
 */
int unix_socket_own(int made, int *fd);

/* accept(2): the new socket is close-on-exec and non-blocking. Returns it, or -1 with errno. */
int unix_socket_accept(int listener);

/* A directory to name files in, close-on-exec. Returns it, or -1 with errno. */
int unix_socket_open_directory(const char *path);

/* Whether `fd`, from the application, is a UNIX stream socket that listens, or one that is connected.
 * Errors: -EBADF; -ENOTSOCK; -EINVAL neither. */
int unix_socket_check(int fd, bool *listens);

#endif
