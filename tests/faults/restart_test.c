/* SPDX-License-Identifier: MIT */
/*
 * Receivers that end and follow each other, senders that end first, strangers, with each call in it failing in turn.
 */

#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_socket.h"

/* ---- The next receiver ----------------------------------------------------------------------- */

/* What was not delivered by one receiver is delivered by the next. */
static void next_receiver(void)
{
	struct world world;

	world_init(&world);
	world_open(&world);
	world_stream(&world, 3);
	faults_begin();
	evchan_receiver_pause(world.receiver);
	(void)world_send(&world, 0);
	(void)world_send(&world, 0);
	world_turn(&world, "a turn");
	evchan_receiver_free(world.receiver);
	world_make_receiver(&world);
	world_stream(&world, 3);
	faults_end();
	world_close(&world);
}

/* The same, and nothing comes twice: the first has ended in order. */
static void next_receiver_after_shutdown(void)
{
	struct world world;

	world_init(&world);
	world_open(&world);
	world_stream(&world, 3);
	faults_begin();
	(void)world_send(&world, 0);
	(void)scenario_result(EVCHAN_RECEIVER_SHUTDOWN,
			evchan_receiver_shutdown(world.receiver));
	WORLD_UNTIL(&world, world.shut_down > 0);
	evchan_receiver_free(world.receiver);
	(void)world_send(&world, 0);
	world_make_receiver(&world);
	world_stream(&world, 3);
	faults_end();
	world_close(&world);
}

/* A sender that was there first finds the receiver that comes later. */
static void receiver_comes_later(void)
{
	struct world world;

	world_init(&world);
	world_make_loop(&world);
	world_make_sender(&world);
	faults_begin();
	(void)world_send(&world, 0);
	world_turn(&world, "a turn");
	world_make_receiver(&world);
	world_stream(&world, 2);
	faults_end();
	world_close(&world);
}

/* A sender that does not come back says so. */
static void sender_that_does_not_come_back(void)
{
	struct world world;

	world_init(&world);
	world.sender_options.flags = EVCHAN_SENDER_NO_RECONNECT;
	world_open(&world);
	world_stream(&world, 1);
	faults_begin();
	evchan_receiver_free(world.receiver);
	world.receiver = NULL;
	while (!world.is_over) {
		world_check_patience(&world, "the end");
		(void)scenario_result(EVCHAN_POLL_LOOP_RUN_ONCE,
				evchan_poll_loop_run_once(world.loop, 5));
	}
	CHECK_EQUAL(evchan_send(world.sender, 0, NULL, 0, 0), -EPIPE);
	faults_end();
	world_close(&world);
}

/* ---- The dead -------------------------------------------------------------------------------- */

/* What a sender has left in the queue is delivered though it is gone. */
static void sender_gone_before_it_is_admitted(void)
{
	struct world world;
	bool was_sent;

	world_init(&world);
	world_make_loop(&world);
	world_make_receiver(&world);
	world_make_sender(&world);
	faults_begin();
	was_sent = world_send(&world, 0) == 0;
	evchan_sender_free(world.sender);
	world.sender = NULL;
	/* If it cannot be delivered, the receiver tells. */
	WORLD_UNTIL(&world, world.left > 0 || world.errors > 0);
	CHECK(world.received == (was_sent ? 1 : 0) || world.errors > 0);
	faults_end();
	world_close(&world);
}

static void shutdown_with_the_dead(void)
{
	struct world world;

	world_init(&world);
	world_open(&world);
	world_stream(&world, 1);
	faults_begin();
	evchan_receiver_pause(world.receiver);
	(void)world_send(&world, 0);
	evchan_sender_free(world.sender);
	world.sender = NULL;
	(void)scenario_result(EVCHAN_RECEIVER_SHUTDOWN,
			evchan_receiver_shutdown(world.receiver));
	WORLD_UNTIL(&world, world.shut_down > 0);
	CHECK(world.received == world.sent || world.errors > 0);
	faults_end();
	world_close(&world);
}

/* ---- A pair ---------------------------------------------------------------------------------- */

/* Both ends of a pair that was handed in. */
static void handed_in(void)
{
	struct world world;
	int pair[2], r;

	world_init(&world);
	world_make_loop(&world);
	world_make_receiver(&world);
	world.sender_options.flags = 0;
	do {
		CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		snprintf(world.address, sizeof(world.address), "fd:%d", pair[1]);
		world.is_over = false;
		faults_begin();
		do
			r = scenario_result(EVCHAN_RECEIVER_ADOPT,
					evchan_receiver_adopt(world.receiver, pair[0]));
		while (r < 0);
		world_make_sender(&world);
		(void)world_send(&world, 0);
		/* Such a sender has one attempt only; its end is told, and then there is another pair. */
		while (!world.is_over && world.received < 1) {
			world_check_patience(&world, "the message");
			(void)scenario_result(EVCHAN_POLL_LOOP_RUN_ONCE,
					evchan_poll_loop_run_once(world.loop, 5));
		}
		faults_end();
		evchan_sender_free(world.sender);
		world.sender = NULL;
		CHECK(!world.is_over || faults_struck());
		world.sent = 0;
		world.generation++;
	} while (world.is_over);
	world_close(&world);
}

/* ---- A stranger ------------------------------------------------------------------------------ */

/* Says hello with more than there may be: all of it is closed, and the receiver goes on. */
static void stranger_with_descriptors(void)
{
	struct control_hello hello = {
		.version = CONTROL_PROTOCOL_VERSION, .capacity = 4096, .header_size = 4096
	};
	unsigned char frame[CONTROL_FRAME_MAX];
	struct control_ancillary ancillary = { .fd_count = 2, .credentials = true };
	struct control_socket control;
	struct world world;
	int pair[2];

	world_init(&world);
	world_make_loop(&world);
	world_make_receiver(&world);
	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	control_socket_init(&control, pair[1]);
	ancillary.fds = pair;
	CHECK_EQUAL(control_socket_send(&control, frame,
				    control_encode_hello(frame, &hello), &ancillary),
			0);
	world.is_provoked = true;
	faults_begin();
	while (scenario_result(EVCHAN_RECEIVER_ADOPT,
			       evchan_receiver_adopt(world.receiver, pair[0])) < 0)
		;
	while (recv(pair[1], frame, sizeof(frame), MSG_DONTWAIT | MSG_PEEK) < 0)
		world_turn(&world, "the answer");
	world.is_provoked = false;
	world_make_sender(&world);
	world_stream(&world, 1);
	faults_end();
	close(pair[1]);
	world_close(&world);
}

SCENARIOS({ .name = "next_receiver", .play = next_receiver },
		{ .name = "next_receiver_after_shutdown",
				.play = next_receiver_after_shutdown },
		{ .name = "receiver_comes_later", .play = receiver_comes_later },
		{ .name = "sender_that_does_not_come_back",
				.play = sender_that_does_not_come_back },
		{ .name = "sender_gone_before_it_is_admitted",
				.play = sender_gone_before_it_is_admitted },
		{ .name = "shutdown_with_the_dead", .play = shutdown_with_the_dead },
		{ .name = "handed_in", .play = handed_in },
		{ .name = "stranger_with_descriptors",
				.play = stranger_with_descriptors })
