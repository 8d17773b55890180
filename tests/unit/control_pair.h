/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_CONTROL_PAIR_H
#define EVCHAN_TESTS_CONTROL_PAIR_H

/*
 * A control socket and, at its other end, a peer that is a plain descriptor: it can send what no honest peer
 * would. Nothing here uses cmocka's assertions, so that it serves in forked children too. (A child is
 * freed of every control socket it inherits: it makes its own.)
 */

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "control_socket.h"
#include "descriptor.h"
#include "disposal.h"
#include "linux_compat.h"
#include "process.h"
#include "raw_sendmsg.h"

#define LONG_MS 20000

/* What a test needs before it can test anything; ends the process, in a child as well. */
#define MUST(condition) CHILD_CHECK(condition)

/* How much slower than usual this runs: tests do less then. */
static inline unsigned slowdown(void)
{
	const char *text = getenv("EVCHAN_TEST_SLOWDOWN");
	int times = text ? atoi(text) : 1;

	if (is_under_valgrind() && times < 10)
		times = 10;
	return times > 1 ? (unsigned)times : 1;
}

static inline bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

struct pair {
	struct control_socket control;
	int peer; /* -1 closed */
	/* what the last receive() returned */
	int result;
	enum control_type type;
	const unsigned char *frame;
	struct control_arrival arrival;
};

static inline void pair_open(struct pair *pair)
{
	int ends[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) ==
			0);
	MUST(descriptor_own(ends[0]) == 0);
	memset(pair, 0xa5, sizeof(*pair));
	control_socket_init(&pair->control, ends[0]);
	pair->peer = ends[1];
}

static inline void peer_close(struct pair *pair)
{
	if (pair->peer >= 0)
		close(pair->peer);
	pair->peer = -1;
}

static inline void pair_close(struct pair *pair)
{
	control_socket_deinit(&pair->control, NULL);
	peer_close(pair);
}

/* The peer sends all of it, in one call. */
static inline void peer_send(const struct pair *pair, const void *bytes, size_t size)
{
	MUST(send(pair->peer, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size);
}

/* The same with descriptors, at most SCM_MAX_FD. 0 or a negative errno. */
static inline int peer_send_with(const struct pair *pair, const void *bytes, size_t size,
		const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec vector = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

	message.msg_control = control.bytes;
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	if (raw_sendmsg(pair->peer, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

/* The same descriptor `count` times. */
static inline int peer_send_copies(const struct pair *pair, const void *bytes,
		size_t size, int fd, size_t count)
{
	int fds[253];
	size_t i;

	for (i = 0; i < count; i++)
		fds[i] = fd;
	return peer_send_with(pair, bytes, size, fds, count);
}

/* control_socket_receive() into the pair; what it does not write is recognisable afterwards. */
static inline int receive_charged(struct pair *pair, struct disposal_account *account)
{
	pair->type = (enum control_type)0x7e;
	pair->frame = NULL;
	memset(&pair->arrival, 0xa5, sizeof(pair->arrival));
	pair->result = control_socket_receive(&pair->control, &pair->type, &pair->frame,
			&pair->arrival, account);
	return pair->result;
}

static inline int receive(struct pair *pair)
{
	return receive_charged(pair, NULL);
}

/* Whether the next frame is this one. Rings may come several at once: not for them. */
static inline bool receives_frame(
		struct pair *pair, const unsigned char *frame, size_t length)
{
	return receive(pair) == (int)length &&
			pair->type == (enum control_type)frame[0] &&
			memcmp(pair->frame, frame, length) == 0;
}

static inline size_t make_hello(unsigned char *frame)
{
	struct control_hello hello = {
		.version = CONTROL_PROTOCOL_VERSION,
		.capacity = 262144,
		.header_size = 4096,
		.lane_id = { 1, 2, 3 },
		.label = "a hello",
	};

	return control_encode_hello(frame, &hello);
}

/* The peer says hello without descriptors, and it is taken: what follows are later frames. */
static inline void pass_hello(struct pair *pair)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);

	peer_send(pair, hello, length);
	MUST(receives_frame(pair, hello, length));
}

static const unsigned char ring_frame = CONTROL_RING;
static const unsigned char bye_frame[] = { CONTROL_BYE, 0, 4, 0 };

static inline int send_bye(struct pair *pair)
{
	return control_socket_send(&pair->control, bye_frame, sizeof(bye_frame), NULL);
}

/* What the peer gets now, at most `size`. 0 at the end, -1 nothing. */
static inline ssize_t peer_get(const struct pair *pair, void *bytes, size_t size)
{
	return recv(pair->peer, bytes, size, MSG_DONTWAIT);
}

static inline int open_something(void)
{
	int fd = open("/dev/null", O_RDWR);

	MUST(fd >= 0);
	return fd;
}

/* The peer says hello, with `count` copies of a descriptor beside it. */
static inline void say_hello_with(const struct pair *pair, size_t count)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	int fd = open_something();

	MUST(peer_send_copies(pair, hello, length, fd, count) == 0);
	close(fd);
}

static inline bool receives_hello(struct pair *pair)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);

	return receives_frame(pair, hello, length);
}

