/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_LISTENER_H
#define EVCHAN_CORE_LISTENER_H

/*
 * The receiver's listening socket, and the take-over of a path that a dead receiver left (design, section
 * 10.7): `NAME.lock`, flocked for life, keeps two starters apart; under it a socket is unlinked
 * only if nobody answers on it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"

struct listener {
	int fd;           /* in descriptor.h's table, non-blocking; -1 none */
	int lock_fd;      /* likewise; -1 none */
	int directory_fd; /* of the path; likewise */
	bool is_lane;     /* the descriptor handed in is a connected socket, not a listening one */
	bool owns_path;   /* bound by us: unlink at the end */
	struct address address;
	uint64_t device;  /* of the socket file we bound */
	uint64_t inode;
};
#define LISTENER_NONE { .fd = -1, .lock_fd = -1, .directory_fd = -1 }

/*
 * Binds and listens, or takes the descriptor over (and makes it non-blocking and close-on-exec). `mode`
 * are the permissions of the socket file.
 * Errors: those of evchan_receiver_new().
 */
int listener_open(struct listener *listener, const struct address *address, mode_t mode);

/* Lets nobody else in; what waits in the queue can still be accepted. A descriptor that was handed in may be shared with
 * others, and is left alone. */
void listener_shut(struct listener *listener);

/*
 * Accepts one connection: close-on-exec, non-blocking, in descriptor.h's table.
 * Never blocks: -EAGAIN none waits. -ECONNABORTED: this one's own trouble, try again. Others (-EMFILE, -ENFILE, -ENOMEM,
 * -ENOBUFS; -EPERM and -EACCES of a security module; -EBADF and -ENOTSOCK of a descriptor that was closed behind our back):
 * likely to be the same at once, try again later.
 */
int listener_accept(struct listener *listener, int *fd);

/* A descriptor that was handed in is its giver's again, because what came after listener_open() has failed. Otherwise
 * nothing. */
void listener_give_back(struct listener *listener);

/* Stops listening and unlinks the path if it is still ours, then the lock file. `in_child`: only closes. */
void listener_deinit(struct listener *listener, bool in_child);

#endif
