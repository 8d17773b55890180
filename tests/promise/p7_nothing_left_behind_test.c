/* SPDX-License-Identifier: MIT */
/*
 * P7: nothing is left behind, and nothing has to be cleaned by hand after kill -9. A path
 * that a dead receiver left is taken over, by exactly one of those who want it; a live
 * one never.
 *
 * (That a process has the descriptors it had before is checked at the end of every test,
 * by scene.c.)
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disposal.h"
#include "available.h"
#include "proc_status.h"
#include "process.h"
#include "scene.h"
#include "stream.h"

#define SENDERS 3u

/* ---- A receiver that is killed ------------------------------------------- */

struct host {
	const char *address;
	int ready;            /* gate: `result` is known */
	int go;               /* gate: it may start; 0: at once */
	volatile int *result; /* of evchan_receiver_new() */
	int flow;             /* gate: another sender is in full flow */
};

static void host_heard(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	const struct host *host = receiver->arg;

	(void)lane;
	/* The number is the sender's; so much fits into no ring. */
	if (heard == HEARD_MESSAGE && message->type == 5000)
		scene_open_gate(host->flow);
}

static void host_until_killed(void *arg)
{
	const struct host *host = arg;
	struct test_receiver receiver = { .act = host_heard, .arg = arg };
	struct stage stage;

	stage_open(&stage, NULL);
	if (host->go)
		scene_pass_gate(host->go);
	*host->result = test_receiver_try(&receiver, &stage, host->address, NULL);
	scene_open_gate(host->ready);
	if (*host->result == 0)
		for (;;)
			stage_turn(&stage);
	stage_close(&stage);
}

static struct host make_host(const char *address)
{
	return (struct host){ address, scene_gate(), 0, scene_share(sizeof(int)),
		scene_gate() };
}

static pid_t start_host(struct host *host)
{
	pid_t process = scene_start(host_until_killed, host);

	scene_pass_gate(host->ready);
	CHECK_EQUAL(*host->result, 0);
	return process;
}

/* A receiver can be made at the address, and leaves nothing there. */
static void check_free(const char *address)
{
	struct test_receiver receiver = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, address, NULL);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void copy_path(char *copy, const char *name)
{
	strcpy(copy, scene_path(name));
}

/* A receiver and senders in full flow, all killed, leave nothing but a path, which is
 * free again. */
static void killing_everybody_leaves_nothing(void **state)
{
	const unsigned shared_files = proc_count_names("/dev/shm");
	struct stream_role roles[SENDERS];
	pid_t processes[SENDERS], process;
	char path[128];
	struct host host;

	(void)state;
	copy_path(path, "socket");
	host = make_host(path);
	process = start_host(&host);
	for (unsigned i = 0; i < SENDERS; i++) {
		roles[i] = (struct stream_role){ .address = path,
			.stream = { .id = i, .count = UINT64_MAX, .most = 1000 } };
		processes[i] = scene_start(stream_role, &roles[i]);
		scene_pass_gate(host.flow);
	}
	CHECK_EQUAL(proc_count_names("/dev/shm"), shared_files);
	for (unsigned i = 0; i < SENDERS; i++)
		scene_kill(processes[i]);
	scene_kill(process);
	CHECK_EQUAL(proc_count_names("/dev/shm"), shared_files);
	/* The socket and its lock. */
	CHECK_EQUAL(scene_count_files(), 2);
	check_free(path);
	CHECK_EQUAL(scene_count_files(), 0);
}

/* An abstract address is free as soon as its receiver is dead. */
static void abstract_address_is_free_after_a_kill(void **state)
{
	struct host host = make_host(scene_address());

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		scene_kill(start_host(&host));
		check_free(scene_address());
	}
}

/* ---- Who gets a path ----------------------------------------------------- */

#define RIVALS 4u

/* Rivals that all start when the gate opens. Returns the winner, who is alive; the
 * others are gone. */
static pid_t race(const char *path, int ready, int go, volatile int *results)
{
	struct host hosts[RIVALS];
	pid_t processes[RIVALS], winner = 0;

	for (unsigned i = 0; i < RIVALS; i++) {
		hosts[i] = (struct host){ path, ready, go, &results[i], 0 };
		processes[i] = scene_start(host_until_killed, &hosts[i]);
	}
	for (unsigned i = 0; i < RIVALS; i++)
		scene_open_gate(go);
	for (unsigned i = 0; i < RIVALS; i++)
		scene_pass_gate(ready);
	for (unsigned i = 0; i < RIVALS; i++) {
		if (results[i] == 0) {
			CHECK(!winner);
			winner = processes[i];
		} else {
			CHECK_EQUAL(results[i], -EADDRINUSE);
			scene_join(processes[i]);
		}
	}
	CHECK(winner);
	return winner;
}

/* Of those that start at the same moment on a path that a dead one left exactly one
 * gets it. */
static void stale_path_has_one_winner(void **state)
{
	volatile int *results = scene_share(RIVALS * sizeof(int));
	int ready = scene_gate(), go = scene_gate();
	char path[128];

	(void)state;
	copy_path(path, "socket");
	for (unsigned round = 0; round < scene_scaled(100) + 1; round++)
		scene_kill(race(path, ready, go, results));
	check_free(path);
}

