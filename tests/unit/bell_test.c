/* SPDX-License-Identifier: MIT */
/*
 * Bells of both kinds, in both ways of watching. What is tested most: that a ring is never lost, and that
 * neither side can be made to wait or be killed by the other.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "bell.h"
#include "descriptor.h"
#include "available.h"
#include "process.h"

struct variant {
	enum bell_kind kind;
	bool edge;
};

static const struct variant variants[] = {
	{ BELL_EVENTFD, true },
	{ BELL_EVENTFD, false },
	{ BELL_PIPE, true },
	{ BELL_PIPE, false },
};

/* Each that can be had here. */
#define FOR_EACH_VARIANT(v) \
	for (v = variants; v < variants + sizeof(variants) / sizeof(variants[0]); v++) \
		if (v->kind != BELL_EVENTFD || has_eventfd_for(v->edge))

/* A bell in a loop of its own. */
struct watched {
	struct bell bell;
	int epoll;
};

static void watched_init(struct watched *watched, const struct variant *variant)
{
	struct epoll_event event = { .events = EPOLLIN };

	watched->bell = (struct bell)BELL_NONE;
	assert_int_equal(bell_create(&watched->bell, variant->kind, variant->edge), 0);
	if (watched->bell.edge)
		event.events |= EPOLLET;
	watched->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(watched->epoll >= 0);
	assert_int_equal(epoll_ctl(watched->epoll, EPOLL_CTL_ADD, watched->bell.watch_fd, &event), 0);
}

static void watched_deinit(struct watched *watched)
{
	bell_deinit(&watched->bell);
	close(watched->epoll);
}

/* Whether the loop has something to tell now. */
static bool is_told(const struct watched *watched)
{
	struct epoll_event event;

	return epoll_wait(watched->epoll, &event, 1, 0) == 1;
}

static int ring(const struct watched *watched)
{
	return bell_ring(watched->bell.kind, watched->bell.ring_fd);
}

/* Silent at first; each ring wakes; after a reset it is silent again; the next ring wakes again. */
static void a_ring_wakes(void **state)
{
	const struct variant *variant;
	struct watched watched;
	int i;

	(void)state;
	FOR_EACH_VARIANT(variant) {
		watched_init(&watched, variant);
		assert_false(is_told(&watched));
		for (i = 0; i < 3; i++) {
			assert_int_equal(ring(&watched), 0);
			assert_true(is_told(&watched));
			assert_int_equal(bell_reset(&watched.bell), 0);
			assert_false(is_told(&watched));
		}
		assert_int_equal(bell_reset(&watched.bell), 0);
		watched_deinit(&watched);
	}
}

/* Many rings before a look are one wake-up, or few, and never none. */
static void rings_merge(void **state)
{
	const struct variant *variant;
	struct watched watched;
	int i;

	(void)state;
	FOR_EACH_VARIANT(variant) {
		watched_init(&watched, variant);
		for (i = 0; i < 1000; i++)
			assert_int_equal(ring(&watched), 0);
		assert_true(is_told(&watched));
		assert_int_equal(bell_reset(&watched.bell), 0);
		assert_false(is_told(&watched));
		watched_deinit(&watched);
	}
}

/* A ring between the event and the reset, and one after the reset, are both safe: the first is followed by the look
 * that every reset is followed by, the second wakes. */
static void a_ring_after_the_reset_wakes(void **state)
{
	const struct variant *variant;
	struct watched watched;

	(void)state;
	FOR_EACH_VARIANT(variant) {
		watched_init(&watched, variant);
		assert_int_equal(ring(&watched), 0);
		assert_true(is_told(&watched));
		assert_int_equal(ring(&watched), 0);
		assert_int_equal(bell_reset(&watched.bell), 0);
		assert_int_equal(ring(&watched), 0);
		assert_true(is_told(&watched));
		watched_deinit(&watched);
	}
}

