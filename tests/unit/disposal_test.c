/* SPDX-License-Identifier: MIT */
/*
 * The disposal threads. What blocks one here is what a stranger could send: a TCP socket with unsent
 * data and a long SO_LINGER. Its close(2) ends when the test closes the other end, so the tests decide
 * how long it takes, and need no sleeps.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "descriptor.h"
#include "disposal.h"
#include "process.h"

#define LONG_MS 20000

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_mapped(void *address)
{
	unsigned char resident;

	return mincore(address, 1, &resident) == 0;
}

static int open_owned(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(descriptor_own(fd), 0);
	return fd;
}

struct blocker {
	int fd;   /* its close blocks ... */
	int peer; /* ... until this one is closed */
};

/* Connects fd and peer over the loopback. */
static bool connect_loopback(struct blocker *blocker)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	blocker->peer = -1;
	blocker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
			listen(listener, 1) == 0 &&
			getsockname(listener, (struct sockaddr *)&address, &length) == 0 &&
			connect(blocker->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		blocker->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	if (blocker->peer < 0)
		close(blocker->fd);
	return blocker->peer >= 0;
}

static void make_blocker(struct blocker *blocker)
{
	struct linger linger = { 1, 600 };
	static const char data[65536];

	if (is_under_valgrind() || !connect_loopback(blocker))
		skip(); /* no network at all here, or nobody could end the blocking */
	assert_int_equal(setsockopt(blocker->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	/* Full means: more than the peer takes while it does not read. */
	while (send(blocker->fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

/* Waits until the thread is in the blocking call: then the number is no socket's any more. */
static void await_blocked(int fd)
{
	int type;
	socklen_t length = sizeof(type);

	while (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0)
		sched_yield();
	assert_int_equal(errno, ENOTSOCK);
}

/* A descriptor is closed and out of the table when disposal has nothing left to do, and -1 is nobody. */
static void descriptor_is_closed(void **state)
{
	int fd = open_owned(), other = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	errno = EDOM;
	disposal_close(-1, NULL);
	disposal_close(fd, NULL);
	disposal_close(other, NULL);
	assert_int_equal(errno, EDOM);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_int_equal(descriptor_count(), 0);
	assert_false(is_open(fd));
	assert_false(is_open(other));
}

/* While a close blocks, nobody else waits: neither disposal's callers nor those of the table. Its account says
 * what is pending. */
static void blocking_close_delays_nobody(void **state)
{
	struct disposal_account *account;
	struct blocker blocker;
	int fd, other;

	(void)state;
	make_blocker(&blocker);
	fd = open_owned();
	assert_int_equal(disposal_account_new(&account), 0);
	disposal_close(blocker.fd, account);
	disposal_close(fd, account);
	await_blocked(blocker.fd);
	assert_int_equal(disposal_account_pending(account), 2);
	assert_int_equal(disposal_wait(0), -ETIMEDOUT);
	other = open_owned();
	descriptor_close(other);

	close(blocker.peer);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_int_equal(disposal_account_pending(account), 0);
	assert_false(is_open(blocker.fd));
	assert_false(is_open(fd));
	assert_int_equal(descriptor_count(), 0);
	disposal_account_release(account);
}

/* An account may be released before what was charged to it is done. */
static void account_outlives_its_owner(void **state)
{
	struct disposal_account *account;
	struct blocker blocker;

	(void)state;
	make_blocker(&blocker);
	assert_int_equal(disposal_account_new(&account), 0);
	disposal_close(blocker.fd, account);
	disposal_close(open_owned(), account);
	disposal_account_release(account);
	disposal_account_release(NULL);
	close(blocker.peer);
	assert_int_equal(disposal_wait(LONG_MS), 0);
}

/* Whether a thread's status file says that all signals an application can use are blocked. */
static bool blocks_all_signals(const char *task)
{
	unsigned long long blocked = 0;
	char path[300], line[200];
	int signal;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	if (file)
		fclose(file);
	for (signal = 1; signal <= SIGRTMAX; signal++) {
		bool is_special = signal == SIGKILL || signal == SIGSTOP ||
				  (signal >= 32 && signal < SIGRTMIN);

		if (!is_special && !(blocked & (1ull << (signal - 1))))
			return false;
	}
	return true;
}

/* Threads that a signal could be delivered to. */
static unsigned count_interruptible_threads(void)
{
	DIR *folder = opendir("/proc/self/task");
	const struct dirent *task;
	unsigned count = 0;

	assert_non_null(folder);
	while ((task = readdir(folder)))
		if (task->d_name[0] != '.' && !blocks_all_signals(task->d_name))
			count++;
	closedir(folder);
	return count;
}

/* No signal handler of the application ever runs on the disposal thread, and the caller's mask is what it was. */
static void signals_are_blocked(void **state)
{
	unsigned threads = count_threads(), interruptible = count_interruptible_threads();
	struct blocker blocker;

	(void)state;
	make_blocker(&blocker);
	assert_true(interruptible >= 1);
	disposal_close(blocker.fd, NULL);
	await_blocked(blocker.fd);
	assert_int_equal(count_threads(), threads + 1);
	assert_int_equal(count_interruptible_threads(), interruptible);
	close(blocker.peer);
	assert_int_equal(disposal_wait(LONG_MS), 0);
}

/* Waits until a mapping is gone. Whether it is, in time. */
static bool await_unmapped(void *address)
{
	const struct timespec moment = { 0, 1000000 };

	for (int i = 0; i < LONG_MS && is_mapped(address); i++)
		nanosleep(&moment, NULL);
	return !is_mapped(address);
}

static void *map(size_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(base, MAP_FAILED);
	return base;
}

/* A stranger's descriptor that takes for ever holds up no mapping; and only descriptors count as pending, with their
 * owner and in all. */
static void mappings_do_not_wait_for_descriptors(void **state)
{
	struct disposal_account *account;
	struct blocker blocker;
	void *mapping = map(DISPOSAL_LARGE_MAPPING);

	(void)state;
	make_blocker(&blocker);
	assert_int_equal(disposal_account_new(&account), 0);
	disposal_close(blocker.fd, account);
	disposal_close(open_owned(), NULL);
	await_blocked(blocker.fd);
	disposal_unmap(mapping, DISPOSAL_LARGE_MAPPING, account);
	assert_int_equal(disposal_account_pending(account), 1);
	assert_int_equal(disposal_pending_descriptors(), 2);
	assert_true(await_unmapped(mapping));
	assert_int_equal(disposal_wait(0), -ETIMEDOUT);
	assert_int_equal(disposal_pending_descriptors(), 2);

	close(blocker.peer);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_int_equal(disposal_account_pending(account), 0);
	assert_int_equal(disposal_pending_descriptors(), 0);
	disposal_account_release(account);
}

/* The thread comes when it is needed and goes when it is not. */
static void thread_is_gone_when_idle(void **state)
{
	unsigned threads = count_threads();
	struct blocker blocker;
	int i;

	(void)state;
	make_blocker(&blocker);
	disposal_close(blocker.fd, NULL);
	await_blocked(blocker.fd);
	assert_int_equal(count_threads(), threads + 1);
	close(blocker.peer);
	for (i = 0; i < 20; i++) {
		assert_int_equal(disposal_wait(LONG_MS), 0);
		assert_int_equal(count_threads(), threads);
		disposal_close(open_owned(), NULL);
	}
	assert_int_equal(disposal_wait(LONG_MS), 0);
}

/* A small mapping goes at once, a large one later. */
static void mappings_are_unmapped(void **state)
{
	void *small = map(4096), *large = map(DISPOSAL_LARGE_MAPPING);

	(void)state;
	disposal_unmap(small, 4096, NULL);
	assert_false(is_mapped(small));
	disposal_unmap(large, DISPOSAL_LARGE_MAPPING, NULL);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_false(is_mapped(large));
}

static void dispose_without_threads(void *unused)
{
	struct disposal_account *account;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)unused;
	CHILD_CHECK(descriptor_own(fd) == 0);
	CHILD_CHECK(disposal_account_new(&account) == 0);
#ifdef SYS_clone3
	if (forbid_system_call(SYS_clone3, ENOSYS) < 0)
		_exit(CHILD_SKIPPED);
#endif
	if (forbid_system_call(SYS_clone, EAGAIN) < 0)
		_exit(CHILD_SKIPPED);
	disposal_close(fd, account);
	CHILD_CHECK(!is_open(fd));
	CHILD_CHECK(descriptor_count() == 0);
	CHILD_CHECK(disposal_account_pending(account) == 0);
	CHILD_CHECK(disposal_wait(0) == 0);
	disposal_account_release(account);
}

/* Where no thread can be made, the caller does the work. */
static void without_a_thread_it_happens_at_once(void **state)
{
	int result = in_child(dispose_without_threads, NULL);

	(void)state;
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

struct inherited {
	struct blocker blocker;
	int queued;
	char *mapping;
	struct disposal_account *account;
};

static void finish_in_child(void *arg)
{
	struct inherited *inherited = arg;
	char *mine;

	/* The mapping has not come along, be it gone or not. What the child puts there is its own. */
	mine = mmap(inherited->mapping, DISPOSAL_LARGE_MAPPING, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHILD_CHECK(mine == inherited->mapping);
	CHILD_CHECK(is_open(inherited->queued));
	CHILD_CHECK(disposal_account_pending(inherited->account) == 2);
	CHILD_CHECK(disposal_pending_descriptors() == 2);

	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(!is_open(inherited->queued));
	CHILD_CHECK(!is_open(inherited->blocker.fd));
	CHILD_CHECK(disposal_account_pending(inherited->account) == 0);
	CHILD_CHECK(is_mapped(mine));
	disposal_close(inherited->blocker.peer, NULL);
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(!is_open(inherited->blocker.peer));
	CHILD_CHECK(descriptor_count() == 0);
}

/* A child forked while the threads work has no thread, but the work: it closes its copies of all that
 * was queued, and touches nothing else. */
static void child_finishes_what_it_inherits(void **state)
{
	struct inherited inherited;

	(void)state;
	if (HAS_THREAD_SANITIZER)
		skip();
	make_blocker(&inherited.blocker);
	assert_int_equal(disposal_account_new(&inherited.account), 0);
	inherited.queued = open_owned();
	inherited.mapping = map(DISPOSAL_LARGE_MAPPING);
	disposal_close(inherited.blocker.fd, inherited.account);
	disposal_close(inherited.queued, inherited.account);
	await_blocked(inherited.blocker.fd);
	disposal_unmap(inherited.mapping, DISPOSAL_LARGE_MAPPING, inherited.account);

	assert_int_equal(in_child(finish_in_child, &inherited), 0);

	assert_int_equal(disposal_account_pending(inherited.account), 2);
	assert_true(is_open(inherited.queued));
	close(inherited.blocker.peer);
	assert_int_equal(disposal_wait(LONG_MS), 0);
	assert_false(is_open(inherited.queued));
	assert_int_equal(disposal_account_pending(inherited.account), 0);
	disposal_account_release(inherited.account);
}

static void dispose_twice_in_child(void *unused)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)unused;
	CHILD_CHECK(descriptor_own(fd) == 0);
	disposal_close(fd, NULL);
	CHILD_CHECK(disposal_wait(LONG_MS) == 0);
	CHILD_CHECK(!is_open(fd));
	CHILD_CHECK(descriptor_count() == 0);
}

/* Forks at any moment of the thread's life leave a child whose own disposal works. */
static void any_moment_is_good_to_fork(void **state)
{
	int i;

	(void)state;
	if (HAS_THREAD_SANITIZER || HAS_ADDRESS_SANITIZER)
		skip(); /* their own locks are not good to fork at any moment */
	for (i = 0; i < 40; i++) {
		disposal_close(open_owned(), NULL);
		assert_int_equal(in_child(dispose_twice_in_child, NULL), 0);
	}
	assert_int_equal(disposal_wait(LONG_MS), 0);
}

static int note_descriptors(void **state)
{
	*state = (void *)(uintptr_t)count_open_descriptors();
	return 0;
}

static int compare_descriptors(void **state)
{
	return disposal_wait(LONG_MS) == 0 && descriptor_count() == 0 &&
			       count_open_descriptors() == (uintptr_t)*state ? 0 : -1;
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, note_descriptors, compare_descriptors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(descriptor_is_closed),
		TEST(blocking_close_delays_nobody),
		TEST(account_outlives_its_owner),
		TEST(signals_are_blocked),
		TEST(mappings_do_not_wait_for_descriptors),
		TEST(thread_is_gone_when_idle),
		TEST(mappings_are_unmapped),
		TEST(without_a_thread_it_happens_at_once),
		TEST(child_finishes_what_it_inherits),
		TEST(any_moment_is_good_to_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
