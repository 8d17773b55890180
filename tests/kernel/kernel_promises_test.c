/* SPDX-License-Identifier: MIT */
/*
 * What the design takes the kernel's word for (sections 4, 5 and 10). None of evchan's code is in this program:
 * a failure here says that this kernel is not one that evchan can run on as designed, and which
 * sentence of the design is wrong on it. A feature that only some kernels have is skipped elsewhere.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "../../core/linux_compat.h"
#include "../support/process.h"

#define LONG_MS 20000
#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

/* ---- eventfd: section 5, 10.3 -------------------------------------------------------- */

static int watch_edge(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	assert_true(epoll >= 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	return epoll;
}

static bool has_event(int epoll)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 0) == 1;
}

static int add_to_counter(int fd, uint64_t value)
{
	return write(fd, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Where a sandbox refuses them there is nothing to be promised. */
static int eventfd_or_skip(unsigned count, int flags)
{
	int fd = eventfd(count, flags);

	if (fd < 0)
		skip();
	return fd;
}

/* Watched edge-triggered, every write is one event, whatever the counter says, though nobody reads. */
static void eventfd_every_write_is_an_edge(void **state)
{
	int fd = eventfd_or_skip(0, EFD_CLOEXEC | EFD_NONBLOCK), epoll = watch_edge(fd), i;

	(void)state;
	assert_false(has_event(epoll));
	for (i = 0; i < 5; i++) {
		assert_int_equal(add_to_counter(fd, 1), 0);
		assert_true(has_event(epoll));
		assert_false(has_event(epoll));
	}
	close(epoll);
	close(fd);
}

/* Watching one whose counter is not zero, for the first time or again, gives one event. */
static void eventfd_watched_late_is_an_edge(void **state)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fd = eventfd_or_skip(3, EFD_CLOEXEC | EFD_NONBLOCK), epoll = watch_edge(fd);

	(void)state;
	assert_true(has_event(epoll));
	assert_false(has_event(epoll));
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	assert_true(has_event(epoll));
	assert_false(has_event(epoll));
	close(epoll);
	close(fd);
}

/* A write that the full counter refuses is no event: the ringer must read once and write again, and that is one. */
static void eventfd_refused_write_is_no_edge(void **state)
{
	int fd = eventfd_or_skip(0, EFD_CLOEXEC | EFD_NONBLOCK), epoll = watch_edge(fd);
	uint64_t count;

	(void)state;
	assert_int_equal(add_to_counter(fd, UINT64_MAX - 1), 0);
	assert_true(has_event(epoll));
	assert_int_equal(add_to_counter(fd, 1), -EAGAIN);
	assert_false(has_event(epoll));
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_false(has_event(epoll));
	assert_int_equal(add_to_counter(fd, 1), 0);
	assert_true(has_event(epoll));
	close(epoll);
	close(fd);
}

static int read_nowait(int fd, void *out, size_t size)
{
	struct iovec vector = { out, size };
	ssize_t n = linux_readv2(fd, &vector, 1, RWF_NOWAIT);

	return n < 0 ? -errno : (int)n;
}

/* RWF_NOWAIT does not wait on a descriptor that blocks: an eventfd's ... */
static void nowait_on_a_blocking_eventfd(void **state)
{
	int fd = eventfd_or_skip(0, EFD_CLOEXEC);
	uint64_t count = 0;
	int r = read_nowait(fd, &count, sizeof(count));

	(void)state;
	if (r == -EOPNOTSUPP || r == -ENOSYS) {
		close(fd);
		skip();
	}
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(add_to_counter(fd, 5), 0);
	assert_int_equal(read_nowait(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 5);
	assert_int_equal(read_nowait(fd, &count, sizeof(count)), -EAGAIN);
	close(fd);
}

/* ... and a pipe's. */
static void nowait_on_a_blocking_pipe(void **state)
{
	int ends[2], r;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	r = read_nowait(ends[0], &byte, 1);
	if (r == -EAGAIN) {
		assert_int_equal(write(ends[1], "x", 1), 1);
		assert_int_equal(read_nowait(ends[0], &byte, 1), 1);
		assert_int_equal(read_nowait(ends[0], &byte, 1), -EAGAIN);
	}
	close(ends[0]);
	close(ends[1]);
	if (r == -EOPNOTSUPP || r == -ENOSYS)
		skip();
	assert_int_equal(r, -EAGAIN);
}

/* An unarmed timer is what a forked child gets in the place of descriptors: never ready, for anything. */
static void unarmed_timer_is_idle(void **state)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct pollfd all = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	int epoll = epoll_create1(EPOLL_CLOEXEC), copy = dup(fd);

	(void)state;
	assert_int_equal(poll(&all, 1, 0), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &event), 0);
	assert_false(has_event(epoll));
	close(epoll);
	close(copy);
	close(fd);
}

