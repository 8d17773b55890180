/* SPDX-License-Identifier: MIT */
/*
 * The control socket on UNIX stream sockets.
 *
 * The first frame is special because it may carry descriptors, and receiving those can fail: recvmsg(2) then delivers
 * some, and drops the others for good. For a hello that would be the loss of a ring whose sender may be dead already. So it is
 * peeked first, descriptors included: what the kernel gives to a peek are copies. If they are all there
 * they are kept, and the bytes are then consumed by a recv(2) without room for descriptors, which drops
 * the originals; that cannot block, since our copies keep the files open.
 *
 * Surprising: a peek runs on over following messages up to and including the first that has descriptors, even one that lies wholly
 * behind the bytes asked for. Whose they were is told when the frame is consumed. Bytes without any
 * that are no whole frame yet are therefore consumed at once (or a level-triggered watch would spin over half a
 * hello), and a first frame with descriptors has to be whole in one look: the design wants it sent by one sendmsg.
 */

#include "control_socket_receive.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "linux_compat.h"
#include "unix_socket.h"

/* One more than anybody honest sends. Only peeks bring any, and what a peek has no room for are copies: nothing is closed, and
 * a stranger does not fill our table with 253 of them. */
#define DESCRIPTORS_PER_MESSAGE (CONTROL_DESCRIPTORS_MAX + 1)

/* Of a socket that is closed: enough for what an honest peer leaves, and for little floods. */
#define EMPTY_QUEUE_LOOKS 8

/* Of an accepted socket; the kernel doubles it, and counts some hundred bytes for each ring: room for any one frame, or about
 * ten rings that nobody reads. */
#define SEND_BUFFER_BYTES 4096
/* For the last frame of all, behind those. */
#define SEND_BUFFER_LAST_BYTES 16384

union receive_ancillary {
	struct cmsghdr header; /* for alignment */
	unsigned char bytes[CMSG_SPACE(DESCRIPTORS_PER_MESSAGE * sizeof(int)) +
			CMSG_SPACE(sizeof(struct ucred))];
};

union send_ancillary {
	struct cmsghdr header;
	unsigned char bytes[CMSG_SPACE(CONTROL_DESCRIPTORS_MAX * sizeof(int)) +
			CMSG_SPACE(sizeof(struct ucred))];
};

/* What one recvmsg(2) brought besides its bytes. */
struct received {
	/* All the room there is, should no credentials take part of it. */
	int fds[sizeof(union receive_ancillary) / sizeof(int)];
	size_t fd_count;
	bool is_cut; /* descriptors were sent that could not be received */
	bool has_credentials;
	struct evchan_peer credentials;
};

/* ---- Making -------------------------------------------------------------------- */