static inline void close_arrival(struct pair *pair)
{
	descriptor_close(pair->arrival.fds[0]);
	descriptor_close(pair->arrival.fds[1]);
}

/* Takes rings, one by one or several at once, until there are `count` of them. In how many calls. */
static inline unsigned take_rings(struct pair *pair, unsigned count)
{
	unsigned taken = 0, calls = 0;
	int i;

	while (taken < count) {
		MUST(receive(pair) > 0 && pair->type == CONTROL_RING);
		for (i = 0; i < pair->result; i++)
			MUST(pair->frame[i] == CONTROL_RING);
		taken += (unsigned)pair->result;
		calls++;
	}
	MUST(taken == count);
	return calls;
}

/* Makes the socket's end blocking, as a peer that shares its description could. */
static inline void make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	MUST(flags >= 0);
	MUST(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0);
}

/* Valgrind keeps a limit of its own, and minds it when the call has already happened. */
static inline bool can_limit_numbers(void)
{
	return !is_under_valgrind();
}

/* From now on only so many descriptor numbers can be had: all below the first free one are in use. */
static inline void leave_numbers(unsigned left)
{
	struct rlimit limit;
	int free_number = dup(0);

	MUST(free_number >= 0);
	close(free_number);
	MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = (rlim_t)free_number + left;
	MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static inline void leave_all_numbers(void)
{
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* From now on this kernel has no SO_PASSRIGHTS, as none had before Linux 6.16: a peer can send descriptors at any time.
 * Returns 0, or -1 if that cannot be had. */
static inline int forget_pass_rights(void)
{
	struct sock_filter filter[] = {
		LOAD_OF_CALL(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 3),
		LOAD_OF_CALL(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_PASSRIGHTS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	/* Elsewhere the number is in the other half of the argument. */
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return -1;
	return install_filter(filter, sizeof(filter) / sizeof(filter[0]));
}

/* ---- For groups of tests ----------------------------------------------------------- */

static inline int note_descriptors(void **state)
{
	*state = (void *)(uintptr_t)(count_open_descriptors() << 16 | descriptor_count());
	return 0;
}

/* Nothing is left in the table, in disposal, or open without being known to either. */
static inline int compare_descriptors(void **state)
{
	int waited = disposal_wait(LONG_MS);
	unsigned owned = descriptor_count(), left = count_open_descriptors();

	if (waited == 0 && (left << 16 | owned) == (uintptr_t)*state)
		return 0;
	fprintf(stderr, "left behind: disposal says %d, %u in the table, %u open\n",
			waited, owned, left);
	return -1;
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, note_descriptors, compare_descriptors)

#endif