/* However full the bell is, a ring is no error and does wake. */
static void a_full_bell_still_wakes(void **state)
{
	const uint64_t most = UINT64_MAX - 1;
	const struct variant *variant;
	struct watched watched;
	int i;

	(void)state;
	FOR_EACH_VARIANT(variant) {
		watched_init(&watched, variant);
		if (variant->kind == BELL_EVENTFD)
			assert_int_equal(write(watched.bell.ring_fd, &most, 8), 8);
		else
			while (write(watched.bell.ring_fd, "", 1) == 1)
				;
		for (i = 0; i < 3; i++) {
			if (watched.bell.edge)
				is_told(&watched); /* whatever was there before */
			assert_int_equal(ring(&watched), 0);
			assert_true(is_told(&watched));
		}
		watched_deinit(&watched);
	}
}

/* A reset takes a bounded amount; what is left is told again. */
static void a_flood_is_not_drained_for_ever(void **state)
{
	const struct variant variant = { BELL_PIPE, false };
	struct watched watched;
	char many[8192] = { 0 };
	int i;

	(void)state;
	watched_init(&watched, &variant);
	if (fcntl(watched.bell.ring_fd, F_SETPIPE_SZ, 65536) < 65536) {
		watched_deinit(&watched);
		skip(); /* this user has too much in pipes already */
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(write(watched.bell.ring_fd, many, sizeof(many)), sizeof(many));
	assert_int_equal(bell_reset(&watched.bell), 0);
	assert_true(is_told(&watched));
	for (i = 0; i < 15; i++)
		assert_int_equal(bell_reset(&watched.bell), 0);
	assert_false(is_told(&watched));
	watched_deinit(&watched);
}

/* The ringer's O_NONBLOCK is the listener's too: cleared by a hostile ringer it does not make the reset of a silent
 * bell wait. (If it did, this test would never end.) */
static void the_ringer_cannot_block_the_listener(void **state)
{
	const struct variant *variant;
	struct watched watched;

	(void)state;
	FOR_EACH_VARIANT(variant) {
		watched_init(&watched, variant);
		assert_int_equal(fcntl(watched.bell.ring_fd, F_SETFL, 0), 0);
		assert_int_equal(bell_reset(&watched.bell), 0);
		assert_int_equal(bell_reset(&watched.bell), 0);
		watched_deinit(&watched);
	}
}

/* The ringer cannot watch or read the listener's end of a pipe, and holds its own after the
 * listener has given it away. */
static void given_away(void **state)
{
	const struct variant *variant;
	struct watched watched;
	int copy;

	(void)state;
	FOR_EACH_VARIANT(variant) {
		watched_init(&watched, variant);
		assert_int_equal(descriptor_count(), variant->kind == BELL_PIPE ? 2 : 1);
		copy = fcntl(watched.bell.ring_fd, F_DUPFD_CLOEXEC, 0);
		assert_int_equal(bell_check_ringer(variant->kind, copy), 0);
		bell_given_away(&watched.bell);
		bell_given_away(&watched.bell);
		assert_int_equal(watched.bell.ring_fd, -1);
		assert_int_equal(descriptor_count(), 1);
		assert_int_equal(bell_ring(variant->kind, copy), 0);
		assert_true(is_told(&watched));
		assert_int_equal(bell_reset(&watched.bell), 0);
		close(copy);
		watched_deinit(&watched);
	}
}

/* When the last ringer is gone a pipe is ready for ever, so the reset says that watching it must end. What was rung
 * before is told first. */
static void the_last_ringer_of_a_pipe_is_missed(void **state)
{
	const struct variant variant = { BELL_PIPE, false };
	struct watched watched;

	(void)state;
	watched_init(&watched, &variant);
	assert_int_equal(ring(&watched), 0);
	bell_given_away(&watched.bell);
	assert_true(is_told(&watched));
	assert_int_equal(bell_reset(&watched.bell), 0);
	assert_true(is_told(&watched));
	assert_int_equal(bell_reset(&watched.bell), -EPIPE);
	watched_deinit(&watched);
}

/* A pipe's write end whose listener is gone. */
static int make_broken_pipe(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	close(ends[0]);
	return ends[1];
}

static bool is_pending(int signal)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, signal);
}

