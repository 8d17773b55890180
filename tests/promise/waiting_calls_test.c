/* SPDX-License-Identifier: MIT */
/*
 * The calls that wait: their time-outs and errors, when a pulled message is released, and
 * what callbacks may do meanwhile.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define TIMEOUT_MS 30

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Time-outs ----------------------------------------------------------- */

/* A receive with nothing there: zero only looks, and a time-out takes its time. */
static void receive_takes_its_time(void **state)
{
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	uint64_t before;

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EAGAIN);
	before = milliseconds();
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, TIMEOUT_MS),
			-ETIMEDOUT);
	CHECK(milliseconds() - before >= TIMEOUT_MS);
	test_receiver_free(&receiver);
}

/* A send without room, and a drain with nobody to consume: likewise. */
static void send_takes_its_time(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	uint64_t before;

	(void)state;
	options.flags = EVCHAN_SENDER_WAIT;
	options.capacity = 4096;
	test_sender_open(&sender, NULL, scene_address(), &options);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), 0);
	test_sender_fill(&sender, 100);
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4088, 0, 0), -EAGAIN);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), -EAGAIN);
	before = milliseconds();
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4088, 0, TIMEOUT_MS),
			-ETIMEDOUT);
	CHECK(milliseconds() - before >= TIMEOUT_MS);
	before = milliseconds();
	CHECK_EQUAL(evchan_drain_wait(sender.sender, TIMEOUT_MS), -ETIMEDOUT);
	CHECK(milliseconds() - before >= TIMEOUT_MS);
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4089, 0, -1), -EMSGSIZE);
	test_sender_free(&sender);
}

static void note_signal(int signal)
{
	(void)signal;
}

/* A signal every millisecond. */
static timer_t start_signals(void)
{
	const struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigaction action = { .sa_handler = note_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	CHECK_EQUAL(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQUAL(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	CHECK_EQUAL(timer_settime(timer, 0, &often, NULL), 0);
	return timer;
}

/* A signal ends the wait, and nothing else. */
static void signals_end_the_wait(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	struct test_sender sender = { 0 };
	timer_t timer;
	unsigned sent;

	(void)state;
	options.capacity = 4096;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), &options);
	sent = test_sender_fill(&sender, 100);
	timer = start_signals();
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4000, 0, -1), -EINTR);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, -1), -EINTR);
	while (sent) {
		int r = evchan_receive_wait(&message, receiver.receiver, -1);

		CHECK(r == 0 || r == -EINTR);
		sent -= r == 0;
	}
	evchan_receive_done(receiver.receiver);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), -EINTR);
	CHECK_EQUAL(timer_delete(timer), 0);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), 0);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
}

/* ---- Where they are not allowed ------------------------------------------ */

/* Who has a loop waits there. */
static void handles_with_a_loop_do_not_wait(void **state)
{
	const struct evchan_message *message;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	CHECK(!evchan_receiver_poll_loop(receiver.receiver));
	CHECK(!evchan_sender_poll_loop(sender.sender));
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EINVAL);
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 0, 0, 0), -EINVAL);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), -EINVAL);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void receive_in_callback(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	const struct evchan_message *another;

	(void)heard;
	(void)lane;
	CHECK(!message);
	CHECK_EQUAL(evchan_receive_wait(&another, receiver->receiver, 0), -EINVAL);
}

static void send_in_callback(struct test_sender *sender, enum told told)
{
	(void)told;
	CHECK_EQUAL(evchan_send_wait(sender->sender, 0, NULL, 0, 0, 0), -EINVAL);
	CHECK_EQUAL(evchan_drain_wait(sender->sender, 0), -EINVAL);
	CHECK_EQUAL(evchan_send(sender->sender, 0, NULL, 0, 0), 0);
}

/* Nobody waits inside a callback; sending without waiting is right there as
 * everywhere. */
static void callbacks_do_not_wait(void **state)
{
	struct test_receiver receiver = { .act = receive_in_callback };
	struct test_sender sender = { .act = send_in_callback };
	const struct evchan_message *message;

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EAGAIN);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 1);
	CHECK_EQUAL(evchan_poll_loop_run_once(evchan_sender_poll_loop(sender.sender), 0),
			0);
	CHECK_EQUAL(sender.calls[TOLD_CONNECTED], 1);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
}

