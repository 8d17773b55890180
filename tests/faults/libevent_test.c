/* SPDX-License-Identifier: MIT */
/*
 * The adapter for libevent: each event that cannot be made or added, each timer that cannot be set, in turn. System calls do
 * not fail here: what they do does not depend on the loop, and libevent's own are not seen by the wrappers. Time is
 * real, because it is libevent's.
 */

#include "world.h"

#include <unistd.h>

#include <event2/event.h>

#include <evchan/libevent.h>

#define MESSAGES 60u
#define TRIES 64
#define HANG_SECONDS 5u

struct fixture {
	struct world world; /* first: turn() gets it */
	struct event_base *base;
};

/* One that is not told of anything for so long waits in vain. */
static void turn(struct world *world)
{
	const struct fixture *fixture = (const struct fixture *)(const void *)world;

	alarm(HANG_SECONDS * scenario_slowdown());
	CHECK(event_base_loop(fixture->base, EVLOOP_ONCE) == 0);
}

static void open_fixture(struct fixture *fixture)
{
	struct world *world = &fixture->world;

	faults_use_real_time();
	world_init(world);
	world->deadline = UINT64_MAX;
	world->sender_options.reconnect_min_ms = 1;
	world->sender_options.reconnect_max_ms = 5;
	fixture->base = event_base_new();
	CHECK(fixture->base);
	world->turn = turn;
	world->loop = UNTOUCHED;
	faults_begin();
	for (int i = 0; i < TRIES; i++) {
		if (scenario_result(EVCHAN_LIBEVENT_LOOP_NEW,
				    evchan_libevent_loop_new(
						    &world->loop, fixture->base)) == 0)
			break;
		CHECK(world->loop == UNTOUCHED);
	}
	world_make_receiver(world);
	world_make_sender(world);
}

static void close_fixture(struct fixture *fixture)
{
	struct world *world = &fixture->world;

	evchan_sender_free(world->sender);
	evchan_receiver_free(world->receiver);
	evchan_libevent_loop_free(world->loop);
	faults_end();
	event_base_free(fixture->base);
}

static void stream(void)
{
	struct fixture fixture;

	open_fixture(&fixture);
	world_stream(&fixture.world, MESSAGES);
	close_fixture(&fixture);
}

static void next_receiver(void)
{
	struct fixture fixture;
	struct world *world = &fixture.world;

	open_fixture(&fixture);
	world_stream(world, 2);
	evchan_receiver_free(world->receiver);
	(void)world_send(world, 0);
	world_make_receiver(world);
	world_stream(world, 2);
	close_fixture(&fixture);
}

static void shut_down(void)
{
	struct fixture fixture;
	struct world *world = &fixture.world;

	open_fixture(&fixture);
	world_stream(world, 2);
	(void)world_send(world, 0);
	evchan_sender_free(world->sender);
	world->sender = NULL;
	CHECK_EQUAL(evchan_receiver_shutdown(world->receiver), 0);
	WORLD_UNTIL(world, world->shut_down > 0);
	close_fixture(&fixture);
}

#define CALLS (FAULT_MEMORY | FAULT_EVENTS | FAULT_TIMERS)

SCENARIOS({ .name = "stream", .play = stream, .calls = CALLS },
		{ .name = "next_receiver", .play = next_receiver, .calls = CALLS },
		{ .name = "shut_down", .play = shut_down, .calls = CALLS })
