/* SPDX-License-Identifier: MIT */
/*
 * The victim of such a part, and what is left when it is dead.
 */

#include "sender_part.h"

#include <errno.h>
#include <string.h>

#include "every_instruction.h"
#include "lane.h"
#include "scene.h"
#include "single_step.h"

#define POINTS 40u /* of each part, in the short form */

/* What the victim tells. */
struct word {
	volatile uint64_t begun;  /* messages published by `begin` */
	volatile uint64_t before; /* ... when the first instruction was stepped */
	volatile uint64_t after;  /* ... when all is done */
};

struct play {
	const struct sender_part *part;
	struct house house;
	struct word *word;
	int ready, go; /* gates */
	int note;      /* what asking for it gave */
};

/* ---- The victim ------------------------------------------------------------------ */

static void await_receiver(struct actor *actor)
{
	while (!actor->sender.calls[TOLD_CONNECTED])
		if (actor->has_loop)
			stage_turn(&actor->stage);
		else
			CHECK_EQUAL(evchan_poll_loop_run_once(
						    evchan_sender_poll_loop(
								    actor->sender.sender),
						    -1),
					0);
	actor->sender.calls[TOLD_CONNECTED] = 0;
}

uint64_t room_left(const struct actor *actor)
{
	struct evchan_pending pending = EVCHAN_PENDING_INIT;

	evchan_sender_get_pending(actor->sender.sender, &pending);
	return SENDER_PART_CAPACITY - pending.unconsumed_bytes;
}

/* Messages that fit. */
static unsigned count_fitting(const struct actor *actor)
{
	uint64_t room = room_left(actor);
	unsigned count = 0;

	for (; record_bytes(actor, count) <= room; count++) {
		room -= record_bytes(actor, count);
		CHECK(count + 1 < ACTOR_MESSAGES);
	}
	return count;
}

static void tell(struct actor *actor, const struct play *play)
{
	const struct sender_part *part = play->part;
	unsigned count = part->count;

	if (count == 0 && part->is_whole)
		count = count_fitting(actor);
	play->word->before = actor->stream.next;
	play->word->after = actor->stream.next + count;
}

static void victim_begins(struct actor *actor, const struct play *play)
{
	const struct sender_part *part = play->part;
	const struct evchan_sender_options options = { .capacity = SENDER_PART_CAPACITY,
		.bell = part->bell,
		.reconnect_min_ms = 1,
		.reconnect_max_ms = 1 };

	actor_init(actor, !part->has_own_loop);
	actor_open(actor, &options);
	actor_send_some(actor, 2);
	await_receiver(actor);
	if (part->begin) {
		/* The receiver does not run meanwhile. */
		scene_open_gate(play->ready);
		scene_pass_gate(play->go);
		part->begin(actor);
	}
	play->word->begun = actor->stream.next;
	scene_open_gate(play->ready);
	if (part->is_handed_over) {
		await_receiver(actor);
		scene_open_gate(play->ready);
	}
}

static void victim_role(void *arg)
{
	struct play *play = arg;
	const struct sender_part *part = play->part;
	static struct actor actor;

	victim_begins(&actor, play);
	scene_pass_gate(play->go);
	if (part->prepare)
		part->prepare(&actor);
	actor_load(&actor);
	tell(&actor, play);
	step_from_here();
	part->act(&actor);
	step_to_here();
}

/* ---- The test -------------------------------------------------------------------- */

static void check_receiver_sleeps(const struct house *house)
{
	const struct ring_reader *reader = &house->lane->reader;

	CHECK_EQUAL(cursor_get(&reader->page->wake_at), reader->read + 1);
	CHECK_EQUAL(reader->tail, reader->read);
}

static pid_t start(void *arg)
{
	struct play *play = arg;
	struct house *house = &play->house;

	house_start(house, victim_role, play);
	stage_pass_gate(&house->stage, play->ready);
	if (play->part->begin) {
		scene_open_gate(play->go);
		scene_pass_gate(play->ready);
	}
	STAGE_UNTIL(&house->stage, house_received(house) == play->word->begun);
	house_settle(house);
	if (play->part->is_handed_over) {
		house_restart(house, false);
		stage_pass_gate(&house->stage, play->ready);
		house_settle(house);
	}
	check_receiver_sleeps(house);
	scene_open_gate(play->go);
	return house->victim;
}

/* A note is there as a whole or not at all. */
static int look_for_note(const struct evchan_lane *lane)
{
	char text[64];
	size_t size = sizeof(text);
	int r = evchan_lane_get_note(lane, SENDER_PART_NOTE, text, &size);

	CHECK(r == 0 || r == -ENOENT);
	if (r == 0) {
		CHECK_EQUAL(size, strlen(SENDER_PART_NOTE_TEXT));
		CHECK(memcmp(text, SENDER_PART_NOTE_TEXT, size) == 0);
	}
	return r;
}

static void look(void *arg)
{
	struct play *play = arg;

	house_look(&play->house);
	if (play->part->makes_note)
		play->note = look_for_note(play->house.lane);
}

static void check(void *arg, bool is_done)
{
	struct play *play = arg;
	const struct sender_part *part = play->part;
	const struct word *word = play->word;
	uint64_t received;

	house_check_left(&play->house, EVCHAN_LEFT_CRASHED, EVCHAN_LEFT_CRASHED);
	received = house_received(&play->house);
	CHECK_EQUAL(play->house.joined, 1);
	CHECK(received >= word->before && received <= word->after);
	CHECK(!is_done || received == word->after);
	CHECK(!part->is_whole || received == word->before || received == word->after);
	CHECK(!is_done || !part->makes_note || play->note == 0);
	house_check_others(&play->house);
}

static void play_part(struct play *play)
{
	const struct kill_plan plan = { play->part->name, start, look, check, play,
		POINTS };

	house_open(&play->house, NULL);
	kill_everywhere(&plan);
	house_close(&play->house);
}

void play_sender_parts(const struct sender_part *parts, size_t count)
{
	struct play play = { .word = scene_share(sizeof(*play.word)),
		.ready = scene_gate(),
		.go = scene_gate() };

	for (size_t i = 0; i < count; i++) {
		play.part = &parts[i];
		play_part(&play);
	}
}
