/* SPDX-License-Identifier: MIT */
/*
 * Inside a callback everything is allowed: freeing the handle it was called for, or any other, or
 * the loop; sending, evicting, pausing, shutting down, leaving the loop.
 *
 * One drama is played for each pair of callback and deed: a receiver and three senders on one
 * base go through joining, sending, full, drained, refused, leaving and shutdown, and at the
 * first call of the chosen kind the deed is done. The drama goes on with whatever is left
 * then. Nothing may be touched after it was freed (the sanitizers and valgrind look), no callback
 * may come from a freed handle (test_receiver.c and test_sender.c look), and a second pair on the
 * same base must not notice anything.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include <evchan/libevent.h>

#include "scene.h"
#include "stream.h"

#define LOOKS 12 /* turns in which a step of the drama has come to rest */
#define SMALL_RING 4096

struct drama {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender first;  /* there from the beginning to the shutdown */
	struct test_sender denied; /* refused */
	struct test_sender guest;  /* says goodbye in the middle */
	struct test_sender extra;  /* opened by deeds */
	/* who must not notice */
	struct test_receiver other_receiver;
	struct test_sender other_sender;
	struct stream stream;
	struct stream_sink sink;
	/* what is done, and when */
	int chosen; /* enum heard or enum told */
	const struct deed *deed;
	unsigned deeds_done;
};

struct deed {
	const char *name;
	void (*of_receiver)(struct drama *drama, struct evchan_lane *lane,
			const struct evchan_message *message);
	void (*of_sender)(struct drama *drama, struct test_sender *sender);
};

static const struct evchan_sender_options small = { .size = sizeof(small),
	.capacity = SMALL_RING };

static char other_address[80];

/* ---- Deeds that either may do ------------------------------------------------------ */

static void send_something(struct test_sender *sender)
{
	int r;

	if (!sender->sender)
		return;
	r = evchan_send(sender->sender, 1, "something", 10, 0);
	CHECK(r == 0 || r == -EAGAIN || r == -EPIPE);
}

static void free_senders(struct drama *drama)
{
	test_sender_free(&drama->first);
	test_sender_free(&drama->denied);
	test_sender_free(&drama->guest);
	test_sender_free(&drama->extra);
}

/* Whoever calls is called by something of all this. */
static void free_everything(struct drama *drama)
{
	free_senders(drama);
	test_receiver_free(&drama->receiver);
	test_sender_free(&drama->other_sender);
	test_receiver_free(&drama->other_receiver);
	evchan_libevent_loop_free(drama->stage.loop);
	drama->stage.loop = NULL;
}

static void leave_loop(struct drama *drama)
{
	CHECK_EQUAL(event_base_loopbreak(drama->stage.base), 0);
}

static void open_extra(struct drama *drama)
{
	int r;

	if (drama->extra.sender)
		return;
	r = test_sender_try(&drama->extra, &drama->stage, scene_address(), &small);
	CHECK(r == 0 || r == -ECONNREFUSED);
	send_something(&drama->extra);
}

/* ---- Deeds inside a receiver's callbacks --------------------------------------------- */

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
	send_something(&drama->first);
	send_something(&drama->guest);
}

RECEIVER_DEED(receiver_frees_its_senders)
{
	UNUSED_LANE_AND_MESSAGE;
	free_senders(drama);
}

