/* SPDX-License-Identifier: MIT */
/*
 * P2, for senders, at every instruction of the way from one receiver to the next: one
 * that is killed there is either nobody to the next receiver, or a lane that resumes
 * where the last one has stopped, has all that was published, and leaves. What was
 * published and is in no receiver's hands is lost with its sender, and only that.
 *
 * The first receiver has released 3 messages when it ends. The victim has published
 * some more.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "acting_sender.h"
#include "every_instruction.h"
#include "scene.h"
#include "single_step.h"

#define POINTS 30u /* of each part, in the short form */
#define CAPACITY 4096u
#define RELEASED 3u

static const struct evchan_receiver_options tight = {
	.size = sizeof(tight), .max_senders = 3, .max_total_bytes = 3 * CAPACITY
};

struct part {
	const char *name;
	uint32_t bell;
	bool is_crash; /* the first receiver ends without a goodbye */
	bool is_full;  /* the victim waits for room, and sends one more when it has it */
	/* In the victim, not stepped; the next receiver is there. May be NULL. */
	void (*prepare)(struct actor *actor);
	bool is_admitted; /* after that, by the next receiver */
	/* What is stepped. */
	void (*act)(struct actor *actor);
	bool is_joined; /* the next receiver has the ring when it is done */
	unsigned count; /* messages that it sends */
};

/* What the victim tells. */
struct word {
	volatile uint64_t published; /* messages, before it is stepped */
};

struct play {
	const struct part *part;
	struct house house;
	struct word *word;
	int ready, go; /* gates */
};

/* ---- The victim ------------------------------------------------------------------ */

static void send_when_writable(struct test_sender *sender, enum told told)
{
	struct actor *actor = sender->arg;

	if (told == TOLD_WRITABLE)
		actor_send(actor, 0);
}

static void fill_ring(struct actor *actor)
{
	int r = stream_send(&actor->stream, actor->sender.sender, UINT64_MAX);

	CHECK_EQUAL(r, -EAGAIN);
	actor->sender.act = send_when_writable;
	actor->sender.arg = actor;
}

static void victim_begins(struct actor *actor, const struct play *play)
{
	const struct evchan_sender_options options = { .capacity = CAPACITY,
		.bell = play->part->bell,
		.reconnect_min_ms = 1,
		.reconnect_max_ms = 1 };

	actor_init(actor, true);
	actor_open(actor, &options);
	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_CONNECTED]);
	actor_send_some(actor, RELEASED);
	scene_open_gate(play->ready);
	/* The receiver does not read any more. */
	scene_pass_gate(play->go);
	if (play->part->is_full)
		fill_ring(actor);
	else
		actor_send_some(actor, 2);
	play->word->published = actor->stream.next;
	scene_open_gate(play->ready);
	/* It has ended, and there is another. */
	scene_pass_gate(play->go);
}

static void victim_role(void *arg)
{
	struct play *play = arg;
	const struct part *part = play->part;
	static struct actor actor;

	victim_begins(&actor, play);
	if (part->prepare)
		part->prepare(&actor);
	if (part->is_admitted) {
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
	stage_pass_gate(&house->stage, play->ready);
	STAGE_UNTIL(&house->stage, house_received(house) == RELEASED);
	house_settle(house);
	evchan_receiver_pause(house->receiver.receiver);
	scene_open_gate(play->go);
	stage_pass_gate(&house->stage, play->ready);
	house_restart(house, play->part->is_crash);
	scene_open_gate(play->go);
	if (!play->part->is_admitted)
		return house->victim;
	scene_pass_gate(play->ready);
	STAGE_UNTIL(&house->stage, house_received(house) == play->word->published);
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
	uint64_t published = play->word->published;
	uint64_t received;

	house_check_left(&play->house, EVCHAN_LEFT_CRASHED, EVCHAN_LEFT_CRASHED);
	received = house_received(house);
	if (house->joined) {
		CHECK(house->is_resumed);
		CHECK(received >= published && received <= published + part->count);
	} else {
		CHECK_EQUAL(received, RELEASED);
		CHECK(!part->is_admitted);
	}
	if (is_done) {
		CHECK_EQUAL(house->joined, part->is_joined);
		CHECK(!part->is_joined || received == published + part->count);
	}
	house_check_others(&play->house);
	house_check_room(&play->house);
}

static void play_parts(const struct part *parts, size_t count)
{
	struct play play = { .word = scene_share(sizeof(*play.word)),
		.ready = scene_gate(),
		.go = scene_gate() };

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

static void hear_of_the_end(struct actor *actor)
{
	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_DISCONNECTED]);
}

static bool has_said_hello(const struct actor *actor)
{
	struct evchan_pending pending = EVCHAN_PENDING_INIT;

	evchan_sender_get_pending(actor->sender.sender, &pending);
	return pending.hello_sent;
}

/* A timer of 1 ms comes before it: the one wait that no other process ends. */
static void reconnect(struct actor *actor)
{
	STAGE_UNTIL(&actor->stage, has_said_hello(actor));
}

static void hear_of_the_end_and_reconnect(struct actor *actor)
{
	hear_of_the_end(actor);
	reconnect(actor);
}

static void hear_the_welcome(struct actor *actor)
{
	unsigned connected = actor->sender.calls[TOLD_CONNECTED];

	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_CONNECTED] > connected);
	actor_send(actor, 0);
}

static void hear_the_welcome_and_of_room(struct actor *actor)
{
	STAGE_UNTIL(&actor->stage, actor->sender.calls[TOLD_WRITABLE]);
}

/* ---- The tests ------------------------------------------------------------------- */

#define COUNT(parts) (sizeof(parts) / sizeof((parts)[0]))

/* From the hang-up of one receiver to the hello to the next. */
static void ring_is_offered_whole_or_not_at_all(void **state)
{
	static const struct part parts[] = {
		{ .name = "goodbye", .act = hear_of_the_end },
		{ .name = "hang-up", .is_crash = true, .act = hear_of_the_end },
		{ .name = "hang-up, full",
				.is_crash = true,
				.is_full = true,
				.act = hear_of_the_end },
		{ .name = "second hello",
				.prepare = hear_of_the_end,
				.act = reconnect,
				.is_joined = true },
		{ .name = "hang-up, second hello, full",
				.is_full = true,
				.act = hear_of_the_end_and_reconnect,
				.is_joined = true },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

/* From the welcome of the next receiver on. */
static void next_receiver_has_all_that_was_published(void **state)
{
	static const struct part parts[] = {
		{ .name = "second welcome",
				.prepare = hear_of_the_end_and_reconnect,
				.is_admitted = true,
				.act = hear_the_welcome,
				.is_joined = true,
				.count = 1 },
		{ .name = "second welcome, socket",
				.bell = EVCHAN_BELL_SOCKET,
				.prepare = hear_of_the_end_and_reconnect,
				.is_admitted = true,
				.act = hear_the_welcome,
				.is_joined = true,
				.count = 1 },
		{ .name = "second welcome, full",
				.is_full = true,
				.prepare = hear_of_the_end_and_reconnect,
				.is_admitted = true,
				.act = hear_the_welcome_and_of_room,
				.is_joined = true,
				.count = 1 },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(ring_is_offered_whole_or_not_at_all),
		SCENE_TEST(next_receiver_has_all_that_was_published),
	};

	if (!step_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
