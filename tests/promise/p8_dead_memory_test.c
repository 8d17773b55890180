/* SPDX-License-Identifier: MIT */
/*
 * P8, before admission: descriptors that are dead, closed at their other end, or not even
 * open for reading, and memory of absurd size. None is touched but to be let go of.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"
#include "stranger.h"

static void pass_and_close(struct hostile_peer *peer, int fd)
{
	CHECK(fd >= 0);
	stranger_say_hello_with(peer, &fd, 1);
	close(fd);
}

/* A pipe whose other end is closed already. */
static void pass_dead_pipe(struct hostile_peer *peer)
{
	int ends[2];

	CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	pass_and_close(peer, ends[1]);
}

/* A connection whose peer has hung up. */
static void pass_dead_socket(struct hostile_peer *peer)
{
	int ends[2];

	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	close(ends[0]);
	pass_and_close(peer, ends[1]);
}

/* A descriptor that is only a name. */
static void pass_name(struct hostile_peer *peer)
{
	pass_and_close(peer, open("/", O_PATH | O_CLOEXEC));
}

/* What waits for others. */
static void pass_epoll(struct hostile_peer *peer)
{
	pass_and_close(peer, epoll_create1(EPOLL_CLOEXEC));
}

/* The ring itself, but as a name. */
static void pass_name_of_ring(struct hostile_peer *peer)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", peer->memory);
	pass_and_close(peer, open(path, O_PATH | O_CLOEXEC));
}

/* Whatever it is, it is no ring. */
static void dead_descriptors_are_refused(void **state)
{
	static const struct stranger_attempt attempts[] = {
		{ "a dead pipe", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL,
				pass_dead_pipe },
		{ "a dead socket", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL,
				pass_dead_socket },
		{ "a name", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL, pass_name },
		{ "an epoll", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL, pass_epoll },
		{ "the name of the ring", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL,
				pass_name_of_ring },
	};

	(void)state;
	TRY_ALL(attempts);
}

/* A ring in a terabyte that is not there is not admitted for the part that would do. */
static void huge_memory_is_refused(void **state)
{
	static const struct stranger_attempt attempts[] = {
		{ "a terabyte", CONTROL_REFUSE_MEMORY_OBJECT,
				{ 0, sizeof(long) < 8 ? 0 : (long)(1ull << 40), 1 }, NULL,
				NULL },
	};

	(void)state;
	if (sizeof(long) < 8)
		skip();
	TRY_ALL(attempts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(dead_descriptors_are_refused),
		SCENE_TEST(huge_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
