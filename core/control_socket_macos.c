/* SPDX-License-Identifier: MIT */
/*
 * The control socket on UNIX stream sockets of macOS.
 *
 * What differs is how descriptors come. A peek there must not have room for them: the kernel would copy out what
 * stands for them inside it. So the first frame's bytes are peeked alone, and once they are a whole frame, exactly they are
 * received together with the descriptors. If those find no room in the table, they are lost, and the connection
 * is over; and what is sent with later frames the kernel closes inside recvmsg(2), which may block. Both are weaker than what
 * Linux gives, and docs/platforms.md says so.
 *
 * No credentials come with a message: a peer is who connected, or made the pair. For a socket that was handed in that
 * proves nothing of who sends, so none are reported, and the caller refuses.
 */

#include "control_socket_receive.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "unix_socket.h"

/* Room for more than anybody honest sends. Those that do not fit the kernel closes. */
#define DESCRIPTORS_PER_MESSAGE (CONTROL_DESCRIPTORS_MAX + 1)

#define SEND_BUFFER_BYTES 4096
#define SEND_BUFFER_LAST_BYTES 16384

union ancillary {
	struct cmsghdr header; /* for alignment */
	unsigned char bytes[CMSG_SPACE(DESCRIPTORS_PER_MESSAGE * sizeof(int))];
};

/* What one recvmsg(2) brought besides its bytes. */
struct received {
	int fds[DESCRIPTORS_PER_MESSAGE];
	size_t fd_count;
	bool is_cut; /* descriptors were sent that could not be received */
};

/* ---- Making -------------------------------------------------------------------- */

