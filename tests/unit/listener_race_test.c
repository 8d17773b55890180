/* SPDX-License-Identifier: MIT */
/*
 * Starters that want one path at the same moment. They stand before a closed pipe, and when the test lets go of its
 * other end they all run; then exactly one may have the path, whatever was there before: nothing, or what a
 * killed receiver left. Time does the rest, so there are many rounds.
 *
 * The moments that are too short for that are met on purpose: this program has a flock(2) and a listen(2) of its own,
 * in which something can happen before the call goes on to the kernel.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "listener_folder.h"

#define STARTERS_MAX 6

/* Run once, before the next flock() or listen(). */
static void (*before_flock)(void);
static void (*before_listen)(void);

static void run_once(void (**hook)(void))
{
	void (*function)(void) = *hook;

	*hook = NULL;
	if (function)
		function();
}

int flock(int fd, int operation)
{
	run_once(&before_flock);
	return (int)syscall(SYS_flock, fd, operation);
}

int listen(int fd, int backlog)
{
	run_once(&before_listen);
	return (int)syscall(SYS_listen, fd, backlog);
}

struct race {
	int barrier[2]; /* closed by the test: run */
	int answer[2];  /* each says what it got */
	int gate[2];    /* closed by the test: end */
	pid_t pids[STARTERS_MAX];
};

struct answer {
	pid_t pid;
	int result;
};

static void run_starter(struct race *race, const char *path)
{
	struct answer answer = { getpid(), 0 };
	struct listener listener;
	char end;

	close(race->barrier[1]);
	close(race->gate[1]);
	CHILD_CHECK(read(race->barrier[0], &end, 1) == 0);
	answer.result = open_at(&listener, path, 0600);
	CHILD_CHECK(write(race->answer[1], &answer, sizeof(answer)) == sizeof(answer));
	CHILD_CHECK(read(race->gate[0], &end, 1) == 0);
	listener_deinit(&listener, false);
}

static void race_line_up(struct race *race, const char *path, unsigned starters)
{
	unsigned i;

	assert_int_equal(pipe2(race->barrier, O_CLOEXEC), 0);
	assert_int_equal(pipe2(race->answer, O_CLOEXEC), 0);
	assert_int_equal(pipe2(race->gate, O_CLOEXEC), 0);
	for (i = 0; i < starters; i++) {
		race->pids[i] = fork();
		assert_true(race->pids[i] >= 0);
		if (race->pids[i] == 0) {
			run_starter(race, path);
			_exit(0);
		}
	}
	close(race->answer[1]);
}

/* Lets them run. Who has won; every other one must have been told that the path is in use. */
static pid_t race_run(struct race *race, unsigned starters)
{
	struct answer answer;
	pid_t winner = 0;
	unsigned i;

	close(race->barrier[0]);
	close(race->barrier[1]);
	for (i = 0; i < starters; i++) {
		assert_int_equal(read(race->answer[0], &answer, sizeof(answer)),
				sizeof(answer));
		if (answer.result == 0) {
			assert_int_equal(winner, 0);
			winner = answer.pid;
		} else {
			assert_int_equal(answer.result, -EADDRINUSE);
		}
	}
	assert_int_not_equal(winner, 0);
	return winner;
}

/* Ends the losers in order, and the winner so or by force. */
static void race_end(struct race *race, unsigned starters, pid_t killed)
{
	unsigned i;

	if (killed)
		assert_int_equal(kill(killed, SIGKILL), 0);
	close(race->gate[0]);
	close(race->gate[1]);
	close(race->answer[0]);
	for (i = 0; i < starters; i++)
		assert_int_equal(child_result(race->pids[i]),
				race->pids[i] == killed ? -SIGKILL : 0);
}

/* Whether the winner is who answers at the path. */
static bool is_served_by(const char *text, pid_t pid)
{
	struct control_socket control;
	struct address address;
	struct evchan_peer peer;

	MUST(address_parse(&address, text, ADDRESS_OF_SENDER) == 0);
	if (control_socket_connect(&control, &address) < 0)
		return false;
	MUST(control_socket_peer(&control, &peer) == 0);
	control_socket_deinit(&control, NULL);
	return peer.pid == pid;
}

static void run_races(unsigned starters, unsigned rounds)
{
	struct race race;
	pid_t winner;
	unsigned i;

	for (i = 0; i < rounds; i++) {
		/* What the killed winner of an even round left is there in the odd one after it. */
		assert_int_equal(exists("socket"), i % 2);
		race_line_up(&race, path_of("socket"), starters);
		winner = race_run(&race, starters);
		assert_true(is_served_by(path_of("socket"), winner));
		race_end(&race, starters, i % 2 == 0 ? winner : 0);
	}
	if (rounds % 2) {
		remove_file("socket");
		remove_file("socket.lock");
	}
	assert_false(exists("socket.lock"));
}

/* Two starters, fresh path and stale path in turns: always exactly one has it, and it answers there. */
static void one_of_two_wins(void **state)
{
	(void)state;
	run_races(2, 100 / slowdown() & ~1u);
}