RECEIVER_DEED(receiver_opens_a_sender)
{
	UNUSED_LANE_AND_MESSAGE;
	open_extra(drama);
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
	free_everything(drama);
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

/* ---- Deeds inside a sender's callbacks ------------------------------------------------ */

static void sender_frees_itself(struct drama *drama, struct test_sender *sender)
{
	(void)drama;
	test_sender_free(sender);
}

static void sender_is_replaced(struct drama *drama, struct test_sender *sender)
{
	test_sender_free(sender);
	open_extra(drama);
}

static void sender_sends(struct drama *drama, struct test_sender *sender)
{
	(void)drama;
	send_something(sender);
	send_something(sender);
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
	send_something(sender);
	evchan_uncork(sender->sender);
	send_something(sender);
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
	free_senders(drama);
}

static void sender_leaves_the_loop(struct drama *drama, struct test_sender *sender)
{
	(void)sender;
	leave_loop(drama);
}

static void sender_frees_everything(struct drama *drama, struct test_sender *sender)
{
	(void)sender;
	free_everything(drama);
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

/* ---- The drama ------------------------------------------------------------------------ */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void receiver_acts(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct drama *drama = receiver->arg;

	if (!drama->deed->of_receiver || (int)heard != drama->chosen || drama->deeds_done)
		return;
	drama->deeds_done++;
	drama->deed->of_receiver(drama, lane, message);
}

static void sender_acts(struct test_sender *sender, enum told told)
{
	struct drama *drama = sender->arg;

	if (!drama->deed->of_sender || (int)told != drama->chosen || drama->deeds_done)
		return;
	drama->deeds_done++;
	drama->deed->of_sender(drama, sender);
}

static void open_drama(struct drama *drama, const char *backend)
{
	struct evchan_sender_options labelled = small;

	stage_open(&drama->stage, backend);
	drama->receiver.asks = true;
	drama->receiver.act = receiver_acts;
	drama->receiver.arg = drama;
	drama->first.act = drama->denied.act = sender_acts;
	drama->guest.act = drama->extra.act = sender_acts;
	drama->first.arg = drama->denied.arg = drama;
	drama->guest.arg = drama->extra.arg = drama;

	drama->stream.count = UINT64_MAX;
	drama->stream.most = 100;
	drama->other_receiver.act = stream_act;
	drama->other_receiver.arg = &drama->sink;
	snprintf(other_address, sizeof(other_address), "%s-other", scene_address());
	labelled.label = "0";
	test_receiver_open(&drama->other_receiver, &drama->stage, other_address, NULL);
	test_sender_open(&drama->other_sender, &drama->stage, other_address, &labelled);

	test_receiver_open(&drama->receiver, &drama->stage, scene_address(), NULL);
	test_sender_open(&drama->first, &drama->stage, scene_address(), &small);
}

/* Lets the last step come to rest, while the others go about their business. */
static void settle(struct drama *drama)
{
	if (drama->other_sender.sender)
		(void)stream_send(&drama->stream, drama->other_sender.sender, 20);
	stage_look(&drama->stage, LOOKS);
	if (!drama->receiver.receiver)
		return;
	evchan_receiver_resume(drama->receiver.receiver);
	stage_look(&drama->stage, LOOKS);
}

static void fill_and_drain(struct drama *drama)
{
	struct evchan_sender *sender = drama->first.sender;
	int r;

	if (!sender)
		return;
	while ((r = evchan_send(sender, 0, "0123456789abcdef", 16, 0)) == 0)
		;
	CHECK(r == -EAGAIN || r == -EPIPE);
	settle(drama);
	if (drama->first.sender)
		(void)evchan_sender_notify_drained(drama->first.sender);
}

/* One that is refused by `authorize`. */
static void open_denied(struct drama *drama)
{
	drama->receiver.answer = -EPERM;
	(void)test_sender_try(&drama->denied, &drama->stage, scene_address(), &small);
	settle(drama);
	drama->receiver.answer = 0;
}

/* One that sends and leaves. */
static void play_guest(struct drama *drama)
{
	if (drama->stage.loop)
		(void)test_sender_try(&drama->guest, &drama->stage, scene_address(), &small);
	settle(drama);
	send_something(&drama->guest);
	test_sender_free(&drama->guest);
}

static void play(struct drama *drama)
{
	settle(drama);
	fill_and_drain(drama);
	settle(drama);
	if (drama->stage.loop)
		open_denied(drama);
	play_guest(drama);
	settle(drama);
	if (drama->receiver.receiver)
		(void)evchan_receiver_shutdown(drama->receiver.receiver);
	settle(drama);
}

static void close_drama(struct drama *drama)
{
	if (drama->other_receiver.receiver)
		CHECK_EQUAL(drama->sink.next[0], drama->stream.next);
	if (drama->stage.loop)
		free_everything(drama);
	stage_close(&drama->stage);
}

static void play_one(const struct deed *deed, int chosen, const char *backend)
{
	struct drama drama = { .deed = deed, .chosen = chosen };
	char context[80];

	snprintf(context, sizeof(context), "[in callback %d the %s %s, on %s]", chosen,
			deed->of_receiver ? "receiver" : "sender", deed->name, backend);
	check_context = context;
	open_drama(&drama, backend);
	play(&drama);
	CHECK_EQUAL(drama.deeds_done, 1);
	close_drama(&drama);
	check_context = NULL;
}

static void play_receiver_deeds(const char *backend)
{
	for (size_t deed = 0; deed < COUNT(receiver_deeds); deed++)
		for (int heard = 0; heard < HEARD_KINDS; heard++)
			if (heard != HEARD_AUTHORIZE || !frees_receiver(&receiver_deeds[deed]))
				play_one(&receiver_deeds[deed], heard, backend);
}

static void play_sender_deeds(const char *backend)
{
	for (size_t deed = 0; deed < COUNT(sender_deeds); deed++)
		for (int told = 0; told < TOLD_KINDS; told++)
			play_one(&sender_deeds[deed], told, backend);
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

/* ---- Several callbacks that are due at once ----------------------------------------- */

static void free_when_writable(struct test_sender *sender, enum told told)
{
	if (told == TOLD_WRITABLE)
		test_sender_free(sender);
}

/* Of several callbacks that are due at once none comes from a sender that was freed in an earlier one:
 * here `drained` after `writable`. */
static void freed_sender_hears_nothing_more(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { .act = free_when_writable };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), &small);
	test_sender_fill(&sender, 16);
	CHECK_EQUAL(evchan_sender_notify_drained(sender.sender), 0);
	STAGE_UNTIL(&stage, !sender.sender);
	stage_look(&stage, LOOKS);
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
