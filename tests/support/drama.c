/* SPDX-License-Identifier: MIT */
/*
 * Everything is in one process, so that each step comes to rest within a few turns that
 * only look. Callbacks of freed handles are noticed by test_receiver.c and test_sender.c,
 * use of freed memory by the sanitizers and valgrind.
 */

#include "drama.h"

#include <errno.h>
#include <stdio.h>

#include "disposal.h"
#include "scene.h"

static const struct evchan_sender_options small = { .size = sizeof(small),
	.capacity = DRAMA_RING };

static char other_address[80];

void drama_send(struct test_sender *sender)
{
	int r;

	if (!sender->sender)
		return;
	r = evchan_send(sender->sender, 1, "something", 10, 0);
	CHECK(r == 0 || r == -EAGAIN || r == -EPIPE);
}

void drama_free_senders(struct drama *drama)
{
	test_sender_free(&drama->first);
	test_sender_free(&drama->denied);
	test_sender_free(&drama->guest);
	test_sender_free(&drama->extra);
}

void drama_free_everything(struct drama *drama)
{
	drama_free_senders(drama);
	test_receiver_free(&drama->receiver);
	test_sender_free(&drama->other_sender);
	test_receiver_free(&drama->other_receiver);
	evchan_libevent_loop_free(drama->stage.loop);
	drama->stage.loop = NULL;
}

void drama_open_extra(struct drama *drama)
{
	int r;

	if (drama->extra.sender)
		return;
	r = test_sender_try(&drama->extra, &drama->stage, scene_address(), &small);
	CHECK(r == 0 || r == -ECONNREFUSED);
	drama_send(&drama->extra);
}

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

static void drama_open(struct drama *drama, const char *backend)
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
	stage_look(&drama->stage, DRAMA_LOOKS);
	if (!drama->receiver.receiver)
		return;
	evchan_receiver_resume(drama->receiver.receiver);
	stage_look(&drama->stage, DRAMA_LOOKS);
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
		(void)test_sender_try(
				&drama->guest, &drama->stage, scene_address(), &small);
	settle(drama);
	drama_send(&drama->guest);
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

static void drama_close(struct drama *drama)
{
	if (drama->other_receiver.receiver)
		CHECK_EQUAL(drama->sink.next[0], drama->stream.next);
	if (drama->stage.loop)
		drama_free_everything(drama);
	stage_close(&drama->stage);
}

void drama_play(const struct deed *deed, int chosen, const char *backend)
{
	struct drama drama = { .deed = deed, .chosen = chosen };
	char context[80];

	snprintf(context, sizeof(context), "[in callback %d the %s %s, on %s]", chosen,
			deed->of_receiver ? "receiver" : "sender", deed->name, backend);
	check_context = context;
	drama_open(&drama, backend);
	play(&drama);
	CHECK_EQUAL(drama.deeds_done, 1);
	drama_close(&drama);
	/* Or the next ones might find no descriptor left. */
	CHECK_EQUAL(disposal_wait(10000), 0);
	check_context = NULL;
}
