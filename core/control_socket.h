/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_CONTROL_SOCKET_H
#define EVCHAN_CORE_CONTROL_SOCKET_H

/*
 * I/O on the control socket (UNIX stream): whole frames out, bytes in, descriptors and credentials
 * beside them. Nothing here blocks (MSG_DONTWAIT in every call), raises SIGPIPE (MSG_NOSIGNAL) or
 * leaks a descriptor across exec (MSG_CMSG_CLOEXEC). Both ends use it.
 *
 * Descriptors from strangers (design, section 10.9 and 10.16): the first frame is peeked with its descriptors, which
 * brings copies. If the process has no descriptor left, nothing is lost and the frame stays queued; if there are more
 * than anybody honest sends, the connection is over and all stay queued. Nothing that may bring
 * descriptors is ever read before a peek has shown that it does not, or has brought copies, which go to disposal.h
 * untouched if nobody wants them: so none is closed inside recvmsg.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <evchan/evchan.h>

#include "address.h"
#include "control_message.h"
#include "disposal.h"

/* A connected stream socket that is being read. Embedded in a guest, a lane, a sender. */
struct control_socket {
	int fd;            /* in descriptor.h's table; -1 closed */
	bool first_done;   /* the first frame, the only one that may carry descriptors, was taken */
	bool rights_refused; /* the kernel refuses descriptors sent from now on */
	bool is_plain;     /* no descriptor can be in the queue */
	size_t taken;      /* bytes at the front that were returned as a frame: gone with the next call */
	size_t filled;     /* bytes in the buffer */
	unsigned char buffer[CONTROL_FRAME_MAX];
};
#define CONTROL_SOCKET_NONE { .fd = -1 }

/* Takes over a connected socket that is in descriptor.h's table. */
void control_socket_init(struct control_socket *control, int fd);

/*
 * Takes over a connected socket from the application: checks it, makes it close-on-exec and enters it into
 * descriptor.h's table. On error it is left alone.
 * Errors: -EBADF; -ENOTSOCK; -EINVAL not a connected UNIX stream socket; -ENOMEM.
 */
int control_socket_adopt(struct control_socket *control, int fd);

/* Whether `fd`, from the application, can be adopted or listens. Errors: as above. */
int control_socket_check(int fd);

/*
 * Connects to a listener, non-blocking: on AF_UNIX it succeeds or fails at once.
 * Errors: -ENOENT, -ECONNREFUSED nobody is there; -EAGAIN the backlog is full; -EACCES; -ENOTDIR; -ENAMETOOLONG; -EPROTOTYPE; -EMFILE;
 * -ENFILE; -ENOMEM.
 */
int control_socket_connect(struct control_socket *control, const struct address *address);

/* SO_PEERCRED: who called connect or listen, or made the socketpair. Errors: -ENOTCONN and others of getsockopt. */
int control_socket_peer(const struct control_socket *control, struct evchan_peer *peer);

/* An accepted socket: bounds what it queues in the kernel (SO_SNDBUF of our side). Best effort. For handed-in sockets
 * also asks for credentials with each message (SO_PASSCRED). */
void control_socket_prepare_accepted(struct control_socket *control, bool want_credentials);

/* Makes room for one more frame, the last, though the peer has not read the others. Best effort. */
void control_socket_prepare_last(struct control_socket *control);

/* What a frame needs besides its bytes. */
struct control_ancillary {
	const int *fds;        /* to pass; they stay the caller's */
	size_t fd_count;
	bool credentials;      /* SCM_CREDENTIALS of this process */
};

/*
 * Sends one whole frame. `ancillary` may be NULL.
 * Errors: -EAGAIN no room (nothing was sent; a frame below the send buffer's size is sent whole or not at all: a short
 * write is reported as -EPROTO and the connection is useless); -EPIPE, -ECONNRESET hang-up; -ETOOMANYREFS too many descriptors
 * in flight (try later); others of sendmsg.
 */
int control_socket_send(struct control_socket *control, const unsigned char *frame,
		size_t length, const struct control_ancillary *ancillary);

/* Sends the one-byte RING frame. EAGAIN is success: unread rings are queued there, the peer will wake (design, section
 * 10.4). Errors: -EPIPE hang-up (ECONNRESET included); -ENOMEM nothing was queued (ENOBUFS included): the ring is owed. */
int control_socket_ring(struct control_socket *control);

/* Whether a first frame that was sent can still be taken, with its descriptors, when this process is gone. */
bool control_socket_outlives_sender(void);

#define CONTROL_DESCRIPTORS_MAX 2 /* what a good first frame carries at most */

/* What came with the first frame. */
struct control_arrival {
	int fds[CONTROL_DESCRIPTORS_MAX]; /* in descriptor.h's table, the caller's; -1 none */
	size_t fd_count;
	bool has_credentials;
	struct evchan_peer credentials;   /* SCM_CREDENTIALS, checked by the kernel */
};

/*
 * Takes the next whole frame: reads as needed, many at once. *frame points into control->buffer and is valid until the
 * next call. RING frames that were read together and follow each other are returned as one, because a ring is a hint.
 * The first frame comes with its descriptors in `arrival` (may be NULL afterwards: descriptors on later frames are
 * -EPROTO and go to disposal). Bytes behind the frame are kept for the next call.
 * Returns the frame's length (> 0; for rings their number) or:
 *	-EAGAIN      no whole frame yet
 *	-EPIPE       hang-up (end of file, ECONNRESET): all frames before it were returned
 *	-EPROTO      no valid frame, descriptors where none may be, or more than CONTROL_DESCRIPTORS_MAX
 *	-EMFILE, -ENFILE, -ENOMEM  the first frame's descriptors could not be received: it stays queued, try again later
 */
int control_socket_receive(struct control_socket *control, enum control_type *type,
		const unsigned char **frame, struct control_arrival *arrival,
		struct disposal_account *account);

/* Whether the peer is gone; frames of it may still be there. */
bool control_socket_has_hung_up(const struct control_socket *control);

/* Whether the first frame is there whole: then a receive may need descriptors. Receives none itself. */
bool control_socket_has_first(const struct control_socket *control);

/*
 * Ends the connection: shutdown(2) both ways at once; nothing can be queued after that. If the queue
 * is then seen to be empty, closes at once; otherwise the close happens by disposal.h (closing a socket closes
 * what it queues, which may block). Harmless the second time.
 */
void control_socket_deinit(struct control_socket *control, struct disposal_account *account);

/* Ends the connection and nothing else: whoever watches it is told. */
void control_socket_shut(struct control_socket *control);

/* In a forked child: closes the child's copy, no shutdown (the socket is the parent's). */
void control_socket_abandon(struct control_socket *control);

#endif
