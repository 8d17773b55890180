/* SPDX-License-Identifier: MIT */
/*
 * Inside a callback everything is allowed: freeing the handle it was called for, or any
 * other, or the loop; sending, evicting, pausing, shutting down, leaving the loop.
 *
 * One drama (drama.h) is played for each pair of callback and deed, on a loop with edges
 * and on one without.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "drama.h"
#include "scene.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void leave_loop(struct drama *drama)
{
	CHECK_EQUAL(event_base_loopbreak(drama->stage.base), 0);
}

/* ---- Deeds inside a receiver's callbacks --------------------------------- */

#define RECEIVER_DEED(name) \
	static void name(struct drama *drama, struct evchan_lane *lane, \
			const struct evchan_message *message)
#define UNUSED_LANE_AND_MESSAGE \
	(void)lane; \
	(void)message

RECEIVER_DEED(receiver_frees_itself)
{
	UNUSED_LANE_AND_MESSAGE;
	test_receiver_free(&drama->receiver);
}

RECEIVER_DEED(receiver_is_replaced)
{
	UNUSED_LANE_AND_MESSAGE;
	test_receiver_free(&drama->receiver);
	test_receiver_open(&drama->receiver, &drama->stage, scene_address(), NULL);
}

RECEIVER_DEED(receiver_evicts)
{
	unsigned left = drama->receiver.calls[HEARD_LEFT];
	int r;

	(void)message;
	if (!lane)
		return;
	r = evchan_lane_evict(lane, "enough");
	CHECK(r == 0 || r == -ENOTCONN);
	CHECK_EQUAL(evchan_lane_evict(lane, "enough"), -ENOTCONN);
	CHECK_EQUAL(drama->receiver.calls[HEARD_LEFT], left);
}

RECEIVER_DEED(receiver_pauses)
{
	UNUSED_LANE_AND_MESSAGE;
	evchan_receiver_pause(drama->receiver.receiver); /* until the next step */
}

RECEIVER_DEED(receiver_pauses_and_resumes)
{
	(void)message;
	evchan_receiver_pause(drama->receiver.receiver);
	if (lane) {
		evchan_lane_pause(lane);
		evchan_lane_resume(lane);
	}
	evchan_receiver_resume(drama->receiver.receiver);
}

RECEIVER_DEED(receiver_shuts_down)
{
	int r = evchan_receiver_shutdown(drama->receiver.receiver);

	UNUSED_LANE_AND_MESSAGE;
	CHECK(r == 0 || r == -EALREADY);
}

RECEIVER_DEED(receiver_sends)
{
	UNUSED_LANE_AND_MESSAGE;
	drama_send(&drama->first);
	drama_send(&drama->guest);
}

RECEIVER_DEED(receiver_frees_its_senders)
{
	UNUSED_LANE_AND_MESSAGE;
	drama_free_senders(drama);
}

RECEIVER_DEED(receiver_opens_a_sender)
{
	UNUSED_LANE_AND_MESSAGE;
	drama_open_extra(drama);
}

RECEIVER_DEED(receiver_leaves_the_loop)
{
	UNUSED_LANE_AND_MESSAGE;
	leave_loop(drama);
}

/* Holds the message, which goes on beyond the receiver. */
RECEIVER_DEED(receiver_holds_and_frees)
{
	const struct evchan_message *held = NULL;

	(void)lane;
	if (message)
		CHECK_EQUAL(evchan_message_hold(&held, message), 0);
	test_receiver_free(&drama->receiver);
	evchan_message_release(held);
}

RECEIVER_DEED(receiver_frees_everything)
{
	UNUSED_LANE_AND_MESSAGE;
	drama_free_everything(drama);
}

static const struct deed receiver_deeds[] = {
	{ "frees itself", receiver_frees_itself, NULL },
	{ "is replaced", receiver_is_replaced, NULL },
	{ "evicts", receiver_evicts, NULL },
	{ "pauses", receiver_pauses, NULL },
	{ "pauses and resumes", receiver_pauses_and_resumes, NULL },
	{ "shuts down", receiver_shuts_down, NULL },
	{ "sends", receiver_sends, NULL },
	{ "frees its senders", receiver_frees_its_senders, NULL },
	{ "opens a sender", receiver_opens_a_sender, NULL },
	{ "leaves the loop", receiver_leaves_the_loop, NULL },
	{ "holds and frees", receiver_holds_and_frees, NULL },
	{ "frees everything", receiver_frees_everything, NULL },
};

/* `authorize` is the one callback in which the receiver must not be freed. */
static bool frees_receiver(const struct deed *deed)
{
	return deed->of_receiver == receiver_frees_itself ||
			deed->of_receiver == receiver_is_replaced ||
			deed->of_receiver == receiver_holds_and_frees ||
			deed->of_receiver == receiver_frees_everything;
}

/* ---- Deeds inside a sender's callbacks ----------------------------------- */

static void sender_frees_itself(struct drama *drama, struct test_sender *sender)
{
	(void)drama;
	test_sender_free(sender);
}

static void sender_is_replaced(struct drama *drama, struct test_sender *sender)
{
	test_sender_free(sender);
	drama_open_extra(drama);
}

