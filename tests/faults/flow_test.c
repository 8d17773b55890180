/* SPDX-License-Identifier: MIT */
/*
 * Messages in full flow, with each call in it failing in turn: a ring that is full again and again, on each kind of bell, and
 * messages that are copied.
 */

#include "world.h"

/* More than two rings full. */
#define MESSAGES 80u

/* A full ring makes the sender wait, and room is told. */
static void stream_by(uint32_t bell, uint32_t flags)
{
	struct world world;

	world_init(&world);
	world.sender_options.bell = bell;
	world.receiver_options.flags = flags;
	world_open(&world);
	faults_begin();
	world_stream(&world, MESSAGES);
	faults_end();
	world_close(&world);
}

static void stream_by_pipe(void)
{
	stream_by(EVCHAN_BELL_PIPE, 0);
}

static void stream_by_socket(void)
{
	stream_by(EVCHAN_BELL_SOCKET, 0);
}

static void stream_of_copies(void)
{
	stream_by(EVCHAN_BELL_DEFAULT, EVCHAN_RECEIVER_COPY);
}

SCENARIOS({ .name = "stream_by_pipe", .play = stream_by_pipe },
		{ .name = "stream_by_socket", .play = stream_by_socket },
		{ .name = "stream_of_copies", .play = stream_of_copies })
