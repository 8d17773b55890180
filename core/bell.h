/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_BELL_H
#define EVCHAN_CORE_BELL_H

/*
 * A bell wakes a sleeping peer. A ring is a hint: it may be spurious, and rings may merge. What
 * must never happen is that a ring which follows a look at the shared positions gets lost.
 *
 * The listener makes the bell and watches one descriptor; the ringer is given another (or the
 * same). Both share open file descriptions, and with them O_NONBLOCK, so the listener never calls
 * plain read or write on a descriptor that the other side has too (design, section 5):
 *
 *	eventfd  watched edge-triggered and never read; on a loop without edges it is read
 *	         with preadv2(RWF_NOWAIT), which ignores O_NONBLOCK
 *	pipe     the read end never leaves the listener; always watched level-triggered
 *	socket   the control socket, elsewhere: see control_socket_ring()
 */

#include <stdbool.h>

enum bell_kind {
	BELL_EVENTFD = 1, /* numbers as in enum evchan_bell, and on the wire */
	BELL_PIPE = 2,
	BELL_SOCKET = 3,
};

/* The listener's end. */
struct bell {
	enum bell_kind kind;
	bool edge;    /* to be watched edge-triggered; never with a pipe */
	int watch_fd; /* to watch; in descriptor.h's table; -1 none */
	int ring_fd;  /* to hand to the ringer; may equal watch_fd; -1 once given away */
};
#define BELL_NONE { BELL_SOCKET, false, -1, -1 }

/*
 * Makes one. `edge`: the loop can watch it edge-triggered; bell->edge then says whether it shall.
 * Errors: -ENOTSUP this kind cannot be had here (no eventfd, or, without edges, no RWF_NOWAIT);
 * -EMFILE; -ENFILE; -ENOMEM; -EINVAL kind is BELL_SOCKET.
 */
int bell_create(struct bell *bell, enum bell_kind kind, bool edge);

/* Closes ring_fd after it was sent, if it is not the watched one too. */
void bell_given_away(struct bell *bell);

/*
 * Makes the watched descriptor quiet again where it needs that (never an edge-triggered eventfd). To be
 * called before the look at the ring, never after. Never blocks. Reads a bounded amount.
 * Returns 0, or -EPIPE if no ringer is left: the descriptor would be ready for ever, stop watching.
 */
int bell_reset(struct bell *bell);

void bell_deinit(struct bell *bell);

/*
 * Rings, in the ringer's process, on the descriptor it was given. A full pipe or counter is no error:
 * unread rings are queued there (an eventfd's counter at its end is read once and written again,
 * because a refused write makes no edge). Never raises SIGPIPE.
 * Returns 0, or -EPIPE nobody listens any more (a pipe's ringer only), -ENOMEM nothing was queued (likewise): the ring is owed,
 * or -EBADF and others: not a working bell.
 */
int bell_ring(enum bell_kind kind, int fd);

/* Whether `fd`, from the peer, can be used to ring this kind: a FIFO for a pipe, something without a file type for
 * an eventfd, either of them writable and non-blocking. Nothing is written. Returns 0 or -EBADF. */
int bell_check_ringer(enum bell_kind kind, int fd);

#endif
