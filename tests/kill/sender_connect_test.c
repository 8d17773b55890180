/* SPDX-License-Identifier: MIT */
/*
 * P2 and P8, for senders, at every instruction of their beginning and of their end: one
 * that is killed while it makes its ring, connects, says hello, hears its welcome, or
 * says goodbye, is either nobody to the receiver or a lane that joins, has all that was
 * published, and leaves. Nothing of it is left: no descriptor, no place among the
 * senders, no byte of their memory.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acting_sender.h"
#include "every_instruction.h"
#include "scene.h"
#include "single_step.h"

#define POINTS 40u /* of each part, in the short form */
#define CAPACITY 4096u

static const struct evchan_receiver_options tight = {
	.size = sizeof(tight), .max_senders = 3, .max_total_bytes = 3 * CAPACITY
};

struct part {
	const char *name;
	uint32_t bell;
	bool has_own_loop;
	/* In the victim, not stepped. May be NULL: there is nothing yet. */
	void (*prepare)(struct actor *actor);
	bool is_unanswered; /* the receiver runs only after that */
	/* What is stepped. */
	void (*act)(struct actor *actor);
	unsigned before, after; /* messages published before `act`, and when it is done */
	bool says_goodbye;
};

struct play {
	const struct part *part;
	struct house house;
	int ready, go; /* gates */
};

static struct evchan_sender_options victim_options; /* of the part being played */

/* ---- The victim ------------------------------------------------------------------ */

static void victim_role(void *arg)
{
	struct play *play = arg;
	const struct part *part = play->part;
	static struct actor actor;

	victim_options = (struct evchan_sender_options){ .capacity = CAPACITY,
		.bell = part->bell };
	actor_init(&actor, !part->has_own_loop);
	if (part->prepare) {
		part->prepare(&actor);
		scene_open_gate(play->ready);
		scene_pass_gate(play->go);
	}
	actor_load(&actor);
	step_from_here();
	part->act(&actor);
	step_to_here();
}

/* ---- The test -------------------------------------------------------------------- */

static pid_t start(void *arg)
{
	struct play *play = arg;
	struct house *house = &play->house;

	house_start(house, victim_role, play);
	if (!play->part->prepare)
		return house->victim;
	if (play->part->is_unanswered)
		scene_pass_gate(play->ready);
	else
		stage_pass_gate(&house->stage, play->ready);
	STAGE_UNTIL(&house->stage,
			house->joined && house_received(house) == play->part->before);
	house_settle(house);
	scene_open_gate(play->go);
	return house->victim;
}

static void look(void *arg)
{
	struct play *play = arg;

	house_look(&play->house);
}

static void check(void *arg, bool is_done)
{
	struct play *play = arg;
	const struct part *part = play->part;
	const struct house *house = &play->house;
	uint64_t received;

	house_check_left(&play->house,
			part->says_goodbye && is_done ? EVCHAN_LEFT_CLOSED
						      : EVCHAN_LEFT_CRASHED,
			part->says_goodbye ? EVCHAN_LEFT_CLOSED : EVCHAN_LEFT_CRASHED);
	received = house_received(house);
	CHECK(received >= part->before && received <= part->after);
	CHECK(!is_done || received == part->after);
	CHECK(!is_done || house->joined);
	house_check_others(&play->house);
	house_check_room(&play->house);
}

static void play_parts(const struct part *parts, size_t count)
{
	struct play play = { .ready = scene_gate(), .go = scene_gate() };

	for (size_t i = 0; i < count; i++) {
		const struct kill_plan plan = { parts[i].name, start, look, check, &play,
			POINTS };

		play.part = &parts[i];
		house_open(&play.house, &tight);
		kill_everywhere(&plan);
		house_close(&play.house);
	}
}

/* ---- Parts ----------------------------------------------------------------------- */

static void connect_to_receiver(struct actor *actor)
{
	actor_open(actor, &victim_options);
}

static void connect_and_send(struct actor *actor)
{
	connect_to_receiver(actor);
	for (int i = 0; i < 3; i++)
		actor_send(actor, 0);
}

static void connect_and_send_some(struct actor *actor)
{
	actor_load(actor);
	connect_and_send(actor);
}

static void hear_the_welcome(struct actor *actor)
{
	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_CONNECTED]);
	actor_send(actor, 0);
}

/* The welcome is seen by the look that follows a message while there is no answer yet. */
static void send_into_the_welcome(struct actor *actor)
{
	actor_send(actor, 0);
	actor_send(actor, 0);
	CHECK_EQUAL(actor->sender.calls[TOLD_CONNECTED], 0);
}

static void connect_and_be_welcomed(struct actor *actor)
{
	connect_to_receiver(actor);
	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_CONNECTED]);
}

static void say_goodbye(struct actor *actor)
{
	test_sender_free(&actor->sender);
}

static void send_and_say_goodbye(struct actor *actor)
{
	evchan_cork(actor->sender.sender);
	actor_send(actor, 0);
	actor_send(actor, 0);
	say_goodbye(actor);
}

/* ---- The tests ------------------------------------------------------------------- */

#define COUNT(parts) (sizeof(parts) / sizeof((parts)[0]))

/* The ring is made, the hello said, and messages are sent before there is an answer. */
static void hello_is_heard_or_was_never_said(void **state)
{
	static const struct part parts[] = {
		{ .name = "connect", .act = connect_to_receiver },
		{ .name = "connect without a loop",
				.has_own_loop = true,
				.act = connect_to_receiver },
		{ .name = "connect, send", .act = connect_and_send, .after = 3 },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

/* The receiver has answered. */
static void welcome_changes_nothing_of_what_was_published(void **state)
{
	static const struct part parts[] = {
		{ .name = "welcome, eventfd",
				.bell = EVCHAN_BELL_EVENTFD,
				.prepare = connect_and_send_some,
				.is_unanswered = true,
				.act = hear_the_welcome,
				.before = 3,
				.after = 4 },
		{ .name = "welcome, pipe",
				.bell = EVCHAN_BELL_PIPE,
				.prepare = connect_and_send_some,
				.is_unanswered = true,
				.act = hear_the_welcome,
				.before = 3,
				.after = 4 },
		{ .name = "welcome, socket",
				.bell = EVCHAN_BELL_SOCKET,
				.prepare = connect_and_send_some,
				.is_unanswered = true,
				.act = hear_the_welcome,
				.before = 3,
				.after = 4 },
		{ .name = "welcome while sending",
				.prepare = connect_and_send_some,
				.is_unanswered = true,
				.act = send_into_the_welcome,
				.before = 3,
				.after = 5 },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

/* It ends, before and after the answer has come. */
static void goodbye_loses_nothing(void **state)
{
	static const struct part parts[] = {
		{ .name = "goodbye",
				.prepare = connect_and_be_welcomed,
				.act = say_goodbye,
				.says_goodbye = true },
		{ .name = "goodbye with corked messages",
				.prepare = connect_and_be_welcomed,
				.act = send_and_say_goodbye,
				.after = 2,
				.says_goodbye = true },
		{ .name = "goodbye before the welcome",
				.prepare = connect_and_send_some,
				.is_unanswered = true,
				.act = send_and_say_goodbye,
				.before = 3,
				.after = 5,
				.says_goodbye = true },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(hello_is_heard_or_was_never_said),
		SCENE_TEST(welcome_changes_nothing_of_what_was_published),
		SCENE_TEST(goodbye_loses_nothing),
	};

	if (!step_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
