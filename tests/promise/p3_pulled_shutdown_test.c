/* SPDX-License-Identifier: MIT */
/*
 * P3, for a receiver without a loop: living senders do not hold up its shutdown, although
 * their rings never run empty.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define SENDERS 2u
#define TURN 16u        /* messages of one lane per turn */
#define MOST (8 * TURN) /* messages until it must be complete */

struct play {
	struct stage stage;
	struct test_sender senders[SENDERS];
	struct test_receiver receiver;
};

static void open_play(struct play *play)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	options.turn_messages = TURN;
	stage_open(&play->stage, NULL);
	test_receiver_open(&play->receiver, NULL, scene_address(), &options);
	for (unsigned i = 0; i < SENDERS; i++)
		test_sender_open(&play->senders[i], &play->stage, scene_address(), NULL);
}

/* Each ring gets a message for each that is taken. */
static void refill(struct play *play)
{
	for (unsigned i = 0; i < SENDERS; i++)
		while (evchan_send(play->senders[i].sender, 1, "more", 4, 0) == 0)
			continue;
}

/* Takes a message. Returns the result of evchan_receive_wait(). */
static int take(struct play *play)
{
	const struct evchan_message *message;

	refill(play);
	return evchan_receive_wait(&message, play->receiver.receiver, 0);
}

/* It comes to an end after a few turns, and the messages go on to the next receiver. */
static void full_rings_do_not_delay_a_shutdown(void **state)
{
	static struct play play;
	unsigned messages = 0;

	(void)state;
	open_play(&play);
	while (play.receiver.calls[HEARD_JOINED] < SENDERS || messages < 4 * TURN) {
		if (take(&play) == 0)
			messages++;
		stage_look(&play.stage, 1);
	}
	CHECK_EQUAL(evchan_receiver_shutdown(play.receiver.receiver), 0);
	for (messages = 0; take(&play) != -ESHUTDOWN; messages++)
		CHECK(messages < MOST);
	CHECK_EQUAL(play.receiver.calls[HEARD_LEFT], SENDERS);
	CHECK_EQUAL(play.receiver.left_reason, EVCHAN_LEFT_SHUTDOWN);
	test_receiver_free(&play.receiver);
	for (unsigned i = 0; i < SENDERS; i++)
		test_sender_free(&play.senders[i]);
	stage_close(&play.stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(full_rings_do_not_delay_a_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
