/* SPDX-License-Identifier: MIT */
/*
 * Messages that are held, in the ring and as copies, with each call in it failing in turn: until after their sender, and their
 * receiver, are gone.
 */

#include "world.h"

#include <string.h>

#define HOLDS_MAX 4u

struct holds {
	const struct evchan_message *held[HOLDS_MAX];
	unsigned count;
};

/* Keeps a few messages for a while. */
static void hold_some(struct world *world, const struct evchan_message *message)
{
	struct holds *holds = world->arg;
	const struct evchan_message *held = UNTOUCHED;

	if (holds->count == HOLDS_MAX)
		while (holds->count)
			evchan_message_release(holds->held[--holds->count]);
	if (scenario_result(EVCHAN_MESSAGE_HOLD, evchan_message_hold(&held, message)) <
			0) {
		CHECK(held == UNTOUCHED);
		return;
	}
	CHECK_EQUAL(held->size, message->size);
	CHECK_EQUAL(memcmp(held->data, message->data, held->size), 0);
	holds->held[holds->count++] = held;
}

static void hold_messages(uint32_t flags)
{
	struct holds holds = { { NULL }, 0 };
	struct world world;

	world_init(&world);
	world.receiver_options.flags = flags;
	world.message = hold_some;
	world.arg = &holds;
	world_open(&world);
	faults_begin();
	world_stream(&world, 20);
	evchan_sender_free(world.sender);
	world.sender = NULL;
	WORLD_UNTIL(&world, world.left == world.joined);
	/* The lane is gone but for these, and so is the receiver then. */
	evchan_receiver_free(world.receiver);
	world.receiver = NULL;
	while (holds.count)
		evchan_message_release(holds.held[--holds.count]);
	faults_end();
	world_close(&world);
}

static void hold_in_the_ring(void)
{
	hold_messages(0);
}

static void hold_copies(void)
{
	hold_messages(EVCHAN_RECEIVER_COPY);
}

SCENARIOS({ .name = "hold_in_the_ring", .play = hold_in_the_ring },
		{ .name = "hold_copies", .play = hold_copies })
