/* SPDX-License-Identifier: MIT */
/* The table of owned descriptors, and what a forked child finds in their place. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "descriptor.h"
#include "process.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int open_something(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_something(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode);
}

/* Whether a loop can watch it, for everything, and nothing ever happens. */
static bool is_idle(int fd)
{
	struct pollfd all = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	bool result;

	result = fcntl(fd, F_GETFD) == FD_CLOEXEC && poll(&all, 1, 0) == 0 &&
		 epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 &&
		 epoll_wait(epoll, &event, 1, 0) == 0;
	close(epoll);
	return result;
}

/* Owned, closed, disowned: the count follows, and only close closes. */
static void table_counts_what_it_owns(void **state)
{
	int a = open_something(), b = open_something();

	(void)state;
	assert_int_equal(descriptor_own(a), 0);
	assert_int_equal(descriptor_own(b), 0);
	assert_int_equal(descriptor_count(), 2);
	descriptor_disown(a);
	assert_int_equal(descriptor_count(), 1);
	assert_true(is_open(a));
	descriptor_close(b);
	assert_int_equal(descriptor_count(), 0);
	assert_false(is_open(b));
	close(a);
}

/* What a table does not have can still be closed or disowned; -1 is nobody; errno survives. */
static void strangers_are_harmless(void **state)
{
	int fd = open_something();

	(void)state;
	errno = EDOM;
	descriptor_disown(fd);
	descriptor_disown(-1);
	descriptor_close(-1);
	descriptor_close(fd);
	assert_int_equal(errno, EDOM);
	assert_false(is_open(fd));
	errno = EDOM;
	descriptor_close(fd);
	assert_int_equal(errno, EDOM);
	assert_int_equal(descriptor_count(), 0);
}

/* Between begin and end everything else may be called. */
static void calls_work_between_begin_and_end(void **state)
{
	int a = open_something(), b = open_something();

	(void)state;
	descriptor_begin();
	assert_int_equal(descriptor_own(a), 0);
	assert_int_equal(descriptor_own(b), 0);
	assert_int_equal(descriptor_count(), 2);
	descriptor_disown(a);
	descriptor_close(b);
	assert_int_equal(descriptor_count(), 0);
	descriptor_end();
	assert_true(is_open(a));
	assert_false(is_open(b));
	close(a);
}

#define MODEL_SIZE 300

static void check_model(void *arg)
{
	const bool *is_owned = arg;
	int fd;

	for (fd = 3; fd < MODEL_SIZE; fd++)
		if (is_owned[fd])
			CHILD_CHECK(is_idle(fd));
		else if (is_open(fd))
			CHILD_CHECK(!is_idle(fd));
}

/* After any sequence of owning, disowning and closing, the table is what a plain array says. A forked
 * child shows which descriptors are in it. */
static void table_matches_a_model(void **state)
{
	static bool is_owned[MODEL_SIZE];
	uint32_t random = 12345;
	unsigned count = 0;
	int step, fd;

	(void)state;
	for (step = 0; step < 3000; step++) {
		random = random * 1664525 + 1013904223;
		fd = 3 + (int)((random >> 8) % (MODEL_SIZE - 3));
		if (step % 2 == 0 || !is_owned[fd]) {
			fd = open_something();
			if (fd >= MODEL_SIZE) {
				close(fd);
				continue;
			}
			assert_int_equal(descriptor_own(fd), 0);
			is_owned[fd] = true;
			count++;
			continue;
		}
		if (random >> 31) {
			descriptor_close(fd);
		} else {
			descriptor_disown(fd);
			close(fd);
		}
		is_owned[fd] = false;
		count--;
		assert_int_equal(descriptor_count(), count);
	}
	assert_true(count > 50);
	assert_int_equal(in_child(check_model, is_owned), 0);
	for (fd = 3; fd < MODEL_SIZE; fd++)
		if (is_owned[fd])
			descriptor_close(fd);
	assert_int_equal(descriptor_count(), 0);
}