static bool is_blocked(int signal)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, signal);
}

static void block_sigpipe(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(how, &set, NULL);
}

/* SIGPIPE has its default action here: it would kill. */
static void ring_without_listener(void *arg)
{
	const bool *may_ask_kernel = arg;
	int fd = make_broken_pipe(), i;

	if (!*may_ask_kernel && forbid_system_call(SYS_pwritev2, ENOSYS) < 0)
		_exit(CHILD_SKIPPED);
	signal(SIGPIPE, SIG_DFL);
	CHILD_CHECK(fd >= 0);
	for (i = 0; i < 3; i++)
		CHILD_CHECK(bell_ring(BELL_PIPE, fd) == -EPIPE);
	CHILD_CHECK(!is_blocked(SIGPIPE));
	CHILD_CHECK(!is_pending(SIGPIPE));

	/* An application that has it blocked sees none either. */
	block_sigpipe(SIG_BLOCK);
	CHILD_CHECK(bell_ring(BELL_PIPE, fd) == -EPIPE);
	CHILD_CHECK(is_blocked(SIGPIPE));
	CHILD_CHECK(!is_pending(SIGPIPE));

	/* One that was sent to it stays its own. */
	raise(SIGPIPE);
	CHILD_CHECK(bell_ring(BELL_PIPE, fd) == -EPIPE);
	CHILD_CHECK(is_pending(SIGPIPE));
}

/* Ringing where nobody listens is an error, not a signal, with and without help from the kernel, and the
 * application's own mask and signals are left as they were. */
static void sigpipe_is_never_raised(void **state)
{
	bool may_ask_kernel = true;
	int result;

	(void)state;
	assert_int_equal(in_child(ring_without_listener, &may_ask_kernel), 0);
	may_ask_kernel = false;
	result = in_child(ring_without_listener, &may_ask_kernel);
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

static void ring_the_old_way(void *unused)
{
	struct bell bell;
	int rings = 0;
	char bytes[8192];

	(void)unused;
	if (forbid_system_call(SYS_pwritev2, ENOSYS) < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(bell_create(&bell, BELL_PIPE, false) == 0);
	CHILD_CHECK(bell_ring(BELL_PIPE, bell.ring_fd) == 0);
	CHILD_CHECK(read(bell.watch_fd, bytes, sizeof(bytes)) == 1);
	while (write(bell.ring_fd, "", 1) == 1)
		rings++;
	CHILD_CHECK(rings > 0);
	CHILD_CHECK(bell_ring(BELL_PIPE, bell.ring_fd) == 0);
	CHILD_CHECK(bell_ring(BELL_PIPE, -1) == -EBADF);
	CHILD_CHECK(!is_blocked(SIGPIPE));
}

/* Kernels that cannot write without a signal ring as well as others. */
static void older_kernels_ring_too(void **state)
{
	int result = in_child(ring_the_old_way, NULL);

	(void)state;
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

/* What is no bell cannot be rung, and says so. */
static void other_descriptors_do_not_ring(void **state)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct bell bell = BELL_NONE;

	(void)state;
	assert_int_equal(bell_ring(BELL_EVENTFD, -1), -EBADF);
	assert_int_equal(bell_ring(BELL_PIPE, -1), -EBADF);
	assert_int_equal(bell_ring(BELL_EVENTFD, timer), -EINVAL);
	assert_int_equal(bell_ring(BELL_SOCKET, timer), -EINVAL);
	assert_int_equal(bell_create(&bell, BELL_SOCKET, true), -EINVAL);
	assert_int_equal(bell_reset(&bell), 0);
	close(timer);
}

/* A ringer's descriptor must be of the right kind, writable, and not block. */
static void a_ringer_is_checked(void **state)
{
	int counter = eventfd(0, EFD_NONBLOCK), file = memfd_create("test", MFD_CLOEXEC);
	int ends[2], sockets[2], device = open("/dev/null", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
	fcntl(file, F_SETFL, O_NONBLOCK);

	assert_int_equal(bell_check_ringer(BELL_EVENTFD, counter), 0);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, ends[1]), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, sockets[0]), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, device), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, file), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, -1), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_PIPE, ends[1]), 0);
	assert_int_equal(bell_check_ringer(BELL_PIPE, ends[0]), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_PIPE, counter), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_PIPE, sockets[0]), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_PIPE, device), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_SOCKET, sockets[0]), -EBADF);

	fcntl(counter, F_SETFL, 0);
	fcntl(ends[1], F_SETFL, 0);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, counter), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_PIPE, ends[1]), -EBADF);
	close(counter);
	close(file);
	close(ends[0]);
	close(ends[1]);
	close(sockets[0]);
	close(sockets[1]);
	close(device);
}