void control_socket_init(struct control_socket *control, int fd)
{
	const int on = 1, from_the_front = -1;

	*control = (struct control_socket){ .fd = fd };
	/* Of a socket that was handed in: a peek shows what a read would bring, and not the same for ever or never. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &from_the_front, sizeof(from_the_front));
	/* Out-of-band bytes come in line with the others. Otherwise a peek passes over them while poll(2) says that there
	 * is something to read, and a read drops them, closing the descriptors that they bring. */
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

int control_socket_adopt(struct control_socket *control, int fd)
{
	const int off = 0;
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
	/* O_NONBLOCK stays as it is: it is shared with whoever else has the descriptor, and every call here says MSG_DONTWAIT. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* Whoever made it may have asked the kernel for more than we have room for. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &off, sizeof(off));
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSSEC, &off, sizeof(off));
	control_socket_init(control, fd);
	return 0;
}

int control_socket_peer(const struct control_socket *control, struct evchan_peer *peer)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(control->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	*peer = (struct evchan_peer){ credentials.pid, credentials.uid, credentials.gid };
	return 0;
}

void control_socket_prepare_accepted(struct control_socket *control, bool want_credentials)
{
	const int bytes = SEND_BUFFER_BYTES, on = 1;

	(void)setsockopt(control->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (want_credentials)
		(void)setsockopt(control->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

void control_socket_prepare_last(struct control_socket *control)
{
	const int bytes = SEND_BUFFER_LAST_BYTES;

	(void)setsockopt(control->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* ---- Sending -------------------------------------------------------------------- */

static void add_message(struct msghdr *message, struct cmsghdr *header, int type, const void *data,
		size_t size)
{
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(header), data, size);
	message->msg_controllen += CMSG_SPACE(size);
}

static void add_ancillary(struct msghdr *message, union send_ancillary *room,
		const struct control_ancillary *ancillary)
{
	/* The effective ids, because they are what SO_PEERCRED tells elsewhere. */
	const struct ucred credentials = { getpid(), geteuid(), getegid() };
	size_t fd_bytes = ancillary->fd_count * sizeof(int);
	struct cmsghdr *header;

	assert(ancillary->fd_count <= CONTROL_DESCRIPTORS_MAX);
	memset(room, 0, sizeof(*room));
	message->msg_control = room->bytes;
	message->msg_controllen = sizeof(room->bytes); /* what CMSG_FIRSTHDR and NXTHDR go by */
	header = CMSG_FIRSTHDR(message);
	message->msg_controllen = 0;
	if (ancillary->fd_count) {
		add_message(message, header, SCM_RIGHTS, ancillary->fds, fd_bytes);
		header = (struct cmsghdr *)(void *)(room->bytes + CMSG_SPACE(fd_bytes));
	}
	if (ancillary->credentials)
		add_message(message, header, SCM_CREDENTIALS, &credentials, sizeof(credentials));
	if (message->msg_controllen == 0)
		message->msg_control = NULL;
}

int control_socket_send(struct control_socket *control, const unsigned char *frame, size_t length,
		const struct control_ancillary *ancillary)
{
	/* The kernel reads only; iovec has no const. */
	struct iovec vector = { (void *)(uintptr_t)frame, length };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	union send_ancillary room;
	ssize_t sent;

	if (ancillary)
		add_ancillary(&message, &room, ancillary);
	do
		sent = sendmsg(control->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == length ? 0 : -EPROTO;
}

/* ---- Receiving ------------------------------------------------------------------ */

static void take_descriptors(struct received *received, const struct cmsghdr *header)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	assert(count <= sizeof(received->fds) / sizeof(received->fds[0]));
	memcpy(received->fds, CMSG_DATA(header), count * sizeof(int));
	received->fd_count = count;
}

/* What the kernel says of a message that was sent without credentials, before they were asked for: nobody's process, of the
 * overflow user (user_namespaces(7)), whose number may be a real user's. */
#define OVERFLOW_UID 65534

static void take_credentials(struct received *received, const struct cmsghdr *header)
{
	struct ucred credentials;

	memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
	if (credentials.pid == 0 && credentials.uid == OVERFLOW_UID)
		return;
	received->has_credentials = true;
	received->credentials = (struct evchan_peer){ credentials.pid, credentials.uid,
		credentials.gid };
}

/* The kernel makes at most one control message of each kind. */
static void take_ancillary(struct received *received, struct msghdr *message)
{
	struct cmsghdr *header;

	received->fd_count = 0;
	received->has_credentials = false;
	received->is_cut = message->msg_flags & MSG_CTRUNC;
	for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET)
			continue;
		if (header->cmsg_type == SCM_RIGHTS)
			take_descriptors(received, header);
		else if (header->cmsg_type == SCM_CREDENTIALS)
			take_credentials(received, header);
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

static void dispose_descriptors(struct received *received, struct disposal_account *account)
{
	for (size_t i = 0; i < received->fd_count; i++)
		disposal_close(received->fds[i], account);
	received->fd_count = 0;
}

/* One recvmsg(2) to `at`. Returns bytes (> 0), -EAGAIN, -EPIPE, or another error of recvmsg. */
static int receive_message(struct control_socket *control, unsigned char *at, size_t size,
		int flags, struct received *received)
{
	struct iovec vector = { at, size };
	union receive_ancillary room;
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};
	bool is_owned = true;
	ssize_t got;

	descriptor_begin();
	do
		got = recvmsg(control->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
	while (got < 0 && errno == EINTR);
	if (got >= 0) {
		take_ancillary(received, &message);
		is_owned = own_descriptors(received);
	}
	descriptor_end();
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (!is_owned)
		received->is_cut = true;
	return got == 0 && size ? -EPIPE : (int)got;
}

/* Consumes `size` bytes that were peeked, without their descriptors. Returns whether there were any with them, or -EPROTO if
 * not all bytes were there. Not while SO_PASSCRED is on: credentials without room look the same. */
static int consume(const struct control_socket *control, size_t size)
{
	unsigned char scrap[CONTROL_FRAME_MAX];
	int had_descriptors = 0;

	while (size) {
		struct iovec vector = { scrap, size };
		struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
		ssize_t got = recvmsg(control->fd, &message, MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EPROTO;
		had_descriptors |= (message.msg_flags & MSG_CTRUNC) != 0;
		size -= (size_t)got;
	}
	return had_descriptors;
}

/* Why a first frame's descriptors did not all come, or are not wanted, now that copies of those that did are disposed of. */
static int cut_error(const struct control_socket *control, size_t fd_count)
{
	int fd;

	/* More than anybody honest sends: not worth waiting for. */
	if (fd_count > CONTROL_DESCRIPTORS_MAX)
		return -EPROTO;
	/* Closed at once, and ours alone: no fork needs to know of it. If there is room for it now, something else keeps
	 * the descriptors back (a security module), and always will. */
	descriptor_begin();
	fd = fcntl(control->fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		close(fd);
	descriptor_end();
	return fd >= 0 && fd_count == 0 ? -EPROTO : -EMFILE;
}

/* The peeked bytes behind what was there begin with a whole frame. */
static int take_first(struct control_socket *control, int length, struct received *received,
		struct control_arrival *arrival, struct disposal_account *account)
{
	size_t old = control->filled;
	int had_descriptors;

	/* Whole frames never lie in the buffer before the first one is done, so it ends in the new bytes. */
	had_descriptors = consume(control, (size_t)length - old);
	if (had_descriptors <= 0)
		dispose_descriptors(received, account);
	if (had_descriptors < 0)
		return had_descriptors;
	control->filled = (size_t)length;
	control->taken = (size_t)length;
	control->first_done = true;
	arrival->fd_count = received->fd_count;
	arrival->has_credentials = received->has_credentials;
	arrival->credentials = received->credentials;
	memcpy(arrival->fds, received->fds, received->fd_count * sizeof(int));
	return length;
}

/* What comes after the first frame has neither credentials nor descriptors; the latter the kernel refuses from now on,
 * where it can. */
static void refuse_ancillary(struct control_socket *control)
{
	const int off = 0;

	(void)setsockopt(control->fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	control->rights_refused = setsockopt(control->fd, SOL_SOCKET, SO_PASSRIGHTS, &off,
						  sizeof(off)) == 0;
}

/* One peek of up to `size` bytes behind what was there. Returns their number, or an error: then nothing is received. Too many
 * descriptors are an error even if there was room: the bytes could not be consumed without dropping, and so closing, those
 * for which there was none. */
static int peek_first(struct control_socket *control, size_t size, struct received *received,
		struct disposal_account *account)
{
	size_t count;
	int got;

	got = receive_message(control, control->buffer + control->filled, size, MSG_PEEK, received);
	if (got < 0)
		return got;
	count = received->fd_count;
	if (!received->is_cut && count <= CONTROL_DESCRIPTORS_MAX)
		return got;
	dispose_descriptors(received, account);
	return cut_error(control, count);
}

/* Half a frame, or nothing that could become one (`length` < 0), in `got` peeked bytes. */
static int keep_first(struct control_socket *control, int length, size_t got,
		struct received *received, struct disposal_account *account)
{
	if (length < 0 || received->fd_count) {
		dispose_descriptors(received, account);
		return -EPROTO;
	}
	if (consume(control, got) < 0)
		return -EPROTO;
	control->filled += got;
	return -EAGAIN;
}

int control_socket_receive_first(struct control_socket *control, enum control_type *type,
		struct control_arrival *arrival, struct disposal_account *account)
{
	size_t old = control->filled;
	struct received received;
	int length, got;

	got = peek_first(control, CONTROL_FRAME_MAX - old, &received, account);
	if (got < 0)
		return got;
	length = control_frame_length(type, control->buffer, old + (size_t)got);
	if (length <= 0)
		return keep_first(control, length, (size_t)got, &received, account);
	refuse_ancillary(control);
	return take_first(control, length, &received, arrival, account);
}

/*
 * Later frames bring no descriptors. Receiving some all the same, without room for them, would let the kernel close
 * them inside recvmsg(2), which can block; so the bytes are peeked (what is dropped then are copies) and consumed only if
 * nothing came with them. Once the kernel refuses descriptors at the sender's end, and the queue was seen empty after that,
 * there can be none.
 */
int control_socket_receive_more(struct control_socket *control)
{
	int peek = control->is_plain ? 0 : MSG_PEEK;
	struct iovec vector = { control->buffer + control->filled,
		CONTROL_FRAME_MAX - control->filled };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	ssize_t got;

	do
		got = recvmsg(control->fd, &message, MSG_DONTWAIT | peek);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		control->is_plain |= errno == EAGAIN && control->rights_refused;
		return errno == ECONNRESET ? -EPIPE : -errno;
	}
	if (got == 0)
		return -EPIPE;
	if ((message.msg_flags & MSG_CTRUNC) || (peek && consume(control, (size_t)got) < 0))
		return -EPROTO;
	control->filled += (size_t)got;
	return 0;
}

/* ---- Ending ------------------------------------------------------------------------ */

/* Throws away what is queued, as long as no descriptor comes with it. Whether nothing is left. */
static bool empty_queue(const struct control_socket *control)
{
	unsigned char scrap[CONTROL_FRAME_MAX];
	struct iovec vector = { scrap, sizeof(scrap) };

	for (int i = 0; i < EMPTY_QUEUE_LOOKS; i++) {
		struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
		ssize_t got = recvmsg(control->fd, &message, MSG_PEEK | MSG_DONTWAIT);

		if (got <= 0)
			return true;
		if ((message.msg_flags & MSG_CTRUNC) || consume(control, (size_t)got) < 0)
			return false;
	}
	return false;
}

void control_socket_deinit(struct control_socket *control, struct disposal_account *account)
{
	if (control->fd < 0)
		return;
	(void)shutdown(control->fd, SHUT_RDWR);
	/* Nothing comes any more, so what a look sees is all there will be: an empty queue closes at once. */
	if (empty_queue(control))
		descriptor_close(control->fd);
	else
		disposal_close(control->fd, account);
	control->fd = -1;
}