/* A number far above the others costs memory, not correctness. */
static void high_numbers_are_owned_too(void **state)
{
	struct rlimit limit;
	int fd = open_something(), high;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	high = fcntl(fd, F_DUPFD_CLOEXEC, (int)(limit.rlim_cur - 1 > 60000 ? 60000 : limit.rlim_cur - 1));
	assert_true(high >= 0);
	assert_int_equal(descriptor_own(high), 0);
	assert_int_equal(descriptor_own(fd), 0);
	assert_int_equal(descriptor_count(), 2);
	descriptor_close(high);
	assert_false(is_open(high));
	descriptor_close(fd);
	assert_int_equal(descriptor_count(), 0);
}

static void child_of_a_peer(void *arg)
{
	int *ends = arg;
	char go;

	CHILD_CHECK(is_idle(ends[0]));
	/* Lives on until the parent has seen what it wants to see. */
	CHILD_CHECK(read(ends[2], &go, 1) == 0);
}

/* An inherited socket would keep the connection up after its owner's end; the child has none. */
static void child_does_not_hide_a_hang_up(void **state)
{
	int ends[2], gate[2];
	struct pollfd hang_up;
	pid_t child;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(descriptor_own(ends[0]), 0);
	child = fork();
	if (child == 0) {
		int known[3] = { ends[0], ends[1], gate[0] };

		close(gate[1]);
		child_of_a_peer(known);
		_exit(0);
	}
	close(gate[0]);
	descriptor_close(ends[0]);
	hang_up = (struct pollfd){ ends[1], POLLIN, 0 };
	assert_int_equal(poll(&hang_up, 1, 20000), 1);
	assert_true(hang_up.revents & POLLHUP);
	close(gate[1]);
	assert_int_equal(child_result(child), 0);
	close(ends[1]);
}

static void check_generations(void *arg)
{
	unsigned noted = descriptor_fork_generation;

	CHILD_CHECK(descriptor_is_forked(*(unsigned *)arg));
	CHILD_CHECK(!descriptor_is_forked(noted));
	if (noted - *(unsigned *)arg < 3)
		CHILD_CHECK(in_child(check_generations, arg) == 0);
}

/* Each fork raises the generation in the child, and only there. */
static void generation_counts_forks(void **state)
{
	unsigned noted = descriptor_fork_generation;

	(void)state;
	assert_int_equal(in_child(check_generations, &noted), 0);
	assert_false(descriptor_is_forked(noted));
}

static void use_table_in_child(void *arg)
{
	int inherited = *(int *)arg, own = open("/dev/null", O_RDWR | O_CLOEXEC);

	CHILD_CHECK(descriptor_count() == 1);
	CHILD_CHECK(descriptor_own(own) == 0);
	descriptor_close(inherited);
	CHILD_CHECK(!is_open(inherited));
	descriptor_begin();
	descriptor_close(own);
	descriptor_end();
	CHILD_CHECK(descriptor_count() == 0);
	CHILD_CHECK(!is_open(own));
}

/* The child's table works, and what was inherited is closed by the usual call. */
static void child_can_use_the_table(void **state)
{
	int fd = open_something();

	(void)state;
	assert_int_equal(descriptor_own(fd), 0);
	assert_int_equal(in_child(use_table_in_child, &fd), 0);
	assert_true(is_something(fd));
	descriptor_close(fd);
}

static void check_is_idle(void *arg)
{
	CHILD_CHECK(is_idle(*(int *)arg));
}

static void check_only_it_is_idle(void *arg)
{
	int fd;

	/* No room for is_idle()'s own descriptor before something is closed. */
	CHILD_CHECK(open("/dev/null", O_RDONLY) < 0 && errno == EMFILE);
	for (fd = 3; fd < 10; fd++)
		if (fd != *(int *)arg)
			close(fd);
	CHILD_CHECK(is_idle(*(int *)arg));
}

