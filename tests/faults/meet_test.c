/* SPDX-License-Identifier: MIT */
/*
 * Making both ends, and their meeting, with each call in it failing in turn: connecting, the hello, admission, the
 * welcome, the first message, the end.
 */

#include "world.h"

#include <stdio.h>

#include "available.h"

/* One message, and goodbye. */
static void meet(struct world *world)
{
	faults_begin();
	world_open(world);
	world_stream(world, 1);
	evchan_sender_free(world->sender);
	world->sender = NULL;
	WORLD_UNTIL(world, world->left == world->joined);
	world_close(world);
	faults_end();
}

static void meet_by(uint32_t receivers_bell, uint32_t senders_bell)
{
	struct world world;

	world_init(&world);
	world.receiver_options.bell = receivers_bell;
	world.sender_options.bell = senders_bell;
	meet(&world);
}

static void meet_by_default(void)
{
	meet_by(EVCHAN_BELL_DEFAULT, EVCHAN_BELL_DEFAULT);
}

/* By default where there is none. */
static void meet_by_eventfd(void)
{
	meet_by(has_eventfd() ? EVCHAN_BELL_EVENTFD : EVCHAN_BELL_DEFAULT,
			EVCHAN_BELL_DEFAULT);
}

static void meet_by_socket(void)
{
	meet_by(EVCHAN_BELL_DEFAULT, EVCHAN_BELL_SOCKET);
}

static void meet_at_a_path(void)
{
	struct world world;

	world_init(&world);
	snprintf(world.address, sizeof(world.address), "%s/socket", scenario_folder());
	meet(&world);
}

SCENARIOS({ .name = "meet", .play = meet_by_default },
		{ .name = "meet_by_eventfd", .play = meet_by_eventfd },
		{ .name = "meet_by_socket", .play = meet_by_socket },
		{ .name = "meet_at_a_path", .play = meet_at_a_path })