/* ---- pipes: section 5 ---------------------------------------------------------------- */

static void write_without_reader(void *unused)
{
	char byte = 0;
	struct iovec vector = { &byte, 1 };
	int ends[2];

	(void)unused;
	signal(SIGPIPE, SIG_DFL);
	CHILD_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	if (linux_writev2(ends[1], &vector, 1, RWF_NOSIGNAL | RWF_NOWAIT) < 0)
		_exit(CHILD_SKIPPED);
	close(ends[0]);
	CHILD_CHECK(linux_writev2(ends[1], &vector, 1, RWF_NOSIGNAL | RWF_NOWAIT) < 0);
	CHILD_CHECK(errno == EPIPE);
}

/* Linux 6.18 can write to a pipe without raising SIGPIPE. */
static void pipe_write_without_signal(void **state)
{
	int result = in_child(write_without_reader, NULL);

	(void)state;
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

static void *write_to_broken_pipe(void *arg)
{
	const struct timespec now = { 0, 0 };
	const int *fd = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	CHILD_CHECK(write(*fd, "x", 1) < 0 && errno == EPIPE);
	CHILD_CHECK(sigtimedwait(&set, NULL, &now) == SIGPIPE);
	CHILD_CHECK(sigtimedwait(&set, NULL, &now) < 0 && errno == EAGAIN);
	return NULL;
}

/* The main thread does not block SIGPIPE: sent to the process, it would kill. */
static void write_in_a_thread(void *unused)
{
	pthread_t thread;
	int ends[2];

	(void)unused;
	signal(SIGPIPE, SIG_DFL);
	CHILD_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	close(ends[0]);
	CHILD_CHECK(pthread_create(&thread, NULL, write_to_broken_pipe, &ends[1]) == 0);
	pthread_join(thread, NULL);
}

/* SIGPIPE goes to the thread that wrote, and a blocked one can be taken back there. */
static void sigpipe_is_the_writing_threads(void **state)
{
	(void)state;
	assert_int_equal(in_child(write_in_a_thread, NULL), 0);
}

/* ---- sealed memory: section 4 -------------------------------------------------------- */

struct object {
	int fd;
	char *owner;  /* mapped writable before the seals */
	char *reader; /* mapped read-only after */
	size_t size;
};

static void object_make(struct object *object, int seals)
{
	object->size = 8 * PAGE;
	object->fd = memfd_create("promise", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(object->fd >= 0);
	assert_int_equal(ftruncate(object->fd, (off_t)object->size), 0);
	assert_int_equal(fallocate(object->fd, 0, 0, (off_t)object->size), 0);
	object->owner = mmap(NULL, object->size, PROT_READ | PROT_WRITE, MAP_SHARED, object->fd, 0);
	assert_ptr_not_equal(object->owner, MAP_FAILED);
	assert_int_equal(fcntl(object->fd, F_ADD_SEALS, seals), 0);
	object->reader = mmap(NULL, object->size, PROT_READ, MAP_SHARED, object->fd, 0);
	assert_ptr_not_equal(object->reader, MAP_FAILED);
}

static void object_end(struct object *object)
{
	munmap(object->owner, object->size);
	munmap(object->reader, object->size);
	close(object->fd);
}

static blkcnt_t blocks(const struct object *object)
{
	struct stat status;

	assert_int_equal(fstat(object->fd, &status), 0);
	return status.st_blocks;
}

/* The owner's mapping, made before the seals, goes on writing, and the reader's sees it. */
static void sealed_owner_still_writes(void **state)
{
	struct object object;

	(void)state;
	object_make(&object, ALL_SEALS);
	memcpy(object.owner + PAGE, "seen", 5);
	assert_string_equal(object.reader + PAGE, "seen");
	object_end(&object);
}

/* Nobody gets another writable mapping: not by the descriptor, not from a read-only one, not by opening it anew. */
static void sealed_allows_no_new_writer(void **state)
{
	struct object object;
	char path[64];
	void *mapped;
	int again;

	(void)state;
	object_make(&object, ALL_SEALS);
	mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, object.fd, 0);
	assert_ptr_equal(mapped, MAP_FAILED);
	assert_int_equal(errno, EPERM);
	assert_int_equal(mprotect(object.reader, PAGE, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(errno, EACCES);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", object.fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again >= 0) {
		mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
		assert_ptr_equal(mapped, MAP_FAILED);
		assert_int_equal(pwrite(again, "x", 1, 0), -1);
		close(again);
	}
	object_end(&object);
}

/* No write, no other size, no hole, by descriptor or by the owner's own mapping, and no more seals. */
static void sealed_memory_stays_as_it_is(void **state)
{
	struct object object;
	blkcnt_t before;

	(void)state;
	object_make(&object, ALL_SEALS);
	before = blocks(&object);
	assert_int_equal(pwrite(object.fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(object.fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(object.fd, (off_t)(2 * object.size)), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fallocate(object.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			(off_t)PAGE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(madvise(object.owner, PAGE, MADV_REMOVE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(object.fd, F_ADD_SEALS, F_SEAL_SHRINK), -1);
	assert_int_equal(errno, EPERM);
	assert_true(blocks(&object) == before);
	object_end(&object);
}

/* The reason for F_SEAL_FUTURE_WRITE: the other seals let the owner punch holes under its reader. Should a kernel
 * ever refuse that too, so much the better. */
static void other_seals_allow_holes(void **state)
{
	struct object object;
	blkcnt_t before, after;

	(void)state;
	object_make(&object, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	before = blocks(&object);
	madvise(object.owner, PAGE, MADV_REMOVE);
	after = blocks(&object);
	object_end(&object);
	if (after == before)
		skip();
}

/* F_GET_SEALS tells a memfd from everything else by an error. */
static void only_memfds_have_seals(void **state)
{
	int ends[2], sockets[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int counter = eventfd_or_skip(0, EFD_CLOEXEC), device = open("/dev/zero", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	assert_int_equal(fcntl(ends[0], F_GET_SEALS), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fcntl(sockets[0], F_GET_SEALS), -1);
	assert_int_equal(fcntl(file, F_GET_SEALS), -1);
	assert_int_equal(fcntl(counter, F_GET_SEALS), -1);
	assert_int_equal(fcntl(device, F_GET_SEALS), -1);
	close(ends[0]);
	close(ends[1]);
	close(sockets[0]);
	close(sockets[1]);
	close(file);
	close(counter);
	close(device);
}

/* Ordinary memfds are on tmpfs; those of huge pages, which can be sealed as well, are not. */
static void huge_pages_are_another_file_system(void **state)
{
	int fd = memfd_create("promise", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int huge = memfd_create("promise", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	struct statfs status;

	(void)state;
	assert_int_equal(fstatfs(fd, &status), 0);
	assert_true(status.f_type == TMPFS_MAGIC);
	close(fd);
	if (huge < 0)
		skip();
	assert_int_equal(fcntl(huge, F_ADD_SEALS, ALL_SEALS), 0);
	assert_int_equal(fstatfs(huge, &status), 0);
	assert_true(status.f_type != TMPFS_MAGIC);
	close(huge);
}

/* ---- sockets and what they carry ----------------------------------------------------- */

/* Listens on a fresh abstract name. */
static int listen_somewhere(int backlog, struct sockaddr_un *address, socklen_t *length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*length = sizeof(*address);
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, length), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/* Returns the socket, or a negative errno. */
static int connect_to(const struct sockaddr_un *address, socklen_t length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (connect(fd, (const struct sockaddr *)address, length) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

#define FDS_MAX 16

/* A message with descriptors: as it is sent, or as it came. */
struct parcel {
	char bytes[64];
	ssize_t size; /* or a negative errno */
	int fds[FDS_MAX];
	size_t fd_count;
	int flags; /* MSG_CTRUNC */
	struct ucred credentials;
	bool has_credentials;
};

static int send_parcel(int socket, const void *bytes, size_t size, const int *fds, size_t count)
{
	char control[CMSG_SPACE(300 * sizeof(int))] = { 0 };
	struct iovec vector = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (count) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	/* By number: musl's sendmsg takes no more than 1024 bytes of control messages. */
	return syscall(SYS_sendmsg, (long)socket, &message, (long)(MSG_DONTWAIT | MSG_NOSIGNAL)) < 0
			? -errno : 0;
}

static void take_ancillary(struct parcel *parcel, struct msghdr *message)
{
	struct cmsghdr *header;

	for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		size_t size = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
			parcel->fd_count = size / sizeof(int);
			memcpy(parcel->fds, CMSG_DATA(header), size);
		} else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
			parcel->has_credentials = true;
			memcpy(&parcel->credentials, CMSG_DATA(header), sizeof(parcel->credentials));
		}
	}
}

static struct parcel receive_parcel(int socket, int flags)
{
	char control[CMSG_SPACE(FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	struct parcel parcel = { .size = 0 };
	struct iovec vector = { parcel.bytes, sizeof(parcel.bytes) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };

	parcel.size = recvmsg(socket, &message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (parcel.size < 0) {
		parcel.size = -errno;
		return parcel;
	}
	parcel.flags = message.msg_flags;
	take_ancillary(&parcel, &message);
	return parcel;
}

static void close_parcel(struct parcel *parcel)
{
	size_t i;

	for (i = 0; i < parcel->fd_count; i++)
		close(parcel->fds[i]);
	parcel->fd_count = 0;
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void make_pair(int sockets[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
}

static void close_pair(int sockets[2])
{
	close(sockets[0]);
	close(sockets[1]);
}

struct meeting {
	struct sockaddr_un address;
	socklen_t length;
};

/* What the message says and its file has. */
#define GREETING "hello"

static void say_hello_and_die(void *arg)
{
	const struct meeting *meeting = arg;
	int socket = connect_to(&meeting->address, meeting->length);
	int fd = memfd_create("promise", MFD_CLOEXEC);

	CHILD_CHECK(socket >= 0);
	CHILD_CHECK(write(fd, GREETING, 5) == 5);
	CHILD_CHECK(send_parcel(socket, GREETING, 5, &fd, 1) == 0);
}

/* 10.5: connect, send and exit before anybody accepts: the bytes, the descriptor and the credentials are there. */
static void queued_hello_outlives_its_sender(void **state)
{
	struct meeting meeting;
	int listener = listen_somewhere(4, &meeting.address, &meeting.length), accepted;
	struct ucred peer;
	socklen_t length = sizeof(peer);
	struct parcel parcel;
	char contents[5];
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		say_hello_and_die(&meeting);
		_exit(0);
	}
	assert_int_equal(child_result(child), 0);

	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(accepted >= 0);
	assert_int_equal(getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &length), 0);
	assert_int_equal(peer.pid, child);
	assert_int_equal(peer.uid, geteuid());
	parcel = receive_parcel(accepted, 0);
	assert_int_equal(parcel.size, 5);
	assert_memory_equal(parcel.bytes, GREETING, 5);
	assert_int_equal(parcel.fd_count, 1);
	assert_int_equal(pread(parcel.fds[0], contents, 5, 0), 5);
	assert_memory_equal(contents, GREETING, 5);
	close_parcel(&parcel);
	assert_int_equal(receive_parcel(accepted, 0).size, 0);
	close(accepted);
	close(listener);
}

/* 10.8: SO_PEERCRED goes on naming a process that is gone, as it was when it connected. */
static void credentials_outlive_their_process(void **state)
{
	struct meeting meeting;
	int listener = listen_somewhere(4, &meeting.address, &meeting.length), accepted;
	struct ucred before, after;
	socklen_t length = sizeof(before);
	int gate[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		char byte;

		close(gate[1]);
		CHILD_CHECK(connect_to(&meeting.address, meeting.length) >= 0);
		CHILD_CHECK(read(gate[0], &byte, 1) == 0);
		_exit(0);
	}
	close(gate[0]);
	assert_int_equal(poll(&(struct pollfd){ listener, POLLIN, 0 }, 1, LONG_MS), 1);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &before, &length), 0);
	close(gate[1]);
	assert_int_equal(child_result(child), 0);
	assert_int_equal(getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &after, &length), 0);
	assert_int_equal(before.pid, child);
	assert_memory_equal(&before, &after, sizeof(before));
	close(accepted);
	close(listener);
}

static void send_as_child(void *arg)
{
	CHILD_CHECK(send_parcel(*(int *)arg, "x", 1, NULL, 0) == 0);
}

/* 10.8: a socketpair's SO_PEERCRED names its maker, whoever holds the other end now; the credentials that
 * come with a message name who has sent it. */
static void message_credentials_name_the_sender(void **state)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int sockets[2], one = 1;
	struct parcel parcel;
	pid_t child;

	(void)state;
	make_pair(sockets);
	assert_int_equal(setsockopt(sockets[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
	child = fork();
	if (child == 0) {
		send_as_child(&sockets[1]);
		_exit(0);
	}
	assert_int_equal(child_result(child), 0);
	assert_int_equal(getsockopt(sockets[0], SOL_SOCKET, SO_PEERCRED, &peer, &length), 0);
	assert_int_equal(peer.pid, getpid());
	parcel = receive_parcel(sockets[0], 0);
	assert_true(parcel.has_credentials);
	assert_int_equal(parcel.credentials.pid, child);
	close_pair(sockets);
}

/* 10.6: a full backlog is EAGAIN at once; nobody listening is ECONNREFUSED; and room made is room. */
static void full_backlog_is_eagain(void **state)
{
	struct meeting meeting;
	int listener = listen_somewhere(1, &meeting.address, &meeting.length);
	int connected[16], count = 0, last;

	(void)state;
	while (count < 16 && (last = connect_to(&meeting.address, meeting.length)) >= 0)
		connected[count++] = last;
	assert_in_range(count, 1, 15);
	assert_int_equal(last, -EAGAIN);
	close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	last = connect_to(&meeting.address, meeting.length);
	assert_true(last >= 0);
	close(last);
	close(listener);
	assert_int_equal(connect_to(&meeting.address, meeting.length), -ECONNREFUSED);
	while (count)
		close(connected[--count]);
}

/* 10.4: one-byte messages queue up to a bound, then EAGAIN; read in bulk, there is room again. */
static void unread_rings_are_bounded(void **state)
{
	int sockets[2], rings = 0;
	char many[65536];

	(void)state;
	make_pair(sockets);
	while (rings < 100000 && send(sockets[0], "r", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		rings++;
	assert_int_equal(errno, EAGAIN);
	assert_in_range(rings, 2, 99999);
	assert_int_equal(recv(sockets[1], many, sizeof(many), MSG_DONTWAIT), rings);
	assert_int_equal(send(sockets[0], "r", 1, MSG_DONTWAIT | MSG_NOSIGNAL), 1);
	close_pair(sockets);
}

/* 10.9: after shutdown on our side nothing can be queued to us any more, and what was is still there to be
 * peeked at, descriptors included: so a socket that is empty then can be closed without surprise. */
static void shutdown_ends_the_queue(void **state)
{
	int sockets[2], ends[2];
	struct parcel parcel;

	(void)state;
	make_pair(sockets);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(send_parcel(sockets[1], "q", 1, ends, 1), 0);
	assert_int_equal(shutdown(sockets[0], SHUT_RDWR), 0);
	assert_int_equal(send_parcel(sockets[1], "x", 1, ends, 1), -EPIPE);
	assert_int_equal(send_parcel(sockets[1], "x", 1, NULL, 0), -EPIPE);
	parcel = receive_parcel(sockets[0], MSG_PEEK);
	assert_int_equal(parcel.size, 1);
	assert_int_equal(parcel.bytes[0], 'q');
	assert_int_equal(parcel.fd_count, 1);
	close_parcel(&parcel);
	parcel = receive_parcel(sockets[0], 0);
	assert_int_equal(parcel.fd_count, 1);
	close_parcel(&parcel);
	assert_int_equal(receive_parcel(sockets[0], MSG_PEEK).size, 0);
	close_pair(sockets);
	close_pair(ends);
}

/* The peer is told of our shutdown although the socket stays open in this process: the loop only calls
 * shutdown, the close comes later. */
static void shutdown_is_a_hang_up(void **state)
{
	struct pollfd other;
	int sockets[2];

	(void)state;
	make_pair(sockets);
	assert_int_equal(shutdown(sockets[0], SHUT_RDWR), 0);
	other = (struct pollfd){ sockets[1], POLLIN, 0 };
	assert_int_equal(poll(&other, 1, 0), 1);
	assert_true(other.revents & POLLHUP);
	assert_int_equal(receive_parcel(sockets[1], 0).size, 0);
	close_pair(sockets);
}

/* 10.16: a peek hands out copies of the descriptors and leaves the message as it is; the bytes can then be consumed
 * without a control buffer, which drops the queued ones and not the copies. */
static void peek_duplicates_descriptors(void **state)
{
	int sockets[2], ends[2];
	struct parcel first, second;
	char bytes[8];

	(void)state;
	make_pair(sockets);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(send_parcel(sockets[1], "hello", 5, ends, 2), 0);
	first = receive_parcel(sockets[0], MSG_PEEK);
	second = receive_parcel(sockets[0], MSG_PEEK);
	assert_int_equal(first.fd_count, 2);
	assert_int_equal(second.fd_count, 2);
	assert_int_not_equal(first.fds[0], second.fds[0]);
	assert_true(is_same_file(first.fds[0], ends[0]));
	assert_true(is_same_file(second.fds[1], ends[1]));
	assert_int_equal(fcntl(first.fds[0], F_GETFD), FD_CLOEXEC);
	close_parcel(&second);
	assert_int_equal(recv(sockets[0], bytes, sizeof(bytes), MSG_DONTWAIT), 5);
	assert_true(is_same_file(first.fds[0], ends[0]));
	assert_int_equal(receive_parcel(sockets[0], 0).size, -EAGAIN);
	close_parcel(&first);
	close_pair(sockets);
	close_pair(ends);
}

struct exhausted {
	int socket;
	int ends[2];
};

/* `room` numbers are free. */
static void peek_with_room(const struct exhausted *exhausted, size_t room)
{
	struct parcel parcel = receive_parcel(exhausted->socket, MSG_PEEK);

	CHILD_CHECK(parcel.size == 5);
	CHILD_CHECK(parcel.flags & MSG_CTRUNC);
	CHILD_CHECK(parcel.fd_count == room);
	close_parcel(&parcel);
}

static void receive_without_numbers(void *arg)
{
	const struct exhausted *exhausted = arg;
	struct rlimit limit;
	struct parcel parcel;
	int last = -1, fd;

	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 64;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((fd = dup(exhausted->socket)) >= 0)
		last = fd;
	CHILD_CHECK(errno == EMFILE && last >= 0);
	peek_with_room(exhausted, 0);
	close(last);
	peek_with_room(exhausted, 1);
	close(last - 1);
	parcel = receive_parcel(exhausted->socket, 0);
	CHILD_CHECK(parcel.size == 5);
	CHILD_CHECK(!(parcel.flags & MSG_CTRUNC));
	CHILD_CHECK(parcel.fd_count == 2);
	CHILD_CHECK(is_same_file(parcel.fds[0], exhausted->ends[0]));
	CHILD_CHECK(is_same_file(parcel.fds[1], exhausted->ends[1]));
}

/* 10.16: without descriptor numbers a peek says MSG_CTRUNC, with as many copies as there was room for, and the
 * originals stay queued: later all of them can be had. */
static void peek_without_numbers_loses_nothing(void **state)
{
	struct exhausted exhausted;
	int sockets[2];

	(void)state;
	if (is_under_valgrind())
		skip(); /* its limits are its own, not the kernel's */
	make_pair(sockets);
	exhausted.socket = sockets[0];
	assert_int_equal(pipe2(exhausted.ends, O_CLOEXEC), 0);
	assert_int_equal(send_parcel(sockets[1], "hello", 5, exhausted.ends, 2), 0);
	assert_int_equal(in_child(receive_without_numbers, &exhausted), 0);
	close_pair(sockets);
	close_pair(exhausted.ends);
}

/* 10.9: 253 descriptors is the most that one message carries, so with room for these none is dropped. */
static void a_message_carries_253_descriptors(void **state)
{
	int sockets[2], many[254], i;

	(void)state;
	make_pair(sockets);
	for (i = 0; i < 254; i++)
		many[i] = sockets[0];
	assert_int_equal(send_parcel(sockets[1], "x", 1, many, 254), -EINVAL);
	/* To itself in the end: a loop of sockets, which the kernel collects. */
	assert_int_equal(send_parcel(sockets[1], "x", 1, many, 253), 0);
	close_pair(sockets);
}

/* A message's descriptors come with its first byte, and a receive never runs from one message with descriptors
 * into the next. */
static void descriptors_part_messages(void **state)
{
	struct parcel parcel;
	int sockets[2];

	(void)state;
	make_pair(sockets);
	assert_int_equal(send_parcel(sockets[1], "aa", 2, &sockets[0], 1), 0);
	assert_int_equal(send_parcel(sockets[1], "bb", 2, &sockets[0], 1), 0);
	parcel = receive_parcel(sockets[0], 0);
	assert_int_equal(parcel.size, 2);
	assert_int_equal(parcel.fd_count, 1);
	close_parcel(&parcel);
	parcel = receive_parcel(sockets[0], 0);
	assert_int_equal(parcel.size, 2);
	assert_int_equal(parcel.fd_count, 1);
	close_parcel(&parcel);
	close_pair(sockets);
}

/* 10.9: SO_PASSRIGHTS off makes the peer's send fail as a whole, instead of our receive getting descriptors. */
static void rights_can_be_switched_off(void **state)
{
	int sockets[2], off = 0, r;

	(void)state;
	make_pair(sockets);
	r = setsockopt(sockets[0], SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	if (r == 0) {
		assert_int_equal(send_parcel(sockets[1], "x", 1, &sockets[1], 1), -EPERM);
		assert_int_equal(receive_parcel(sockets[0], 0).size, -EAGAIN);
		assert_int_equal(send_parcel(sockets[1], "x", 1, NULL, 0), 0);
	}
	close_pair(sockets);
	if (r < 0)
		skip(); /* Linux before 6.16 */
}

/* 10.18: what was sent before a hang-up is read before the hang-up. */
static void hang_up_comes_after_the_data(void **state)
{
	struct pollfd ready;
	int sockets[2];
	char bytes[16];

	(void)state;
	make_pair(sockets);
	assert_int_equal(send(sockets[1], "last", 4, MSG_NOSIGNAL), 4);
	close(sockets[1]);
	ready = (struct pollfd){ sockets[0], POLLIN, 0 };
	assert_int_equal(poll(&ready, 1, 0), 1);
	assert_true(ready.revents & POLLIN);
	assert_true(ready.revents & POLLHUP);
	assert_int_equal(recv(sockets[0], bytes, sizeof(bytes), MSG_DONTWAIT), 4);
	assert_int_equal(recv(sockets[0], bytes, sizeof(bytes), MSG_DONTWAIT), 0);
	assert_int_equal(send(sockets[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	close(sockets[0]);
}

/* 10.18: a peer that dies with unread data in its own queue leaves an ECONNRESET: after the data, once, and then the
 * end of file. */
static void reset_comes_after_the_data(void **state)
{
	int sockets[2];
	char bytes[16];

	(void)state;
	make_pair(sockets);
	assert_int_equal(send(sockets[0], "unread", 6, MSG_NOSIGNAL), 6);
	assert_int_equal(send(sockets[1], "last", 4, MSG_NOSIGNAL), 4);
	close(sockets[1]);
	assert_int_equal(recv(sockets[0], bytes, sizeof(bytes), MSG_DONTWAIT), 4);
	assert_int_equal(recv(sockets[0], bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(recv(sockets[0], bytes, sizeof(bytes), MSG_DONTWAIT), 0);
	close(sockets[0]);
}

static void die_at_once(void *unused)
{
	(void)unused;
	raise(SIGKILL);
}

/* P6: the death of a process, however it comes, is a hang-up of its sockets. */
static void death_is_a_hang_up(void **state)
{
	struct pollfd hang_up;
	int sockets[2];
	pid_t child;

	(void)state;
	make_pair(sockets);
	child = fork();
	if (child == 0) {
		close(sockets[0]);
		die_at_once(NULL);
		_exit(1);
	}
	close(sockets[1]);
	hang_up = (struct pollfd){ sockets[0], POLLIN, 0 };
	assert_int_equal(poll(&hang_up, 1, LONG_MS), 1);
	assert_true(hang_up.revents & POLLHUP);
	assert_int_equal(child_result(child), -SIGKILL);
	close(sockets[0]);
}

/* Section 5: O_NONBLOCK is in what a passed descriptor shares with its original, so its holder can clear it for both. */
static void nonblocking_is_shared(void **state)
{
	int sockets[2], fd = eventfd_or_skip(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct parcel parcel;

	(void)state;
	make_pair(sockets);
	assert_int_equal(send_parcel(sockets[1], "x", 1, &fd, 1), 0);
	parcel = receive_parcel(sockets[0], 0);
	assert_int_equal(parcel.fd_count, 1);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(parcel.fds[0], F_SETFL, 0), 0);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close_parcel(&parcel);
	close_pair(sockets);
	close(fd);
}

/* Section 5: on the control socket MSG_DONTWAIT does not depend on that flag. */
static void dontwait_needs_no_flag(void **state)
{
	int sockets[2];
	char byte;

	(void)state;
	make_pair(sockets);
	assert_int_equal(fcntl(sockets[0], F_SETFL, 0), 0);
	assert_int_equal(recv(sockets[0], &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	while (send(sockets[0], "r", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	close_pair(sockets);
}

static int note_descriptors(void **state)
{
	*state = (void *)(uintptr_t)count_open_descriptors();
	return 0;
}

static int compare_descriptors(void **state)
{
	return count_open_descriptors() == (uintptr_t)*state ? 0 : -1;
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, note_descriptors, compare_descriptors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(eventfd_every_write_is_an_edge),
		TEST(eventfd_watched_late_is_an_edge),
		TEST(eventfd_refused_write_is_no_edge),
		TEST(nowait_on_a_blocking_eventfd),
		TEST(nowait_on_a_blocking_pipe),
		TEST(unarmed_timer_is_idle),
		TEST(pipe_write_without_signal),
		TEST(sigpipe_is_the_writing_threads),
		TEST(sealed_owner_still_writes),
		TEST(sealed_allows_no_new_writer),
		TEST(sealed_memory_stays_as_it_is),
		TEST(other_seals_allow_holes),
		TEST(only_memfds_have_seals),
		TEST(huge_pages_are_another_file_system),
		TEST(queued_hello_outlives_its_sender),
		TEST(credentials_outlive_their_process),
		TEST(message_credentials_name_the_sender),
		TEST(full_backlog_is_eagain),
		TEST(unread_rings_are_bounded),
		TEST(shutdown_ends_the_queue),
		TEST(shutdown_is_a_hang_up),
		TEST(peek_duplicates_descriptors),
		TEST(peek_without_numbers_loses_nothing),
		TEST(a_message_carries_253_descriptors),
		TEST(descriptors_part_messages),
		TEST(rights_can_be_switched_off),
		TEST(hang_up_comes_after_the_data),
		TEST(reset_comes_after_the_data),
		TEST(death_is_a_hang_up),
		TEST(nonblocking_is_shared),
		TEST(dontwait_needs_no_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
