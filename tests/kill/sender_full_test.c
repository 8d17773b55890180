/* SPDX-License-Identifier: MIT */
/*
 * P2 and P5, for senders, at every instruction of several messages in a row, of a
 * refusal for want of room, and of the turn in which the sender is told that there is
 * some: one that is killed anywhere in them leaves exactly what it had published, a
 * prefix of its messages.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "scene.h"
#include "sender_part.h"
#include "single_step.h"

/* ---- In a row -------------------------------------------------------------------- */

static void send_corked(struct actor *actor)
{
	evchan_cork(actor->sender.sender);
	for (int i = 0; i < 3; i++)
		actor_send(actor, 0);
	evchan_uncork(actor->sender.sender);
}

static void send_several(struct actor *actor)
{
	for (int i = 0; i < 3; i++)
		actor_send(actor, 0);
}

static void send_and_wake(struct actor *actor)
{
	actor_send(actor, EVCHAN_SEND_NO_WAKE);
	actor_send(actor, EVCHAN_SEND_NO_WAKE);
	evchan_sender_wake(actor->sender.sender);
}

static void send_and_turn(struct actor *actor)
{
	actor_send(actor, EVCHAN_SEND_NO_WAKE);
	stage_look(&actor->stage, 2);
}

/* The receiver is rung, and does not run before the end. */
static void wake_receiver(struct actor *actor)
{
	actor_send_some(actor, 1);
}

/* ---- A full ring ----------------------------------------------------------------- */

/* Leaves no room for the next message, which has not been tried. */
static void fill_ring(struct actor *actor)
{
	for (actor_load(actor); record_bytes(actor, 0) <= room_left(actor);
			actor_load(actor))
		actor_send_some(actor, 1);
}

static void try_one(struct actor *actor, unsigned flags)
{
	CHECK_EQUAL(evchan_send(actor->sender.sender, actor_type(actor),
				    actor_bytes(actor), actor_size(actor), flags),
			-EAGAIN);
}

static void be_refused(struct actor *actor)
{
	try_one(actor, 0);
}

static void be_refused_unless_empty(struct actor *actor)
{
	try_one(actor, EVCHAN_SEND_IF_EMPTY);
}

/* Corks, with room for a message or some. */
static void fill_ring_nearly(struct actor *actor)
{
	while (room_left(actor) > 2 * (RING_RECORD_HEADER + VICTIM_MOST))
		actor_send_some(actor, 1);
	evchan_cork(actor->sender.sender);
}

/* A send that finds no room publishes what is corked. */
static void send_until_refused(struct actor *actor)
{
	int r;

	while ((r = evchan_send(actor->sender.sender, actor_type(actor),
				actor_bytes(actor), actor_size(actor), 0)) == 0)
		actor_advance(actor);
	CHECK_EQUAL(r, -EAGAIN);
}

static void send_when_writable(struct test_sender *sender, enum told told)
{
	struct actor *actor = sender->arg;

	if (told == TOLD_WRITABLE)
		actor_send(actor, 0);
}

/* The receiver will ring for room. */
static void fill_ring_and_be_refused(struct actor *actor)
{
	fill_ring(actor);
	be_refused(actor);
	actor->sender.act = send_when_writable;
	actor->sender.arg = actor;
}

static void hear_of_room(struct actor *actor)
{
	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_WRITABLE]);
}

static void wish_to_be_told(struct actor *actor)
{
	CHECK_EQUAL(evchan_sender_notify_drained(actor->sender.sender), 0);
}

/* Before the receiver has read what was sent. */
static void wish_to_be_told_later(struct actor *actor)
{
	actor_send_some(actor, 1);
	wish_to_be_told(actor);
}

static void hear_of_the_end(struct actor *actor)
{
	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_DRAINED]);
}

/* Enough in one turn that what follows is published without the full look at the
 * receiver's wish. */
static void make_a_burst(struct actor *actor)
{
	actor_send_some(actor, 40);
}

/* ---- The tests ------------------------------------------------------------------- */

#define COUNT(parts) (sizeof(parts) / sizeof((parts)[0]))

/* Several messages of one call sequence: a prefix of them; all or none if they were
 * corked. */
static void messages_in_a_row_are_a_prefix(void **state)
{
	static const struct sender_part parts[] = {
		{ .name = "cork, send, uncork",
				.act = send_corked,
				.count = 3,
				.is_whole = true },
		{ .name = "cork, send until full",
				.prepare = fill_ring_nearly,
				.act = send_until_refused,
				.is_whole = true },
		{ .name = "burst",
				.begin = make_a_burst,
				.act = send_several,
				.count = 3 },
		{ .name = "no wake, wake", .act = send_and_wake, .count = 2 },
		{ .name = "no wake, turn", .act = send_and_turn, .count = 1 },
	};

	(void)state;
	play_sender_parts(parts, COUNT(parts));
}

/* A send that is refused and asks to be told of room, and the turn in which
 * it is told. */
static void refused_message_leaves_no_trace(void **state)
{
	static const struct sender_part parts[] = {
		{ .name = "refused", .prepare = fill_ring, .act = be_refused },
		{ .name = "refused, not empty",
				.prepare = wake_receiver,
				.act = be_refused_unless_empty },
		{ .name = "told of room, send",
				.begin = fill_ring_and_be_refused,
				.act = hear_of_room,
				.count = 1 },
		{ .name = "ask for drained",
				.prepare = wake_receiver,
				.act = wish_to_be_told },
		{ .name = "told of drained",
				.begin = wish_to_be_told_later,
				.act = hear_of_the_end },
	};

	(void)state;
	play_sender_parts(parts, COUNT(parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(messages_in_a_row_are_a_prefix),
		SCENE_TEST(refused_message_leaves_no_trace),
	};

	if (!step_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