/* A live receiver keeps its path, also when it stands still. */
static void live_path_is_never_taken(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	char path[128];
	struct host host;
	pid_t process;

	(void)state;
	copy_path(path, "socket");
	host = make_host(path);
	process = start_host(&host);
	stage_open(&stage, NULL);
	CHECK_EQUAL(test_receiver_try(&receiver, &stage, path, NULL), -EADDRINUSE);
	scene_stop(process);
	CHECK_EQUAL(test_receiver_try(&receiver, &stage, path, NULL), -EADDRINUSE);
	CHECK_EQUAL(kill(process, SIGCONT), 0);
	test_sender_open(&sender, &stage, path, NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	test_sender_free(&sender);
	stage_close(&stage);
	scene_kill(process);
}

/* What is no socket is not touched. */
static void other_files_are_not_taken(void **state)
{
	struct test_receiver receiver = { 0 };
	struct stat status;
	struct stage stage;
	char path[128];
	int fd;

	(void)state;
	copy_path(path, "a file");
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK_EQUAL(write(fd, "precious", 8), 8);
	close(fd);
	stage_open(&stage, NULL);
	CHECK_EQUAL(test_receiver_try(&receiver, &stage, path, NULL), -EADDRINUSE);
	stage_close(&stage);
	CHECK_EQUAL(stat(path, &status), 0);
	CHECK(S_ISREG(status.st_mode) && status.st_size == 8);
}

/* A receiver whose path was given to somebody else does not take it away from there. */
static void path_of_another_is_left_alone(void **state)
{
	struct test_receiver receiver = { 0 }, other = { 0 };
	struct test_sender sender = { 0 };
	char path[128], other_path[128];
	struct stage stage;

	(void)state;
	copy_path(path, "socket");
	copy_path(other_path, "other");
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, path, NULL);
	test_receiver_open(&other, &stage, other_path, NULL);
	CHECK_EQUAL(rename(other_path, path), 0);
	test_receiver_free(&receiver);
	test_sender_open(&sender, &stage, path, NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(other.calls[HEARD_JOINED], 1);
	test_sender_free(&sender);
	test_receiver_free(&other);
	stage_close(&stage);
}

/* ---- Within one process -------------------------------------------------- */

static unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned lines = 0;
	int c;

	CHECK(maps);
	while ((c = getc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

/* Both ends, with a ring large enough to be unmapped elsewhere, used and freed. */
static void use_and_free(struct stage *stage, bool receiver_first)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };

	options.capacity = 4 << 20;
	options.flags = EVCHAN_SENDER_LAZY;
	test_receiver_open(&receiver, stage, "", NULL);
	test_sender_open(&sender, stage, evchan_receiver_address(receiver.receiver),
			&options);
	CHECK_EQUAL(evchan_send(sender.sender, 0, NULL, 0, 0), 0);
	STAGE_UNTIL(stage, receiver.calls[HEARD_MESSAGE]);
	if (receiver_first)
		test_receiver_free(&receiver);
	test_sender_free(&sender);
	if (receiver.receiver)
		STAGE_UNTIL(stage, receiver.calls[HEARD_LEFT]);
	test_receiver_free(&receiver);
}

/* Handles leave neither mappings nor descriptors nor threads, however often they are
 * made. */
static void handles_leave_nothing_in_the_process(void **state)
{
	/* Many, for valgrind maps some memory of its own meanwhile. */
	const unsigned rounds = scene_scaled(100) < 40 ? 40 : scene_scaled(100);
	struct stage stage;
	unsigned mappings;

	(void)state;
	stage_open(&stage, NULL);
	use_and_free(&stage, false);
	use_and_free(&stage, true);
	CHECK_EQUAL(disposal_wait(10000), 0);
	mappings = count_mappings();
	for (unsigned i = 0; i < rounds; i++)
		use_and_free(&stage, i % 2);
	CHECK_EQUAL(disposal_wait(10000), 0);
	/* The C library may keep the stacks of some ended threads. ThreadSanitizer maps
	 * something of its own for each mapping, and keeps it. */
	if (!HAS_THREAD_SANITIZER)
		CHECK(count_mappings() < mappings + rounds);
	stage_close(&stage);
}

#define DESCRIPTORS_MAX 100

/* Which descriptors would survive an exec. */
static void note_inheritable(bool *inheritable)
{
	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
		int flags = fcntl(fd, F_GETFD);

		inheritable[fd] = flags >= 0 && !(flags & FD_CLOEXEC);
	}
}

static void check_bell_on_exec(const char *path, enum evchan_bell bell)
{
	bool before[DESCRIPTORS_MAX], now[DESCRIPTORS_MAX];
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	note_inheritable(before);
	stage_open(&stage, NULL);
	options.bell = bell;
	test_receiver_open(&receiver, &stage, path, &options);
	test_sender_open(&sender, &stage, path, NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	note_inheritable(now);
	CHECK(memcmp(before, now, sizeof(now)) == 0);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* No program that is executed inherits any descriptor. */
static void nothing_survives_an_exec(void **state)
{
	char path[128];

	(void)state;
	copy_path(path, "socket");
	if (has_eventfd())
		check_bell_on_exec(path, EVCHAN_BELL_EVENTFD);
	check_bell_on_exec(path, EVCHAN_BELL_PIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(killing_everybody_leaves_nothing),
		SCENE_TEST(abstract_address_is_free_after_a_kill),
		SCENE_TEST(stale_path_has_one_winner),
		SCENE_TEST(live_path_is_never_taken),
		SCENE_TEST(other_files_are_not_taken),
		SCENE_TEST(path_of_another_is_left_alone),
		SCENE_TEST(handles_leave_nothing_in_the_process),
		SCENE_TEST(nothing_survives_an_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
