/* SPDX-License-Identifier: MIT */
/*
 * P7, at every instruction between a receiver's start and its being reachable, and of
 * its going: wherever it is killed, the next one has the path at its first try,
 * whatever was there before; a sender that got as far as the dead one's queue comes to
 * the living one with all its messages; and in the end no file is left. While a
 * receiver has the path, nobody else gets it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "every_instruction.h"
#include "killed_receiver.h"
#include "scene.h"
#include "single_step.h"

#define POINTS 50u /* of each part, in the short form */

struct part {
	const char *name;
	/* What is there before. */
	bool has_lock;
	bool has_socket;
	bool has_rival; /* somebody else tries, just before it is killed */
	/* What is stepped. */
	bool is_going; /* it ends; else it starts */
};

struct play {
	const struct part *part;
	struct succession succession;
	int rival_result;
};

/* ---- The victim ------------------------------------------------------------------ */

static void victim_role(void *arg)
{
	const struct play *play = arg;
	static struct test_receiver receiver;
	static struct stage stage;

	stage_open(&stage, NULL);
	if (play->part->is_going)
		test_receiver_open(&receiver, &stage, play->succession.address, NULL);
	step_from_here();
	if (play->part->is_going)
		test_receiver_free(&receiver);
	else
		test_receiver_open(&receiver, &stage, play->succession.address, NULL);
	step_to_here();
}

/* ---- The test -------------------------------------------------------------------- */

/* What a receiver leaves that was killed. */
static void leave_lock(const char *address)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s.lock", address);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
}

static void leave_socket(const char *address)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(strlen(address) < sizeof(name.sun_path));
	strcpy(name.sun_path, address);
	CHECK_EQUAL(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	CHECK_EQUAL(listen(fd, 1), 0);
	close(fd);
}

static pid_t start(void *arg)
{
	struct play *play = arg;
	const struct part *part = play->part;
	struct succession *this = &play->succession;

	CHECK_EQUAL(scene_count_files(), 0);
	if (part->has_lock)
		leave_lock(this->address);
	if (part->has_socket)
		leave_socket(this->address);
	succession_start(this, victim_role, play);
	succession_send(this, 2);
	return this->victim;
}

static void try_to_get_path(struct play *play)
{
	struct test_receiver rival = { 0 };

	play->rival_result = test_receiver_try(
			&rival, &play->succession.stage, play->succession.address, NULL);
	CHECK(play->rival_result == 0 || play->rival_result == -EADDRINUSE);
	test_receiver_free(&rival);
}

/* The sender tries to connect, and may get into the victim's queue. */
static void look(void *arg)
{
	struct play *play = arg;

	stage_turn(&play->succession.stage);
	if (play->part->has_rival)
		try_to_get_path(play);
}

static void check(void *arg, bool is_done)
{
	struct play *play = arg;

	if (is_done && play->part->has_rival)
		CHECK_EQUAL(play->rival_result, play->part->is_going ? 0 : -EADDRINUSE);
	succession_check(&play->succession, false);
	succession_end(&play->succession);
}

static void play_parts(const struct part *parts, size_t count)
{
	struct play play = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct kill_plan plan = { parts[i].name, start, look, check, &play,
			POINTS };

		play.part = &parts[i];
		succession_open(&play.succession, EVCHAN_BELL_DEFAULT);
		kill_everywhere(&plan);
		succession_close(&play.succession);
	}
}

/* ---- The tests ------------------------------------------------------------------- */

/* It was about to take the path. */
static void killed_starter_leaves_the_path_to_the_next(void **state)
{
	static const struct part parts[] = {
		{ .name = "start" },
		{ .name = "start where one was killed",
				.has_lock = true,
				.has_socket = true },
		{ .name = "start where a socket is left", .has_socket = true },
		{ .name = "start where a lock is left", .has_lock = true },
		{ .name = "start with a rival",
				.has_lock = true,
				.has_socket = true,
				.has_rival = true },
	};

	(void)state;
	play_parts(parts, sizeof(parts) / sizeof(parts[0]));
}

/* It was about to give it up. */
static void killed_leaver_leaves_the_path_to_the_next(void **state)
{
	static const struct part parts[] = {
		{ .name = "end", .is_going = true },
		{ .name = "end with a rival", .is_going = true, .has_rival = true },
	};

	(void)state;
	play_parts(parts, sizeof(parts) / sizeof(parts[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(killed_starter_leaves_the_path_to_the_next),
		SCENE_TEST(killed_leaver_leaves_the_path_to_the_next),
	};

	if (!step_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
