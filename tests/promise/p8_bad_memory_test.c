/* SPDX-License-Identifier: MIT */
/*
 * P8, before admission: whatever a stranger passes instead of a good ring, it gets a
 * clear reason, the application is told who it was and why, and a neighbour in full flow
 * notices nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "available.h"
#include "linux_compat.h"
#include "scene.h"
#include "stranger.h"

#define PAGE 4096

static void pass_none(struct hostile_peer *peer)
{
	stranger_say_hello_with(peer, NULL, 0);
}

static void pass_two(struct hostile_peer *peer)
{
	const int fds[] = { peer->memory, peer->memory };

	stranger_say_hello_with(peer, fds, 2);
}

/* As many as one message can carry, unless that is more than this process may have. */
static void pass_many(struct hostile_peer *peer)
{
	struct rlimit limit;
	int fds[253];
	size_t count = sizeof(fds) / sizeof(fds[0]);

	CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2 * count)
		count = (size_t)limit.rlim_cur / 2;
	for (size_t i = 0; i < count; i++)
		fds[i] = peer->memory;
	stranger_say_hello_with(peer, fds, count);
}

static void pass_and_close(struct hostile_peer *peer, int fd)
{
	CHECK(fd >= 0);
	stranger_say_hello_with(peer, &fd, 1);
	close(fd);
}

static void pass_device(struct hostile_peer *peer)
{
	pass_and_close(peer, open("/dev/zero", O_RDWR | O_CLOEXEC));
}

static void pass_file(struct hostile_peer *peer)
{
	pass_and_close(peer, open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
}

static void pass_eventfd(struct hostile_peer *peer)
{
	pass_and_close(peer, eventfd(0, EFD_CLOEXEC));
}

/* The very socket that is spoken through. */
static void pass_itself(struct hostile_peer *peer)
{
	stranger_say_hello_with(peer, &peer->socket, 1);
}

static void wrong_ring_magic(struct hostile_peer *peer)
{
	peer->header->magic++;
}

static void wrong_ring_version(struct hostile_peer *peer)
{
	peer->header->version++;
}

static void wrong_ring_capacity(struct hostile_peer *peer)
{
	peer->header->capacity *= 2;
}

static void wrong_ring_header(struct hostile_peer *peer)
{
	peer->header->header_size *= 2;
}

static void wrong_lane_id(struct hostile_peer *peer)
{
	peer->header->lane_id[15] ^= 1;
}

static void tail_beyond_capacity(struct hostile_peer *peer)
{
	hostile_publish(peer, STRANGER_CAPACITY + 8);
}

static void tail_unaligned(struct hostile_peer *peer)
{
	hostile_publish(peer, 4);
}

static void tail_boundless(struct hostile_peer *peer)
{
	peer->hello.resume = RING_POSITION_LIMIT - 8;
	hostile_publish(peer, RING_POSITION_LIMIT);
}

static void tail_before_resume(struct hostile_peer *peer)
{
	peer->hello.resume = 64;
	hostile_publish(peer, 56);
}

static void twice_the_capacity(struct hostile_peer *peer)
{
	peer->hello.capacity = 2 * STRANGER_CAPACITY;
}

/* A ring that is no memory of the announced size, or more than one, or none, is
 * refused. */
static void bad_memory_is_refused(void **state)
{
	static const struct stranger_attempt attempts[] = {
		{ "no descriptor", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, pass_none },
		{ "two descriptors", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, pass_two },
		{ "many descriptors", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, pass_many },
		{ "a device", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL, pass_device },
		{ "a file", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL, pass_file },
		{ "an eventfd", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL, pass_eventfd },
		{ "the socket itself", CONTROL_REFUSE_MEMORY_OBJECT, { 0 }, NULL,
				pass_itself },
		{ "a page short", CONTROL_REFUSE_MEMORY_OBJECT, { 0, -PAGE, 0 }, NULL,
				NULL },
		{ "a byte short", CONTROL_REFUSE_MEMORY_OBJECT, { 0, -1, 0 }, NULL,
				NULL },
		{ "a page long", CONTROL_REFUSE_MEMORY_OBJECT, { 0, PAGE, 0 }, NULL,
				NULL },
		{ "half of what it says", CONTROL_REFUSE_MEMORY_OBJECT, { 0 },
				twice_the_capacity, NULL },
	};

	(void)state;
	TRY_ALL(attempts);
}

/* Nor is one that lacks a seal. */
static void unsealed_memory_is_refused(void **state)
{
	static const struct stranger_attempt attempts[] = {
		{ "no SEAL seal", CONTROL_REFUSE_MEMORY_OBJECT, { F_SEAL_SEAL, 0, 0 },
				NULL, NULL },
		{ "may shrink", CONTROL_REFUSE_MEMORY_OBJECT, { F_SEAL_SHRINK, 0, 0 },
				NULL, NULL },
		{ "may grow", CONTROL_REFUSE_MEMORY_OBJECT, { F_SEAL_GROW, 0, 0 }, NULL,
				NULL },
		{ "may be punched", CONTROL_REFUSE_MEMORY_OBJECT,
				{ F_SEAL_FUTURE_WRITE, 0, 0 }, NULL, NULL },
		{ "no seal", CONTROL_REFUSE_MEMORY_OBJECT, { ~0u, 0, 0 }, NULL, NULL },
	};

	(void)state;
	if (!has_seals())
		skip();
	TRY_ALL(attempts);
}

/* A ring whose own header contradicts the hello, or whose first positions are
 * impossible, is refused. */
static void bad_ring_headers_are_refused(void **state)
{
	static const struct stranger_attempt attempts[] = {
		{ "magic", CONTROL_REFUSE_POSITIONS, { 0 }, wrong_ring_magic, NULL },
		{ "version", CONTROL_REFUSE_POSITIONS, { 0 }, wrong_ring_version, NULL },
		{ "capacity", CONTROL_REFUSE_POSITIONS, { 0 }, wrong_ring_capacity,
				NULL },
		{ "header size", CONTROL_REFUSE_POSITIONS, { 0 }, wrong_ring_header,
				NULL },
		{ "lane id", CONTROL_REFUSE_POSITIONS, { 0 }, wrong_lane_id, NULL },
		{ "beyond capacity", CONTROL_REFUSE_POSITIONS, { 0 },
				tail_beyond_capacity, NULL },
		{ "unaligned", CONTROL_REFUSE_POSITIONS, { 0 }, tail_unaligned, NULL },
		{ "boundless", CONTROL_REFUSE_POSITIONS, { 0 }, tail_boundless, NULL },
		{ "before resume", CONTROL_REFUSE_POSITIONS, { 0 }, tail_before_resume,
				NULL },
	};

	(void)state;
	TRY_ALL(attempts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(bad_memory_is_refused),
		SCENE_TEST(unsealed_memory_is_refused),
		SCENE_TEST(bad_ring_headers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
