/* SPDX-License-Identifier: MIT */
/*
 * P8, the bell: a sender shares an open file description with its receiver, and may do to
 * it whatever it likes: fill it, empty it, make it blocking, ring it without end. The
 * receiver's loop goes on.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "available.h"
#include "receiver.h"
#include "scene.h"
#include "stranger.h"

struct play {
	struct company company;
	struct hostile_peer peer;
};

/* The bell is filled to its end, with O_NONBLOCK cleared in the file description that
 * both have. */
static void fill_bell(struct hostile_peer *peer)
{
	const uint64_t most = UINT64_MAX - 1, one = 1;
	int flags = fcntl(peer->bell, F_GETFL);

	CHECK(flags & O_NONBLOCK);
	(void)write(peer->bell, &most, sizeof(most));
	while (write(peer->bell, &one, sizeof(one)) > 0)
		;
	CHECK_EQUAL(errno, EAGAIN);
	CHECK_EQUAL(fcntl(peer->bell, F_SETFL, flags & ~O_NONBLOCK), 0);
}

static void check_bell_abuse(const char *backend, enum evchan_bell bell)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct play play = { 0 };
	struct company *company = &play.company;

	options.bell = bell;
	company_open(company, backend, &options);
	for (int round = 0; round < 3; round++) {
		stranger_join(&play.peer, &play.company);
		CHECK(play.peer.bell >= 0);
		fill_bell(&play.peer);
		company_check(company);
		/* It is still heard, or at least its end is. */
		hostile_close(&play.peer);
		STAGE_UNTIL(&company->stage, company->left > (unsigned)round);
		CHECK_EQUAL(company->reason, EVCHAN_LEFT_CRASHED);
	}
	company_close(company);
}

static void need_eventfd_for(bool edge)
{
	if (!has_eventfd_for(edge)) {
		print_message("no eventfd can be had here, or none for such a loop\n");
		skip();
	}
}

/* An eventfd that is filled and made blocking blocks nobody, on a loop with edges ... */
static void full_blocking_eventfd_blocks_nobody(void **state)
{
	(void)state;
	need_eventfd_for(true);
	check_bell_abuse("epoll", EVCHAN_BELL_EVENTFD);
}

/* ... and on one without, where it is read. */
static void full_blocking_eventfd_blocks_nobody_on_poll(void **state)
{
	(void)state;
	need_eventfd_for(false);
	check_bell_abuse("poll", EVCHAN_BELL_EVENTFD);
}

/* Nor does a pipe. */
static void full_blocking_pipe_blocks_nobody(void **state)
{
	(void)state;
	check_bell_abuse("epoll", EVCHAN_BELL_PIPE);
}

/* A sender that empties its eventfd and makes it blocking, so that a plain read would
 * wait. */
static void drained_blocking_eventfd_blocks_nobody(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct play play = { 0 };
	struct company *company = &play.company;
	eventfd_t value;
	int flags;

	(void)state;
	need_eventfd_for(false);
	options.bell = EVCHAN_BELL_EVENTFD;
	company_open(company, "poll", &options);
	stranger_join(&play.peer, &play.company);
	flags = fcntl(play.peer.bell, F_GETFL);
	CHECK_EQUAL(fcntl(play.peer.bell, F_SETFL, flags & ~O_NONBLOCK), 0);
	for (int i = 0; i < 100; i++) {
		CHECK_EQUAL(eventfd_write(play.peer.bell, 1), 0);
		CHECK_EQUAL(eventfd_read(play.peer.bell, &value), 0);
		stage_look(&company->stage, 1);
	}
	company_check(company);
	hostile_close(&play.peer);
	company_close(company);
}

/* A storm of rings through the socket and the bell costs the neighbour nothing but its
 * share of time. */
static void storm_of_rings_is_survived(void **state)
{
	static unsigned char rings[256];
	struct play play = { 0 };
	struct company *company = &play.company;
	enum bell_kind kind;
	int r;

	(void)state;
	memset(rings, CONTROL_RING, sizeof(rings));
	company_open(company, NULL, NULL);
	kind = company->receiver.receiver->bell;
	stranger_join(&play.peer, &play.company);
	for (unsigned i = 0; i < scene_scaled(1000); i++) {
		while (send(play.peer.socket, rings, sizeof(rings),
				       MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		r = bell_ring(kind, play.peer.bell);
		/* Cut off, if it has gone on for long enough: a pipe says so, an eventfd does not. */
		if (r == -EPIPE) {
			STAGE_UNTIL(&company->stage, company->left);
			break;
		}
		CHECK_EQUAL(r, 0);
		stage_look(&company->stage, 1);
	}
	company_check(company);
	hostile_close(&play.peer);
	company_close(company);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(full_blocking_eventfd_blocks_nobody),
		SCENE_TEST(full_blocking_eventfd_blocks_nobody_on_poll),
		SCENE_TEST(full_blocking_pipe_blocks_nobody),
		SCENE_TEST(drained_blocking_eventfd_blocks_nobody),
		SCENE_TEST(storm_of_rings_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