static void fork_without_free_number(void *arg)
{
	struct rlimit limit;

	CHILD_CHECK(descriptor_own(*(int *)arg) == 0);
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 64;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while (dup(*(int *)arg) >= 0)
		;
	CHILD_CHECK(errno == EMFILE);
	CHILD_CHECK(in_child(check_only_it_is_idle, arg) == 0);
}

/* A process that has no descriptor number left can still fork and be freed of what it inherits. */
static void no_number_is_needed(void **state)
{
	int fd = open_something(), result = in_child(fork_without_free_number, &fd);

	(void)state;
	close(fd);
	assert_int_equal(result, 0);
}

static void close_what_was_lost(void *arg)
{
	int lost = *(int *)arg;
	struct rlimit limit;

	CHILD_CHECK(!is_open(lost));
	CHILD_CHECK(descriptor_count() == 1);
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHILD_CHECK(dup2(0, lost) == lost);
	descriptor_close(lost);
	CHILD_CHECK(is_open(lost));
}

static void fork_above_the_limit(void *arg)
{
	int fd = *(int *)arg, high = fcntl(fd, F_DUPFD_CLOEXEC, 200);
	struct rlimit limit;

	CHILD_CHECK(high >= 200);
	CHILD_CHECK(descriptor_own(high) == 0);
	CHILD_CHECK(descriptor_own(fd) == 0);
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 100;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHILD_CHECK(in_child(close_what_was_lost, &high) == 0);
	CHILD_CHECK(in_child(check_is_idle, &fd) == 0);
}

/* Where a number cannot be kept, it is closed all the same; and when it has become somebody
 * else's, the library does not close that. */
static void a_lost_number_is_left_alone(void **state)
{
	int fd = open_something();

	(void)state;
	assert_int_equal(in_child(fork_above_the_limit, &fd), 0);
	close(fd);
}

static atomic_bool must_stop;

static void *make_pipes(void *unused)
{
	int ends[2];

	while (!atomic_load(&must_stop)) {
		descriptor_begin();
		if (pipe2(ends, O_CLOEXEC) < 0)
			abort();
		if (descriptor_own(ends[0]) < 0 || descriptor_own(ends[1]) < 0)
			abort();
		descriptor_end();
		descriptor_close(ends[0]);
		descriptor_close(ends[1]);
	}
	return unused;
}

static unsigned count_pipes(void)
{
	struct stat status;
	unsigned count = 0;
	int fd;

	for (fd = 3; fd < 256; fd++)
		if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
			count++;
	return count;
}

static void check_pipes(void *arg)
{
	CHILD_CHECK(count_pipes() == *(unsigned *)arg);
}

/* Whenever the fork comes, no descriptor of another thread's slips through into the child. */
static void no_fork_between_begin_and_end(void **state)
{
	unsigned before = count_pipes(), forks = is_under_valgrind() ? 10 : 100;
	pthread_t thread;

	(void)state;
	atomic_store(&must_stop, false);
	assert_int_equal(pthread_create(&thread, NULL, make_pipes, NULL), 0);
	while (forks-- > 0)
		assert_int_equal(in_child(check_pipes, &before), 0);
	atomic_store(&must_stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(descriptor_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_counts_what_it_owns),
		cmocka_unit_test(strangers_are_harmless),
		cmocka_unit_test(calls_work_between_begin_and_end),
		cmocka_unit_test(table_matches_a_model),
		cmocka_unit_test(high_numbers_are_owned_too),
		cmocka_unit_test(child_does_not_hide_a_hang_up),
		cmocka_unit_test(generation_counts_forks),
		cmocka_unit_test(child_can_use_the_table),
		cmocka_unit_test(no_number_is_needed),
		cmocka_unit_test(a_lost_number_is_left_alone),
		cmocka_unit_test(no_fork_between_begin_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
