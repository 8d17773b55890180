/* SPDX-License-Identifier: MIT */
/*
 * P3, against a sender that does nothing but ring: it is listened to less and less, and then cut off, with its
 * name. Another sender's messages go on coming meanwhile.
 *
 * The storm needs the bell's descriptor, which only the sender's insides know.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bell.h"
#include "scene.h"
#include "sender.h"
#include "stage.h"
#include "test_receiver.h"
#include "test_sender.h"

struct storm {
	enum evchan_bell bell;
	unsigned messages; /* that others send, or this one */
};

static void open_connected(struct test_sender *sender, struct stage *stage, enum evchan_bell bell,
		const char *label)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.bell = bell;
	options.label = label;
	options.flags = EVCHAN_SENDER_WAIT;
	memset(sender, 0, sizeof(*sender));
	test_sender_open(sender, stage, scene_address(), &options);
	STAGE_UNTIL(stage, sender->calls[TOLD_CONNECTED]);
}

/* Rings until the receiver has had enough. */
static void ring_without_end(void *arg)
{
	const struct storm *storm = arg;
	struct test_sender sender;
	struct stage stage;

	stage_open(&stage, NULL);
	open_connected(&sender, &stage, storm->bell, "storm");
	while (!sender.calls[TOLD_REFUSED]) {
		for (unsigned i = 0; i < 1000; i++)
			sender_ring(sender.sender);
		stage_look(&stage, 1);
	}
	CHECK(sender.is_final);
	CHECK_EQUAL(sender.refusal, -EPROTO);
	test_sender_free(&sender);
	stage_close(&stage);
}

static void count_messages(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	unsigned *of_honest = receiver->arg;

	(void)message;
	if (heard == HEARD_MESSAGE && strcmp(evchan_lane_label(lane), "honest") == 0)
		++*of_honest;
}

/* Sends one message after the other, each when the one before is consumed. */
static void send_patiently(void *arg)
{
	const struct storm *storm = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_sender *sender;

	options.label = "honest";
	options.flags = EVCHAN_SENDER_WAIT;
	CHECK_EQUAL(evchan_sender_new(&sender, NULL, scene_address(), &options, NULL, NULL), 0);
	for (unsigned i = 0; i < storm->messages; i++) {
		CHECK_EQUAL(evchan_send_wait(sender, 1, "x", 1, 0, -1), 0);
		CHECK_EQUAL(evchan_drain_wait(sender, -1), 0);
	}
	evchan_sender_free(sender);
}

static void cut_off(enum evchan_bell bell)
{
	struct storm storm = { .bell = bell, .messages = 20 };
	struct test_receiver receiver = { .act = count_messages };
	unsigned of_honest = 0;
	struct stage stage;
	pid_t stormy, honest;

	stage_open(&stage, NULL);
	receiver.arg = &of_honest;
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	stormy = scene_start(ring_without_end, &storm);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_JOINED] == 1);
	honest = scene_start(send_patiently, &storm);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == 2);
	assert_int_equal(of_honest, storm.messages);
	assert_int_equal(receiver.calls[HEARD_ERROR], 1);
	assert_int_equal(receiver.error, -EPROTO);
	assert_non_null(strstr(receiver.text, "rings"));
	scene_join(stormy);
	scene_join(honest);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A storm on the eventfd. */
static void eventfd_storm_is_cut_off(void **state)
{
	(void)state;
	cut_off(EVCHAN_BELL_EVENTFD);
}

/* A storm on the pipe, which is level-triggered. */
static void pipe_storm_is_cut_off(void **state)
{
	(void)state;
	cut_off(EVCHAN_BELL_PIPE);
}

/* A storm of frames on the control socket. */
static void socket_storm_is_cut_off(void **state)
{
	(void)state;
	cut_off(EVCHAN_BELL_SOCKET);
}

/* Rings far more often than it must, but sends in between. */
static void send_noisily(void *arg)
{
	const struct storm *storm = arg;
	struct test_sender sender;
	struct stage stage;

	stage_open(&stage, NULL);
	open_connected(&sender, &stage, storm->bell, "noisy");
	for (unsigned i = 0; i < storm->messages; i++) {
		CHECK_EQUAL(evchan_send(sender.sender, 1, "x", 1, 0), 0);
		for (unsigned j = 0; j < 10; j++)
			sender_ring(sender.sender);
	}
	CHECK_EQUAL(evchan_sender_notify_drained(sender.sender), 0);
	STAGE_UNTIL(&stage, sender.calls[TOLD_DRAINED]);
	test_sender_free(&sender);
	stage_close(&stage);
}

/* Whoever sends may ring as often as it likes. */
static void noise_with_messages_is_no_storm(void **state)
{
	struct storm storm = { .bell = EVCHAN_BELL_EVENTFD, .messages = 1000 };
	struct test_receiver receiver = { .act = count_messages };
	unsigned of_honest = 0;
	struct stage stage;
	pid_t noisy;

	(void)state;
	stage_open(&stage, NULL);
	receiver.arg = &of_honest;
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	noisy = scene_start(send_noisily, &storm);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == 1);
	assert_int_equal(receiver.left_reason, EVCHAN_LEFT_CLOSED);
	assert_int_equal(receiver.calls[HEARD_MESSAGE], storm.messages);
	assert_int_equal(receiver.calls[HEARD_ERROR], 0);
	scene_join(noisy);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(eventfd_storm_is_cut_off),
		SCENE_TEST(pipe_storm_is_cut_off),
		SCENE_TEST(socket_storm_is_cut_off),
		SCENE_TEST(noise_with_messages_is_no_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