void control_socket_init(struct control_socket *control, int fd)
{
	const int on = 1;

	*control = (struct control_socket){ .fd = fd };
	(void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
}

int control_socket_adopt(struct control_socket *control, int fd)
{
	bool listens;
	int r;

	r = unix_socket_check(fd, &listens);
	if (r < 0)
		return r;
	if (listens)
		return -EINVAL;
	r = descriptor_own(fd);
	if (r < 0)
		return r;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	control_socket_init(control, fd);
	return 0;
}

int control_socket_peer(const struct control_socket *control, struct evchan_peer *peer)
{
	pid_t process = 0;
	socklen_t size = sizeof(process);
	uid_t user;
	gid_t group;

	if (getpeereid(control->fd, &user, &group) < 0)
		return -errno;
	/* For messages to people only: 0 if the kernel does not tell. */
	if (getsockopt(control->fd, SOL_LOCAL, LOCAL_PEERPID, &process, &size) < 0)
		process = 0;
	*peer = (struct evchan_peer){ process, user, group };
	return 0;
}

static void set_send_buffer(const struct control_socket *control, int bytes)
{
	(void)setsockopt(control->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void control_socket_prepare_accepted(
		struct control_socket *control, bool want_credentials)
{
	(void)want_credentials; /* not to be had */
	set_send_buffer(control, SEND_BUFFER_BYTES);
}

void control_socket_prepare_last(struct control_socket *control)
{
	set_send_buffer(control, SEND_BUFFER_LAST_BYTES);
}

/* ---- Sending -------------------------------------------------------------------- */

static void add_descriptors(struct msghdr *message, union ancillary *room,
		const struct control_ancillary *ancillary)
{
	size_t bytes = ancillary->fd_count * sizeof(int);

	assert(ancillary->fd_count <= CONTROL_DESCRIPTORS_MAX);
	if (bytes == 0)
		return;
	memset(room, 0, sizeof(*room));
	room->header.cmsg_level = SOL_SOCKET;
	room->header.cmsg_type = SCM_RIGHTS;
	room->header.cmsg_len = (socklen_t)CMSG_LEN(bytes);
	memcpy(CMSG_DATA(&room->header), ancillary->fds, bytes);
	message->msg_control = room->bytes;
	message->msg_controllen = (socklen_t)CMSG_SPACE(bytes);
}

int control_socket_send(struct control_socket *control, const unsigned char *frame,
		size_t length, const struct control_ancillary *ancillary)
{
	/* The kernel reads only; iovec has no const. */
	struct iovec vector = { (void *)(uintptr_t)frame, length };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	union ancillary room;
	ssize_t sent;

	if (ancillary)
		add_descriptors(&message, &room, ancillary);
	do
		sent = sendmsg(control->fd, &message, MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == length ? 0 : -EPROTO;
}

/* ---- Receiving ------------------------------------------------------------------ */

static void take_descriptors(struct received *received, struct cmsghdr *header)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	assert(count <= DESCRIPTORS_PER_MESSAGE);
	memcpy(received->fds, CMSG_DATA(header), count * sizeof(int));
	received->fd_count = count;
	/* There is no flag for recvmsg(2). */
	for (size_t i = 0; i < count; i++)
		(void)fcntl(received->fds[i], F_SETFD, FD_CLOEXEC);
}

static void take_ancillary(struct received *received, struct msghdr *message)
{
	struct cmsghdr *header;

	received->fd_count = 0;
	received->is_cut = message->msg_flags & MSG_CTRUNC;
	for (header = CMSG_FIRSTHDR(message); header;
			header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
				received->fd_count == 0)
			take_descriptors(received, header);
	}
}

/* Enters what came into descriptor.h's table; those that do not fit there go the way of the unwanted. */
static bool own_descriptors(const struct received *received)
{
	bool all = true;

	for (size_t i = 0; i < received->fd_count; i++)
		all &= descriptor_own(received->fds[i]) == 0;
	return all;
}

static void dispose_descriptors(
		struct received *received, struct disposal_account *account)
{
	for (size_t i = 0; i < received->fd_count; i++)
		disposal_close(received->fds[i], account);
	received->fd_count = 0;
}

/* One recvmsg(2) to `at`, with its descriptors if `received` is there. Returns bytes (> 0), -EAGAIN, -EPIPE, or another error. */
static int receive_message(const struct control_socket *control, unsigned char *at,
		size_t size, int flags, struct received *received)
{
	struct iovec vector = { at, size };
	union ancillary room;
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	ssize_t got;

	if (received) {
		message.msg_control = room.bytes;
		message.msg_controllen = sizeof(room.bytes);
	}
	descriptor_begin();
	do
		got = recvmsg(control->fd, &message, MSG_DONTWAIT | flags);
	while (got < 0 && errno == EINTR);
	if (got >= 0 && received) {
		take_ancillary(received, &message);
		received->is_cut |= !own_descriptors(received);
	}
	descriptor_end();
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return got == 0 && size ? -EPIPE : (int)got;
}

/* The first frame, `size` bytes of which are still in the queue, whole. */
static int take_first(struct control_socket *control, size_t size,
		struct control_arrival *arrival, struct disposal_account *account)
{
	struct received received = { .fd_count = 0 };
	int got = receive_message(
			control, control->buffer + control->filled, size, 0, &received);

	if (got != (int)size || received.is_cut ||
			received.fd_count > CONTROL_DESCRIPTORS_MAX) {
		dispose_descriptors(&received, account);
		return got < 0 ? got : -EPROTO;
	}
	control->filled += size;
	control->taken = control->filled;
	control->first_done = true;
	arrival->fd_count = received.fd_count;
	memcpy(arrival->fds, received.fds, received.fd_count * sizeof(int));
	return (int)control->filled;
}

/* Bytes of half a frame stay queued only where descriptors may be among them, and that cannot be told: so they all stay, and a
 * peer that sends half a hello keeps a level-triggered watch awake until the time for a hello is over. */
int control_socket_receive_first(struct control_socket *control, enum control_type *type,
		struct control_arrival *arrival, struct disposal_account *account)
{
	int length, got;

	got = receive_message(
			control, control->buffer, CONTROL_FRAME_MAX, MSG_PEEK, NULL);
	if (got < 0)
		return got;
	length = control_frame_length(type, control->buffer, (size_t)got);
	if (length <= 0)
		return length < 0 ? -EPROTO : -EAGAIN;
	return take_first(control, (size_t)length, arrival, account);
}

/* Later frames bring no descriptors: there is no room for any. */
int control_socket_receive_more(struct control_socket *control)
{
	int got = receive_message(control, control->buffer + control->filled,
			CONTROL_FRAME_MAX - control->filled, 0, NULL);

	if (got < 0)
		return got;
	control->filled += (size_t)got;
	return 0;
}

/* ---- Ending ------------------------------------------------------------------------ */

/* Whether nothing is left to be closed with the socket. */
static bool is_queue_empty(const struct control_socket *control)
{
	unsigned char byte;

	return recv(control->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void control_socket_deinit(
		struct control_socket *control, struct disposal_account *account)
{
	bool is_empty;

	if (control->fd < 0)
		return;
	/* Before the shutdown, which throws the queue away. */
	is_empty = is_queue_empty(control);
	(void)shutdown(control->fd, SHUT_RDWR);
	if (is_empty)
		descriptor_close(control->fd);
	else
		disposal_close(control->fd, account);
	control->fd = -1;
}
