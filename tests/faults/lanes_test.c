/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a lane beside its messages, with each call in it failing in turn: emptiness, corks, quiet messages, pauses,
 * evictions, notes.
 */

#include "world.h"

#include <errno.h>
#include <string.h>

#define NOTE_KEY 7u

/* ---- Waits ----------------------------------------------------------------------------------- */

static bool told_drained(const struct world *world)
{
	return world->drained > 0;
}

/* Everything consumed is told; so is emptiness that was asked for. */
static void drained_and_empty(void)
{
	struct world world;
	uint32_t generation;
	int r;

	world_init(&world);
	world_open(&world);
	faults_begin();
	do {
		generation = world.generation;
		CHECK_EQUAL(world_send(&world, 0), 0);
		(void)scenario_result(EVCHAN_SENDER_NOTIFY_DRAINED,
				evchan_sender_notify_drained(world.sender));
		WORLD_UNTIL(&world,
				told_drained(&world) || world.generation != generation);
	} while (world.generation != generation);
	CHECK_EQUAL(world_send(&world, 0), 0);
	while ((r = world_send(&world, EVCHAN_SEND_IF_EMPTY)) == -EAGAIN) {
		unsigned writable = world.writable;

		generation = world.generation;
		WORLD_UNTIL(&world,
				world.writable > writable ||
						world.generation != generation);
	}
	CHECK_EQUAL(r, 0);
	world_stream(&world, 1);
	faults_end();
	world_close(&world);
}

/* Messages that do not wake come all the same, at the next turn; corked ones when they are uncorked. */
static void corked_and_quiet(void)
{
	struct world world;

	world_init(&world);
	world_open(&world);
	world_stream(&world, 1);
	faults_begin();
	(void)world_send(&world, EVCHAN_SEND_NO_WAKE);
	WORLD_UNTIL(&world, world.received == world.sent);
	evchan_cork(world.sender);
	(void)world_send(&world, 0);
	(void)world_send(&world, 0);
	evchan_uncork(world.sender);
	WORLD_UNTIL(&world, world.received == world.sent);
	faults_end();
	world_close(&world);
}

/* ---- Lanes ----------------------------------------------------------------------------------- */

/* What a paused lane or receiver has got meanwhile comes when it is resumed. */
static void pause_and_resume(void)
{
	struct world world;

	world_init(&world);
	world_open(&world);
	world_stream(&world, 1);
	faults_begin();
	evchan_lane_pause(world.lane);
	while (world_send(&world, 0) == 0)
		;
	world_turn(&world, "a turn");
	if (world.lane)
		evchan_lane_resume(world.lane);
	evchan_receiver_pause(world.receiver);
	world_turn(&world, "a turn");
	evchan_receiver_resume(world.receiver);
	world_stream(&world, 10);
	faults_end();
	world_close(&world);
}

/* The evicted one is told, and the one that follows it is not meant. */
static void evict(void)
{
	struct world world;

	world_init(&world);
	world_open(&world);
	world_stream(&world, 1);
	faults_begin();
	world.is_provoked = true;
	CHECK_EQUAL(scenario_result(EVCHAN_LANE_EVICT,
				    evchan_lane_evict(world.lane, "go away")),
			0);
	/* Without memory for it, an eviction is forgotten. */
	WORLD_UNTIL(&world, world.left > 0 && (world.generation > 1 || world.joined > 1));
	world.is_provoked = false;
	world_stream(&world, 2);
	faults_end();
	world_close(&world);
}

/* A note is read in whatever state its sender is. */
static void notes(void)
{
	static const char note[] = "what messages mean";
	char buffer[64];
	size_t size = sizeof(buffer);
	struct world world;

	world_init(&world);
	world_open(&world);
	faults_begin();
	CHECK_EQUAL(evchan_sender_add_note(world.sender, NOTE_KEY, note, sizeof(note)),
			0);
	CHECK_EQUAL(evchan_sender_add_note(world.sender, NOTE_KEY, note, sizeof(note)),
			-EEXIST);
	world_stream(&world, 1);
	if (world.lane && world.generation == 1) {
		CHECK_EQUAL(evchan_lane_get_note(world.lane, NOTE_KEY, buffer, &size), 0);
		CHECK_EQUAL(size, sizeof(note));
		CHECK_EQUAL(memcmp(buffer, note, size), 0);
	}
	faults_end();
	world_close(&world);
}

SCENARIOS({ .name = "drained_and_empty", .play = drained_and_empty },
		{ .name = "corked_and_quiet", .play = corked_and_quiet },
		{ .name = "pause_and_resume", .play = pause_and_resume },
		{ .name = "evict", .play = evict }, { .name = "notes", .play = notes })