static void sender_sends(struct drama *drama, struct test_sender *sender)
{
	(void)drama;
	drama_send(sender);
	drama_send(sender);
}

static void sender_fills(struct drama *drama, struct test_sender *sender)
{
	int r;

	(void)drama;
	while ((r = evchan_send(sender->sender, 0, NULL, 0, 0)) == 0)
		;
	CHECK(r == -EAGAIN || r == -EPIPE);
	r = evchan_sender_notify_drained(sender->sender);
	CHECK(r == 0 || r == -EPIPE);
}

static void sender_sends_corked(struct drama *drama, struct test_sender *sender)
{
	(void)drama;
	evchan_cork(sender->sender);
	evchan_cork(sender->sender);
	drama_send(sender);
	evchan_uncork(sender->sender);
	drama_send(sender);
	evchan_uncork(sender->sender);
}

static void sender_reserves(struct drama *drama, struct test_sender *sender)
{
	struct evchan_span span;

	(void)drama;
	if (evchan_reserve(&span, sender->sender, 8, 64) < 0)
		return;
	CHECK_EQUAL(evchan_send(sender->sender, 0, NULL, 0, 0), -EBUSY);
	memset(span.data, 'x', 8);
	CHECK_EQUAL(evchan_commit(sender->sender, 1, 8, EVCHAN_SEND_NO_WAKE), 0);
}

static void sender_frees_the_receiver(struct drama *drama, struct test_sender *sender)
{
	(void)sender;
	test_receiver_free(&drama->receiver);
}

static void sender_frees_all_senders(struct drama *drama, struct test_sender *sender)
{
	(void)sender;
	drama_free_senders(drama);
}

static void sender_leaves_the_loop(struct drama *drama, struct test_sender *sender)
{
	(void)sender;
	leave_loop(drama);
}

static void sender_frees_everything(struct drama *drama, struct test_sender *sender)
{
	(void)sender;
	drama_free_everything(drama);
}

static const struct deed sender_deeds[] = {
	{ "frees itself", NULL, sender_frees_itself },
	{ "is replaced", NULL, sender_is_replaced },
	{ "sends", NULL, sender_sends },
	{ "fills its ring", NULL, sender_fills },
	{ "sends corked", NULL, sender_sends_corked },
	{ "reserves", NULL, sender_reserves },
	{ "frees the receiver", NULL, sender_frees_the_receiver },
	{ "frees all senders", NULL, sender_frees_all_senders },
	{ "leaves the loop", NULL, sender_leaves_the_loop },
	{ "frees everything", NULL, sender_frees_everything },
};

/* ---- All of them --------------------------------------------------------- */

static void play_receiver_deeds(const char *backend)
{
	for (size_t deed = 0; deed < COUNT(receiver_deeds); deed++)
		for (int heard = 0; heard < HEARD_KINDS; heard++)
			if (heard != HEARD_AUTHORIZE ||
					!frees_receiver(&receiver_deeds[deed]))
				drama_play(&receiver_deeds[deed], heard, backend);
}

static void play_sender_deeds(const char *backend)
{
	for (size_t deed = 0; deed < COUNT(sender_deeds); deed++)
		for (int told = 0; told < TOLD_KINDS; told++)
			drama_play(&sender_deeds[deed], told, backend);
}

/* Everything may be done in every callback of a receiver, on a loop with edges. */
static void receiver_callbacks_allow_everything_on_epoll(void **state)
{
	(void)state;
	play_receiver_deeds("epoll");
}

/* The same on a loop without. */
static void receiver_callbacks_allow_everything_on_poll(void **state)
{
	(void)state;
	play_receiver_deeds("poll");
}

/* Everything may be done in every callback of a sender, on a loop with edges. */
static void sender_callbacks_allow_everything_on_epoll(void **state)
{
	(void)state;
	play_sender_deeds("epoll");
}

/* The same on a loop without. */
static void sender_callbacks_allow_everything_on_poll(void **state)
{
	(void)state;
	play_sender_deeds("poll");
}

/* ---- Several callbacks that are due at once ------------------------------ */

static void free_when_writable(struct test_sender *sender, enum told told)
{
	if (told == TOLD_WRITABLE)
		test_sender_free(sender);
}

/* Of several callbacks that are due at once none comes from a sender that was freed in
 * an earlier one: here `drained` after `writable`. */
static void freed_sender_hears_nothing_more(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { .act = free_when_writable };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(),
			&(struct evchan_sender_options){
					.size = sizeof(struct evchan_sender_options),
					.capacity = DRAMA_RING });
	test_sender_fill(&sender, 16);
	CHECK_EQUAL(evchan_sender_notify_drained(sender.sender), 0);
	STAGE_UNTIL(&stage, !sender.sender);
	stage_look(&stage, DRAMA_LOOKS);
	CHECK_EQUAL(sender.calls[TOLD_DRAINED], 0);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(receiver_callbacks_allow_everything_on_epoll),
		SCENE_TEST(receiver_callbacks_allow_everything_on_poll),
		SCENE_TEST(sender_callbacks_allow_everything_on_epoll),
		SCENE_TEST(sender_callbacks_allow_everything_on_poll),
		SCENE_TEST(freed_sender_hears_nothing_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