/* ---- Messages that were pulled ------------------------------------------- */

/* The message stays until the next is asked for, or it is said to be done; then it is
 * released. */
static void pulled_message_is_released_by_the_next(void **state)
{
	const struct evchan_message *message, *held;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), NULL);
	for (int i = 0; i < 4; i++)
		CHECK_EQUAL(evchan_send(sender.sender, 0, "16 bytes of text", 16, 0), 0);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
	CHECK_EQUAL(evchan_poll_loop_run_once(evchan_sender_poll_loop(sender.sender), -1),
			0);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 4 * 24);
	evchan_receive_done(receiver.receiver);
	evchan_receive_done(receiver.receiver);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 3 * 24);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), 0);
	CHECK_EQUAL(evchan_message_hold(&held, message), 0);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), 0);
	CHECK(memcmp(held->data, "16 bytes of text", 16) == 0);
	evchan_receive_done(receiver.receiver);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 3 * 24);
	evchan_message_release(held);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 1 * 24);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
}

/* One that was pulled and not done when the receiver is freed comes again at the next
 * one; it and none before it. */
static void pulled_message_comes_again_after_free(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	const struct evchan_message *message;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	options.reconnect_max_ms = 10;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), &options);
	for (uint32_t i = 0; i < 10; i++)
		CHECK_EQUAL(evchan_send(sender.sender, i, NULL, 0, 0), 0);
	for (uint32_t i = 0; i < 5; i++) {
		CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
		CHECK_EQUAL(message->type, i);
	}
	test_receiver_free(&receiver);
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_DISCONNECTED]);
	while (evchan_receive_wait(&message, receiver.receiver, 0) == -EAGAIN)
		stage_turn(&stage);
	CHECK_EQUAL(message->type, 4);
	CHECK(evchan_lane_resumed(message->lane));
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- Freed while waiting ------------------------------------------------- */

static void free_receiver_on_joined(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	(void)lane;
	(void)message;
	CHECK_EQUAL(heard, HEARD_JOINED);
	test_receiver_free(receiver);
}

/* A callback may free the receiver that waits. */
static void receiver_may_be_freed_while_waiting(void **state)
{
	struct test_receiver receiver = { .act = free_receiver_on_joined };
	const struct evchan_message *message;
	struct test_sender sender = { 0 };

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), -ECANCELED);
	test_sender_free(&sender);
}

static void free_sender_on_connected(struct test_sender *sender, enum told told)
{
	CHECK_EQUAL(told, TOLD_CONNECTED);
	test_sender_free(sender);
}

static void check_freed_sender(int (*wait)(struct evchan_sender *sender))
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { .act = free_sender_on_connected };
	struct test_receiver receiver = { 0 };
	struct stage stage;

	options.capacity = 4096;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	evchan_receiver_pause(receiver.receiver);
	test_sender_open(&sender, NULL, scene_address(), &options);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_JOINED]);
	/* The welcome lies in the sender's socket. */
	CHECK_EQUAL(wait(sender.sender), -ECANCELED);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static int wait_for_room(struct evchan_sender *sender)
{
	static const char half[3000];

	CHECK_EQUAL(evchan_send_wait(sender, 0, half, sizeof(half), 0, -1), 0);
	return evchan_send_wait(sender, 0, half, sizeof(half), 0, -1);
}

static int wait_for_emptiness(struct evchan_sender *sender)
{
	evchan_cork(sender);
	CHECK_EQUAL(evchan_send(sender, 0, NULL, 0, 0), 0);
	return evchan_drain_wait(sender, -1);
}

/* A callback may free the sender that waits, in either call. */
static void sender_may_be_freed_while_waiting(void **state)
{
	(void)state;
	check_freed_sender(wait_for_room);
	check_freed_sender(wait_for_emptiness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(receive_takes_its_time),
		SCENE_TEST(send_takes_its_time),
		SCENE_TEST(signals_end_the_wait),
		SCENE_TEST(handles_with_a_loop_do_not_wait),
		SCENE_TEST(callbacks_do_not_wait),
		SCENE_TEST(pulled_message_is_released_by_the_next),
		SCENE_TEST(pulled_message_comes_again_after_free),
		SCENE_TEST(receiver_may_be_freed_while_waiting),
		SCENE_TEST(sender_may_be_freed_while_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
