/* SPDX-License-Identifier: MIT */
/*
 * P2, for senders, at every instruction of the calls that send one message: one that is
 * killed anywhere in them leaves exactly what it had published: every message before,
 * and this one wholly or not at all.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "scene.h"
#include "sender_part.h"
#include "single_step.h"

/* ---- Parts ----------------------------------------------------------------------- */

static void send_one(struct actor *actor)
{
	actor_send(actor, 0);
}

/* The receiver is rung, and does not run before the end. */
static void wake_receiver(struct actor *actor)
{
	actor_send_some(actor, 1);
}

static void send_pieces(struct actor *actor)
{
	unsigned char *bytes = actor->bytes[actor->used];
	size_t size = actor_size(actor);
	const struct iovec pieces[] = { { bytes, 3 }, { bytes + 3, 0 }, { bytes + 3, 14 },
		{ bytes + 17, size - 17 } };

	CHECK_EQUAL(evchan_sendv(actor->sender.sender, actor_type(actor), pieces, 4, 0),
			0);
	actor_advance(actor);
}

static void commit_one(struct actor *actor)
{
	struct evchan_span span;

	CHECK_EQUAL(evchan_reserve(&span, actor->sender.sender, actor_size(actor), 200),
			0);
	memcpy(span.data, actor_bytes(actor), actor_size(actor));
	CHECK_EQUAL(evchan_commit(actor->sender.sender, actor_type(actor),
				    actor_size(actor), 0),
			0);
	actor_advance(actor);
}

static void abort_one_and_commit_one(struct actor *actor)
{
	struct evchan_span span;

	CHECK_EQUAL(evchan_reserve(&span, actor->sender.sender, 8, 64), 0);
	memset(span.data, 0xff, 64);
	evchan_abort(actor->sender.sender);
	commit_one(actor);
}

static void send_several(struct actor *actor)
{
	for (int i = 0; i < 3; i++)
		actor_send(actor, 0);
}

static void send_if_empty(struct actor *actor)
{
	actor_send(actor, EVCHAN_SEND_IF_EMPTY);
}

static void send_and_wait(struct actor *actor)
{
	CHECK_EQUAL(evchan_send_wait(actor->sender.sender, actor_type(actor),
				    actor_bytes(actor), actor_size(actor), 0, -1),
			0);
	actor_advance(actor);
}

static void make_note(struct actor *actor)
{
	CHECK_EQUAL(evchan_sender_add_note(actor->sender.sender, SENDER_PART_NOTE,
				    SENDER_PART_NOTE_TEXT, strlen(SENDER_PART_NOTE_TEXT)),
			0);
	actor_send(actor, 0);
}

/* ---- The tests ------------------------------------------------------------------- */

#define COUNT(parts) (sizeof(parts) / sizeof((parts)[0]))

/* A message to a receiver that sleeps, through each kind of bell, and without a loop. */
static void message_to_a_sleeper_is_whole_or_not_there(void **state)
{
	static const struct sender_part parts[] = {
		{ .name = "send, eventfd",
				.bell = EVCHAN_BELL_EVENTFD,
				.act = send_one,
				.count = 1 },
		{ .name = "send, pipe",
				.bell = EVCHAN_BELL_PIPE,
				.act = send_one,
				.count = 1 },
		{ .name = "send, socket",
				.bell = EVCHAN_BELL_SOCKET,
				.act = send_one,
				.count = 1 },
		{ .name = "send_wait",
				.has_own_loop = true,
				.act = send_and_wait,
				.count = 1 },
		{ .name = "sendv", .act = send_pieces, .count = 1 },
		{ .name = "reserve, commit", .act = commit_one, .count = 1 },
		{ .name = "reserve, abort, reserve, commit",
				.act = abort_one_and_commit_one,
				.count = 1 },
		{ .name = "send if empty", .act = send_if_empty, .count = 1 },
	};

	(void)state;
	play_sender_parts(parts, COUNT(parts));
}

/* Messages to a receiver that need not be rung. */
static void message_to_one_awake_is_whole_or_not_there(void **state)
{
	static const struct sender_part parts[] = {
		{ .name = "send to one awake",
				.prepare = wake_receiver,
				.act = send_several,
				.count = 3 },
		{ .name = "reserve, commit to one awake",
				.prepare = wake_receiver,
				.act = commit_one,
				.count = 1 },
	};

	(void)state;
	play_sender_parts(parts, COUNT(parts));
}

/* The same with a second receiver, after the first. */
static void message_to_the_next_receiver_is_whole_or_not_there(void **state)
{
	static const struct sender_part parts[] = {
		{ .name = "send after hand-over",
				.is_handed_over = true,
				.act = send_one,
				.count = 1 },
		{ .name = "send after hand-over, socket",
				.bell = EVCHAN_BELL_SOCKET,
				.is_handed_over = true,
				.act = send_one,
				.count = 1 },
	};

	(void)state;
	play_sender_parts(parts, COUNT(parts));
}

/* A note, too, is there wholly or not at all, and before the message that follows it. */
static void note_is_whole_or_not_there(void **state)
{
	static const struct sender_part parts[] = {
		{ .name = "note, send",
				.act = make_note,
				.count = 1,
				.makes_note = true },
	};

	(void)state;
	play_sender_parts(parts, COUNT(parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(message_to_a_sleeper_is_whole_or_not_there),
		SCENE_TEST(message_to_one_awake_is_whole_or_not_there),
		SCENE_TEST(message_to_the_next_receiver_is_whole_or_not_there),
		SCENE_TEST(note_is_whole_or_not_there),
	};

	if (!step_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
