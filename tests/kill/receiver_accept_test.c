/* SPDX-License-Identifier: MIT */
/*
 * P2, for receivers, at every instruction of an admission: one that is killed while it
 * accepts a sender, reads and checks the hello, maps the ring, answers and tells the
 * application loses nothing. The sender comes to the next receiver on its own, whether
 * or not it has seen a welcome, and brings all it has published.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "every_instruction.h"
#include "killed_receiver.h"
#include "scene.h"
#include "sender.h"
#include "single_step.h"

#define POINTS 20u /* of each part, in the short form */

struct part {
	const char *name;
	uint32_t bell;
	bool is_new;         /* a new ring, else one that other receivers had before */
	bool has_dead_guest; /* before the sender waits one that is gone already */
	bool is_shut_down;   /* the receiver admits it on its way out */
};

struct play {
	const struct part *part;
	struct succession succession;
	int ready, go; /* gates */
};

/* ---- The victim ------------------------------------------------------------------ */

struct heir {
	struct diary *diary;
	struct stage stage;
	struct test_receiver receiver;
};

static void heir_acts(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct heir *heir = receiver->arg;

	CHECK(heard != HEARD_ERROR);
	if (heard == HEARD_MESSAGE && *evchan_lane_label(lane) == '0')
		diary_note(heir->diary, message);
}

static void victim_role(void *arg)
{
	static struct heir heir;
	struct play *play = arg;

	heir.diary = play->succession.diary;
	heir.receiver.act = heir_acts;
	heir.receiver.arg = &heir;
	stage_open(&heir.stage, NULL);
	test_receiver_open(&heir.receiver, &heir.stage, play->succession.address, NULL);
	stage_look(&heir.stage, 1);
	scene_open_gate(play->ready);
	scene_pass_gate(play->go);
	step_from_here();
	if (play->part->is_shut_down) {
		CHECK_EQUAL(evchan_receiver_shutdown(heir.receiver.receiver), 0);
		while (!heir.receiver.calls[HEARD_SHUT_DOWN])
			stage_look(&heir.stage, 1);
	}
	stage_look(&heir.stage, 3);
	step_to_here();
}

/* ---- The test -------------------------------------------------------------------- */

static void send_and_go(struct play *play)
{
	const struct evchan_sender_options options = {
		.size = sizeof(options), .label = "9", .capacity = 4096
	};
	struct test_sender guest = { 0 };

	test_sender_open(&guest, &play->succession.stage, play->succession.address,
			&options);
	CHECK_EQUAL(evchan_send(guest.sender, 1, "adieu", 5, 0), 0);
	test_sender_free(&guest);
}

static pid_t start(void *arg)
{
	struct play *play = arg;
	struct succession *this = &play->succession;

	if (play->part->is_new)
		succession_renew_sender(this);
	succession_start(this, victim_role, play);
	succession_send(this, 3);
	scene_pass_gate(play->ready);
	if (play->part->has_dead_guest)
		send_and_go(play);
	STAGE_UNTIL(&this->stage, this->sender.sender->state == SENDER_GREETING);
	scene_open_gate(play->go);
	return this->victim;
}

static void look(void *arg)
{
	struct play *play = arg;

	succession_look(&play->succession);
}

static void check(void *arg, bool is_done)
{
	struct play *play = arg;
	struct succession *this = &play->succession;

	/* One that shuts down leaves the rings of the living to the next. */
	CHECK(!is_done || play->part->is_shut_down || this->diary->count == 3);
	succession_check(this, false);
	succession_end(this);
}

static void play_parts(const struct part *parts, size_t count)
{
	struct play play = { .ready = scene_gate(), .go = scene_gate() };

	for (size_t i = 0; i < count; i++) {
		const struct kill_plan plan = { parts[i].name, start, look, check, &play,
			POINTS };

		play.part = &parts[i];
		succession_open(&play.succession, (enum evchan_bell)parts[i].bell);
		kill_everywhere(&plan);
		succession_close(&play.succession);
	}
}

/* ---- The tests ------------------------------------------------------------------- */

/* A sender that no receiver has seen yet. */
static void killed_at_a_first_hello_loses_nothing(void **state)
{
	static const struct part parts[] = {
		{ .name = "first hello", .is_new = true },
		{ .name = "first hello, pipe", .is_new = true, .bell = EVCHAN_BELL_PIPE },
		{ .name = "first hello, socket",
				.is_new = true,
				.bell = EVCHAN_BELL_SOCKET },
	};

	(void)state;
	play_parts(parts, sizeof(parts) / sizeof(parts[0]));
}

/* A sender that brings its ring from another receiver. */
static void killed_at_a_resumed_hello_loses_nothing(void **state)
{
	static const struct part parts[] = {
		{ .name = "another hello" },
		{ .name = "another hello, behind that of a dead one",
				.has_dead_guest = true },
		{ .name = "another hello, shutting down", .is_shut_down = true },
	};

	(void)state;
	play_parts(parts, sizeof(parts) / sizeof(parts[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(killed_at_a_first_hello_loses_nothing),
		SCENE_TEST(killed_at_a_resumed_hello_loses_nothing),
	};

	if (!step_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