static void create_without_descriptors(void *unused)
{
	const int error = has_eventfd() ? -EMFILE : -ENOTSUP;
	struct rlimit limit;
	struct bell bell = BELL_NONE;

	(void)unused;
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 0;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHILD_CHECK(bell_create(&bell, BELL_EVENTFD, true) == error);
	CHILD_CHECK(bell_create(&bell, BELL_PIPE, false) == -EMFILE);
	CHILD_CHECK(bell.watch_fd == -1 && bell.ring_fd == -1);
	CHILD_CHECK(descriptor_count() == 0);
}

static void create_without_eventfd(void *unused)
{
	struct bell bell = BELL_NONE;

	(void)unused;
	if (forbid_system_call(SYS_eventfd2, EPERM) < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(bell_create(&bell, BELL_EVENTFD, true) == -ENOTSUP);
	CHILD_CHECK(bell_create(&bell, BELL_PIPE, false) == 0);
}

static void create_without_nowait(void *unused)
{
	const bool had_eventfd = has_eventfd();
	struct bell bell = BELL_NONE;

	(void)unused;
	if (forbid_system_call(SYS_preadv2, EOPNOTSUPP) < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(bell_create(&bell, BELL_EVENTFD, false) == -ENOTSUP);
	CHILD_CHECK(descriptor_count() == 0);
	CHILD_CHECK(!had_eventfd || bell_create(&bell, BELL_EVENTFD, true) == 0);
}

/* Without descriptors, without eventfd(2), without RWF_NOWAIT: the error says which, and nothing is left behind. */
static void what_cannot_be_had_is_told(void **state)
{
	int result;

	(void)state;
	assert_int_equal(in_child(create_without_descriptors, NULL), 0);
	result = in_child(create_without_eventfd, NULL);
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
	assert_int_equal(in_child(create_without_nowait, NULL), 0);
}

/* The end is harmless twice, and on a bell that was never made. */
static void deinit_twice(void **state)
{
	const struct variant *variant;
	struct bell bell = BELL_NONE;

	(void)state;
	bell_deinit(&bell);
	FOR_EACH_VARIANT(variant) {
		assert_int_equal(bell_create(&bell, variant->kind, variant->edge), 0);
		bell_deinit(&bell);
		bell_deinit(&bell);
		assert_int_equal(bell.watch_fd, -1);
	}
}

static int note_descriptors(void **state)
{
	*state = (void *)(uintptr_t)count_open_descriptors();
	return 0;
}

static int compare_descriptors(void **state)
{
	return descriptor_count() == 0 && count_open_descriptors() == (uintptr_t)*state ? 0 : -1;
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, note_descriptors, compare_descriptors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ring_wakes),
		TEST(rings_merge),
		TEST(a_ring_after_the_reset_wakes),
		TEST(a_full_bell_still_wakes),
		TEST(a_flood_is_not_drained_for_ever),
		TEST(the_ringer_cannot_block_the_listener),
		TEST(given_away),
		TEST(the_last_ringer_of_a_pipe_is_missed),
		TEST(sigpipe_is_never_raised),
		TEST(older_kernels_ring_too),
		TEST(other_descriptors_do_not_ring),
		TEST(a_ringer_is_checked),
		TEST(what_cannot_be_had_is_told),
		TEST(deinit_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
