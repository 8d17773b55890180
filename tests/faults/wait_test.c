/* SPDX-License-Identifier: MIT */
/*
 * The calls that wait, with each call in them failing in turn. Both ends are in one thread: while one of them has nothing
 * to do but wait, the other has its turn.
 */

#include "world.h"

#include <errno.h>
#include <string.h>

#include <evchan/loop.h>

#define MESSAGES 60u
#define TIMEOUT_MS 20000
#define OTHERS_TURN_MS 5

/* ---- The receiver's turn while the sender waits ------------------------------------------------ */

static void receive_some(void *arg)
{
	struct world *world = arg;
	const struct evchan_message *message;
	int r;

	while ((r = evchan_receive_wait(&message, world->receiver, OTHERS_TURN_MS)) == 0)
		world_received(world, message);
	if (r != -ETIMEDOUT)
		(void)scenario_result(EVCHAN_RECEIVE_WAIT, r);
}

/* Sends one message, however often it takes. */
static void send_one(struct world *world, unsigned flags)
{
	unsigned char bytes[100] = { 0 };
	uint32_t payload[2];
	int r;

	do {
		world_check_patience(world, "room");
		world_replace_sender(world);
		payload[0] = world->generation;
		payload[1] = world->sent;
		memcpy(bytes, payload, sizeof(payload));
		r = evchan_send_wait(world->sender, payload[1], bytes, sizeof(bytes),
				flags, TIMEOUT_MS);
		if (r < 0 && !(r == -EPIPE && world->is_over))
			(void)scenario_result(EVCHAN_SEND_WAIT, r);
	} while (r < 0);
	world->sent++;
}

static void open_both(struct world *world)
{
	world_init(world);
	world_make_receiver(world);
	world_make_sender(world);
	faults_when_idle(receive_some, world);
}

static void close_both(struct world *world)
{
	faults_when_idle(NULL, NULL);
	world_close(world);
}

/* A full ring is waited for, and so is its end. */
static void send_and_drain(void)
{
	struct world world;
	int r;

	open_both(&world);
	faults_begin();
	for (unsigned i = 0; i < MESSAGES; i++)
		send_one(&world, 0);
	send_one(&world, EVCHAN_SEND_IF_EMPTY);
	do {
		world_check_patience(&world, "all to be consumed");
		r = evchan_drain_wait(world.sender, TIMEOUT_MS);
		if (r < 0 && !(r == -EPIPE && world.is_over))
			(void)scenario_result(EVCHAN_DRAIN_WAIT, r);
		if (r < 0 && world.is_over) {
			world_replace_sender(&world);
			send_one(&world, 0);
		}
	} while (r < 0);
	faults_end();
	CHECK(world.received == world.sent &&
			world.received_generation == world.generation);
	close_both(&world);
}

/* ---- The sender's turn while the receiver waits ------------------------------------------------ */

static void send_some(void *arg)
{
	struct world *world = arg;

	world_replace_sender(world);
	if (world->sent < MESSAGES)
		(void)world_send(world, 0);
	(void)scenario_result(EVCHAN_POLL_LOOP_RUN_ONCE,
			evchan_poll_loop_run_once(evchan_sender_poll_loop(world->sender),
					OTHERS_TURN_MS));
}

static bool has_all(const struct world *world)
{
	return world->sent == MESSAGES && world->received == MESSAGES &&
			world->received_generation == world->generation;
}

static void receive_all(struct world *world)
{
	const struct evchan_message *message = UNTOUCHED;
	int r;

	while (!has_all(world)) {
		world_check_patience(world, "messages");
		r = evchan_receive_wait(&message, world->receiver, TIMEOUT_MS);
		if (r == 0)
			world_received(world, message);
		else
			(void)scenario_result(EVCHAN_RECEIVE_WAIT, r);
	}
}

static void receive(void)
{
	struct world world;

	world_init(&world);
	world_make_receiver(&world);
	world_make_sender(&world);
	faults_when_idle(send_some, &world);
	faults_begin();
	receive_all(&world);
	evchan_receive_done(world.receiver);
	faults_end();
	close_both(&world);
}

/* A shutdown ends the waiting, with all that the dead have left delivered. */
static void receive_until_shutdown(void)
{
	const struct evchan_message *message;
	struct world world;
	int r;

	open_both(&world);
	send_one(&world, 0);
	faults_when_idle(NULL, NULL);
	receive_some(&world);
	faults_begin();
	(void)world_send(&world, 0);
	evchan_sender_free(world.sender);
	world.sender = NULL;
	while (scenario_result(EVCHAN_RECEIVER_SHUTDOWN,
			       evchan_receiver_shutdown(world.receiver)) < 0)
		;
	while ((r = evchan_receive_wait(&message, world.receiver, TIMEOUT_MS)) !=
			-ESHUTDOWN) {
		world_check_patience(&world, "the end of the shutdown");
		if (r == 0)
			world_received(&world, message);
		else
			(void)scenario_result(EVCHAN_RECEIVE_WAIT, r);
	}
	CHECK(world.received == world.sent || world.errors > 0);
	CHECK_EQUAL(world.shut_down, 1);
	faults_end();
	close_both(&world);
}

SCENARIOS({ .name = "send_and_drain", .play = send_and_drain },
		{ .name = "receive", .play = receive },
		{ .name = "receive_until_shutdown", .play = receive_until_shutdown })