/* So it is with more of them. */
static void one_of_many_wins(void **state)
{
	(void)state;
	run_races(STARTERS_MAX, 40 / slowdown() & ~1u);
}

/* An abstract name is given to one as well: the kernel sees to that. */
static void one_gets_an_abstract_name(void **state)
{
	struct race race;
	char name[64];
	unsigned i;
	pid_t winner;

	(void)state;
	snprintf(name, sizeof(name), "@evchan-race-%ld", (long)getpid());
	for (i = 0; i < 20 / slowdown(); i++) {
		race_line_up(&race, name, 2);
		winner = race_run(&race, 2);
		assert_true(is_served_by(name, winner));
		race_end(&race, 2, i % 2 ? winner : 0);
	}
}

/* ---- Coming and going ------------------------------------------------------------------------ */

struct shared {
	atomic_int inside; /* who has the path now */
	atomic_int opened; /* how often it was had */
};

static void come_and_go(struct shared *shared, unsigned times)
{
	struct listener listener;
	int r;

	while (times-- > 0) {
		r = open_in_folder(&listener, "socket");
		if (r < 0) {
			CHILD_CHECK(r == -EADDRINUSE);
			continue;
		}
		CHILD_CHECK(atomic_fetch_add(&shared->inside, 1) == 0);
		CHILD_CHECK(inode_of("socket") == listener.inode);
		CHILD_CHECK(is_reached(&listener, path_of("socket")));
		atomic_fetch_add(&shared->opened, 1);
		CHILD_CHECK(atomic_fetch_sub(&shared->inside, 1) == 1);
		listener_deinit(&listener, false);
	}
}

/* Starters that come and go without end, each making and removing the lock file the others are just opening: at any
 * time one has the path at most, and while it has it, it is that one that answers there. */
static void lock_is_replaced_under_starters(void **state)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[4];
	int i;

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	for (i = 0; i < 4; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			come_and_go(shared, 600 / slowdown());
			_exit(0);
		}
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(child_result(pids[i]), 0);
	assert_int_equal(atomic_load(&shared->inside), 0);
	assert_true(atomic_load(&shared->opened) > 0);
	munmap(shared, sizeof(*shared));
}

/* ---- Moments ------------------------------------------------------------------------------- */

static void remove_lock(void)
{
	remove_file("socket.lock");
}

static void replace_lock(void)
{
	/* The old file must not lend its inode to the new one. */
	make_file("socket.lock.new", 0600);
	MUST(rename(path_of("socket.lock.new"), path_of("socket.lock")) == 0);
}

static void assert_lock_is_held(const struct listener *listener)
{
	struct stat status;
	int fd;

	assert_int_equal(fstat(listener->lock_fd, &status), 0);
	assert_true(status.st_ino == inode_of("socket.lock"));
	fd = open(path_of("socket.lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd);
}

/* Whoever ends takes the lock file away, and another starter makes a new one, after it was opened here and before it is
 * locked: then the lock is one of a file that nobody else will ever look at. Start over with the new one. */
static void replaced_lock_is_not_relied_on(void **state)
{
	static void (*const hooks[])(void) = { remove_lock, replace_lock };
	struct listener listener;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		before_flock = hooks[i];
		assert_int_equal(open_in_folder(&listener, "socket"), 0);
		assert_null(before_flock);
		assert_lock_is_held(&listener);
		assert_true(is_reached(&listener, path_of("socket")));
		listener_deinit(&listener, false);
	}
}

static int successors_lock;

static void replace_lock_and_take_it(void)
{
	replace_lock();
	successors_lock = open(path_of("socket.lock"), O_RDWR | O_CLOEXEC);
	MUST(flock(successors_lock, LOCK_EX | LOCK_NB) == 0);
}

/* The new one may be taken already. */
static void replaced_lock_may_be_taken(void **state)
{
	struct listener listener;

	(void)state;
	before_flock = replace_lock_and_take_it;
	assert_int_equal(open_in_folder(&listener, "socket"), -EADDRINUSE);
	assert_null(before_flock);
	assert_true(exists("socket.lock"));
	close(successors_lock);
	remove_file("socket.lock");
}

static int second_result;

static void start_second(void)
{
	second_result = error_of_open(path_of("socket"));
}

/* Between bind(2) and listen(2) a socket refuses like a dead one: a second starter must not think so. */
static void half_made_socket_is_in_use(void **state)
{
	struct listener listener;

	(void)state;
	before_listen = start_second;
	second_result = 0;
	assert_int_equal(open_in_folder(&listener, "socket"), 0);
	assert_int_equal(second_result, -EADDRINUSE);
	assert_true(is_reached(&listener, path_of("socket")));
	assert_true(listener.inode == inode_of("socket"));
	listener_deinit(&listener, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(one_of_two_wins),
		FOLDER_TEST(one_of_many_wins),
		FOLDER_TEST(one_gets_an_abstract_name),
		FOLDER_TEST(lock_is_replaced_under_starters),
		FOLDER_TEST(replaced_lock_is_not_relied_on),
		FOLDER_TEST(replaced_lock_may_be_taken),
		FOLDER_TEST(half_made_socket_is_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
