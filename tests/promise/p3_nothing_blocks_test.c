/* SPDX-License-Identifier: MIT */
/*
 * P3: nothing blocks. A sender that stands still, or never finishes its hello, delays
 * nobody but itself; nor does a receiver that stands still. A call that blocked would
 * show as a test that hangs; delays are counted in turns of the loop, not in time.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <signal.h>

#include "flood.h"
#include "hostile_peer.h"
#include "scene.h"

/* A stopped sender is not taken for dead, delays nobody, and goes on where it was. */
static void stopped_sender_delays_only_itself(void **state)
{
	struct flood flood;
	uint64_t stopped, other;

	(void)state;
	flood_open(&flood, NULL);
	scene_stop(flood.processes[0]);
	stage_look(&flood.stage, 200);
	stopped = flood.sink.next[0];
	other = flood.sink.next[1];
	STAGE_UNTIL(&flood.stage, flood.sink.next[1] > other + scene_scaled(10000));
	CHECK_EQUAL(flood.sink.next[0], stopped);
	CHECK_EQUAL(flood.receiver.calls[HEARD_HUNG_UP], 0);
	CHECK_EQUAL(kill(flood.processes[0], SIGCONT), 0);
	STAGE_UNTIL(&flood.stage, flood.sink.next[0] > stopped);
	flood_close(&flood);
}

/* Living senders, stopped or flooding, hold up no shutdown: it is complete within a
 * few turns. */
static void living_senders_do_not_delay_a_shutdown(void **state)
{
	struct flood flood;
	uint64_t turn;

	(void)state;
	flood_open(&flood, NULL);
	scene_stop(flood.processes[0]);
	stage_turn(&flood.stage);
	turn = flood.stage.turns;
	CHECK_EQUAL(evchan_receiver_shutdown(flood.receiver.receiver), 0);
	STAGE_UNTIL(&flood.stage, flood.receiver.calls[HEARD_SHUT_DOWN]);
	CHECK(flood.stage.turns - turn <= 5);
	CHECK_EQUAL(flood.receiver.calls[HEARD_LEFT], FLOOD_SENDERS);
	CHECK_EQUAL(flood.receiver.left_reason, EVCHAN_LEFT_SHUTDOWN);
	CHECK_EQUAL(flood.receiver.calls[HEARD_HUNG_UP], 0);
	flood_close(&flood);
}

/* Connections that say nothing, or half a hello, keep nobody waiting. */
static void silent_connections_delay_nobody(void **state)
{
	struct hostile_peer peers[40];
	struct test_sender single = { 0 };
	struct flood flood;

	(void)state;
	flood_open(&flood, NULL);
	for (int i = 0; i < 40; i++) {
		peers[i] = (struct hostile_peer)HOSTILE_PEER_NONE;
		hostile_connect(&peers[i], scene_address());
		if (i % 2)
			hostile_say(&peers[i], "\x10", 1, NULL, 0);
	}
	/* 32 connections are accepted in one turn. */
	stage_look(&flood.stage, 2);
	flood_open_single(&single);
	flood_send_single(&flood, &single);
	for (int i = 0; i < 40; i++)
		hostile_close(&peers[i]);
	test_sender_free(&single);
	flood_close(&flood);
}

struct sleeper {
	int ready;
	int end;
};

static void sleeping_receiver(void *arg)
{
	struct sleeper *gates = arg;
	struct test_receiver receiver = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	scene_open_gate(gates->ready);
	stage_pass_gate(&stage, gates->end);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void count_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(unsigned *)arg;
}

/* The sender's loop goes on with other things. */
static void tick(struct stage *stage)
{
	static const struct timeval soon = { 0, 1000 };
	unsigned ticks = 0;
	struct event *event = event_new(stage->base, -1, EV_PERSIST, count_tick, &ticks);

	CHECK_EQUAL(event_add(event, &soon), 0);
	STAGE_UNTIL(stage, ticks == 20);
	event_free(event);
}

/* A stopped receiver blocks no sender: neither sending, nor making one, nor freeing. */
static void stopped_receiver_blocks_no_sender(void **state)
{
	struct sleeper gates = { scene_gate(), scene_gate() };
	struct test_sender connected = { 0 }, late = { 0 };
	struct stage stage;
	pid_t process;

	(void)state;
	process = scene_start(sleeping_receiver, &gates);
	scene_pass_gate(gates.ready);
	stage_open(&stage, NULL);
	test_sender_open(&connected, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, connected.calls[TOLD_CONNECTED]);
	scene_stop(process);
	CHECK(test_sender_fill(&connected, 1000) > 100);
	test_sender_open(&late, &stage, scene_address(), NULL);
	CHECK(test_sender_fill(&late, 1000) > 100);
	tick(&stage);
	CHECK_EQUAL(connected.calls[TOLD_WRITABLE] + late.calls[TOLD_WRITABLE], 0);
	CHECK_EQUAL(kill(process, SIGCONT), 0);
	STAGE_UNTIL(&stage, connected.calls[TOLD_WRITABLE] && late.calls[TOLD_WRITABLE]);
	scene_stop(process);
	test_sender_free(&connected);
	test_sender_free(&late);
	CHECK_EQUAL(kill(process, SIGCONT), 0);
	scene_open_gate(gates.end);
	scene_join(process);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(stopped_sender_delays_only_itself),
		SCENE_TEST(living_senders_do_not_delay_a_shutdown),
		SCENE_TEST(silent_connections_delay_nobody),
		SCENE_TEST(stopped_receiver_blocks_no_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
