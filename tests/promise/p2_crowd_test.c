/* SPDX-License-Identifier: MIT */
/*
 * Hundreds of senders lose their receiver at the same moment. They do not come back all at
 * once, nor again and again, and each hands its ring to the next receiver with all that is
 * in it.
 *
 * How often they come is counted by an impostor at the same address, which hangs up on
 * everybody. How often they may come follows from the back-off alone, however fast or slow
 * the machine is: before its attempt number n a sender has waited for the halves of all
 * steps before it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hostile_peer.h"
#include "scene.h"
#include "stage.h"
#include "test_receiver.h"
#include "test_sender.h"

#define SENDERS 150u /* in one process with their receiver, below what select(2) takes */
#define ROUNDS 6u /* attempts of each that are waited for, on average */
#define FIRST_WAIT_MS \
	5u /* the shortest first step: half of the default reconnect_min_ms */

struct crowd {
	struct stage stage;
	struct test_sender senders[SENDERS];
	int ready; /* gate: all have joined */
	uint64_t killed_at;
};

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Receives one message of each, and is killed. */
static void short_lived_receiver(void *arg)
{
	struct crowd *crowd = arg;
	struct test_receiver receiver = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_MESSAGE] == SENDERS);
	scene_open_gate(crowd->ready);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
}

static unsigned count_told(const struct crowd *crowd, enum told told)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SENDERS; i++)
		count += crowd->senders[i].calls[told];
	return count;
}

static void send_one_each(struct crowd *crowd)
{
	for (unsigned i = 0; i < SENDERS; i++)
		CHECK_EQUAL(evchan_send(crowd->senders[i].sender, 0, &i, sizeof(i), 0),
				0);
}

static void open_crowd(struct crowd *crowd)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	pid_t receiver;

	crowd->ready = scene_gate();
	receiver = scene_start(short_lived_receiver, crowd);
	options.capacity = 4096;
	options.flags = EVCHAN_SENDER_WAIT;
	stage_open(&crowd->stage, NULL);
	for (unsigned i = 0; i < SENDERS; i++)
		test_sender_open(&crowd->senders[i], &crowd->stage, scene_address(),
				&options);
	send_one_each(crowd);
	stage_pass_gate(&crowd->stage, crowd->ready);
	STAGE_UNTIL(&crowd->stage, count_told(crowd, TOLD_CONNECTED) == SENDERS);
	crowd->killed_at = milliseconds();
	scene_kill(receiver);
}

static void close_crowd(struct crowd *crowd)
{
	for (unsigned i = 0; i < SENDERS; i++)
		test_sender_free(&crowd->senders[i]);
	stage_close(&crowd->stage);
}

/* Takes all who wait at the listener, and hangs up on them. */
static unsigned turn_away(int listener)
{
	unsigned count = 0;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		close(fd);
		count++;
	}
	CHECK_EQUAL(errno, EAGAIN);
	return count;
}

/* The most attempts of one sender in so many milliseconds. */
static unsigned most_attempts(uint64_t elapsed)
{
	uint64_t waited = FIRST_WAIT_MS, step = FIRST_WAIT_MS;
	unsigned attempts = 0;

	for (; waited <= elapsed; attempts++) {
		step *= 2;
		waited += step;
	}
	return attempts;
}

/* A crowd waits longer and longer, each for a time of its own, as long as nobody is
 * there. */
static void crowd_backs_off(void **state)
{
	static struct crowd crowd;
	unsigned attempts = 0;
	int listener;

	(void)state;
	open_crowd(&crowd);
	listener = hostile_listen(scene_address());
	/* So that nobody is turned away by the kernel, and not counted. */
	CHECK_EQUAL(listen(listener, SENDERS), 0);
	CHECK_EQUAL(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	STAGE_UNTIL(&crowd.stage, count_told(&crowd, TOLD_DISCONNECTED) == SENDERS);
	while (attempts < ROUNDS * SENDERS) {
		stage_await(&crowd.stage, listener);
		attempts += turn_away(listener);
		CHECK(attempts <= SENDERS *
						most_attempts(milliseconds() -
								crowd.killed_at));
	}
	CHECK_EQUAL(count_told(&crowd, TOLD_CONNECTED), SENDERS);
	close(listener);
	close_crowd(&crowd);
}

/* All come back to the next receiver, which has from each all that it has sent, what was
 * sent between the two included. */
static void crowd_comes_back(void **state)
{
	struct test_receiver receiver = { 0 };
	static struct crowd crowd;

	(void)state;
	open_crowd(&crowd);
	send_one_each(&crowd);
	STAGE_UNTIL(&crowd.stage, count_told(&crowd, TOLD_DISCONNECTED) == SENDERS);
	test_receiver_open(&receiver, &crowd.stage, scene_address(), NULL);
	/* The first messages may come again: their receiver was killed. */
	STAGE_UNTIL(&crowd.stage,
			count_told(&crowd, TOLD_CONNECTED) == 2 * SENDERS &&
					receiver.calls[HEARD_MESSAGE] >= SENDERS);
	for (unsigned i = 0; i < SENDERS; i++)
		CHECK_EQUAL(crowd.senders[i].resumed, 1);
	CHECK(receiver.calls[HEARD_MESSAGE] <= 2 * SENDERS);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], SENDERS);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	test_receiver_free(&receiver);
	close_crowd(&crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(crowd_backs_off),
		SCENE_TEST(crowd_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
