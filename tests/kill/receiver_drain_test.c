/* SPDX-License-Identifier: MIT */
/*
 * P2, for receivers, at every instruction of their work: one that is killed anywhere
 * between its wake-up and its going to sleep loses nothing. The next one on its path
 * begins with the oldest message it has not released; both together have got every
 * message; what comes twice is what the release rule allows. The sender hears of the
 * death, and is never stuck, though it was full and waiting for room.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "cursor.h"
#include "every_instruction.h"
#include "killed_receiver.h"
#include "scene.h"
#include "sender.h"
#include "single_step.h"

#define POINTS 20u /* of each part, in the short form */

struct heir;

struct part {
	const char *name;
	const char *backend; /* of the victim's loop */
	bool has_own_loop;   /* it pulls its messages */
	uint32_t flags;      /* options of the victim */
	uint32_t turn_messages;
	uint32_t bell;          /* that the sender asks for */
	unsigned messages;      /* that wake it; 0: a full ring, and one refused */
	bool holds;             /* its second message */
	bool has_parting_guest; /* another sender says goodbye at the same time */
	/* What is stepped. */
	void (*act)(struct heir *heir);
	bool says_goodbye;
	bool leaves_all; /* unread */
};

struct play {
	const struct part *part;
	struct succession succession;
	struct test_sender guest;
	int ready, go; /* gates */
};

/* ---- The victim ------------------------------------------------------------------ */

struct heir {
	const struct part *part;
	struct diary *diary;
	struct stage stage;
	struct test_receiver receiver;
	const struct evchan_message *held;
};

static void heir_acts(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct heir *heir = receiver->arg;

	CHECK(heard != HEARD_ERROR);
	if (heard != HEARD_MESSAGE || *evchan_lane_label(lane) != '0')
		return;
	diary_note(heir->diary, message);
	if (heir->part->holds && heir->diary->count == 2)
		CHECK_EQUAL(evchan_message_hold(&heir->held, message), 0);
}

/* One turn that waits. */
static void heir_turn(struct heir *heir)
{
	struct evchan_receiver *receiver = heir->receiver.receiver;

	if (heir->part->has_own_loop)
		CHECK_EQUAL(evchan_poll_loop_run_once(
					    evchan_receiver_poll_loop(receiver), -1),
				0);
	else
		stage_turn(&heir->stage);
}

static void pull_messages(struct heir *heir)
{
	const struct evchan_message *message;
	int r;

	while ((r = evchan_receive_wait(&message, heir->receiver.receiver, 0)) == 0)
		diary_note(heir->diary, message);
	CHECK_EQUAL(r, -EAGAIN);
}

static void go_to_sleep(struct heir *heir)
{
	if (heir->part->has_own_loop)
		pull_messages(heir);
	else
		stage_look(&heir->stage, 8);
}

static void heir_opens(struct heir *heir, const char *address)
{
	const struct part *part = heir->part;
	const struct evchan_receiver_options options = { .size = sizeof(options),
		.flags = part->flags,
		.turn_messages = part->turn_messages };
	unsigned lanes = part->has_parting_guest ? 2 : 1;

	heir->receiver.act = heir_acts;
	heir->receiver.arg = heir;
	if (!part->has_own_loop)
		stage_open(&heir->stage, part->backend);
	test_receiver_open(&heir->receiver, part->has_own_loop ? NULL : &heir->stage,
			address, &options);
	while (heir->receiver.calls[HEARD_JOINED] < lanes)
		heir_turn(heir);
	go_to_sleep(heir);
}

static void victim_role(void *arg)
{
	static struct heir heir;
	struct play *play = arg;

	heir.part = play->part;
	heir.diary = play->succession.diary;
	heir_opens(&heir, play->succession.address);
	scene_open_gate(play->ready);
	scene_pass_gate(play->go);
	step_from_here();
	play->part->act(&heir);
	step_to_here();
}

/* ---- The test -------------------------------------------------------------------- */

static void open_guest(struct play *play)
{
	const struct evchan_sender_options options = { .size = sizeof(options),
		.label = "9",
		.capacity = 4096,
		.flags = EVCHAN_SENDER_WAIT,
		.reconnect_min_ms = 1,
		.reconnect_max_ms = 1 };

	play->guest = (struct test_sender){ 0 };
	test_sender_open(&play->guest, &play->succession.stage, play->succession.address,
			&options);
	STAGE_UNTIL(&play->succession.stage, play->guest.calls[TOLD_CONNECTED]);
}

static void close_guest(struct play *play)
{
	CHECK_EQUAL(evchan_send(play->guest.sender, 1, "adieu", 5, 0), 0);
	test_sender_free(&play->guest);
}

static void check_victim_sleeps(const struct succession *this)
{
	const struct ring_writer *ring = &this->sender.sender->ring;

	CHECK_EQUAL(cursor_get(&ring->page->wake_at), ring->written + 1);
	CHECK_EQUAL(cursor_get(&ring->page->head), ring->written);
}

static pid_t start(void *arg)
{
	struct play *play = arg;
	const struct part *part = play->part;
	struct succession *this = &play->succession;

	succession_start(this, victim_role, play);
	STAGE_UNTIL(&this->stage, this->sender.calls[TOLD_CONNECTED]);
	if (part->has_parting_guest)
		open_guest(play);
	stage_pass_gate(&this->stage, play->ready);
	succession_settle(this);
	check_victim_sleeps(this);
	if (part->has_parting_guest)
		close_guest(play);
	if (part->messages)
		succession_send(this, part->messages);
	else
		succession_fill(this);
	scene_open_gate(play->go);
	return this->victim;
}

static void look(void *arg)
{
	struct play *play = arg;

	succession_look(&play->succession);
}

static void check_done(const struct play *play)
{
	const struct part *part = play->part;
	const struct succession *this = &play->succession;

	if (part->leaves_all) {
		CHECK_EQUAL(this->diary->count, 0);
	} else {
		CHECK_EQUAL(this->diary->count, this->stream.next);
		CHECK_EQUAL(this->head, this->sender.sender->ring.written);
	}
	CHECK(!part->says_goodbye || this->sender.disconnect_error == 0);
}

static void check(void *arg, bool is_done)
{
	struct play *play = arg;
	const struct part *part = play->part;
	struct succession *this = &play->succession;

	STAGE_UNTIL(&this->stage, this->sender.calls[TOLD_DISCONNECTED]);
	CHECK(this->sender.disconnect_error == -ECONNRESET ||
			(part->says_goodbye && this->sender.disconnect_error == 0));
	if (is_done)
		check_done(play);
	succession_check(this, part->holds);
	CHECK_EQUAL(this->sender.resumed, 1);
	if (part->messages == 0)
		STAGE_UNTIL(&this->stage, this->sender.calls[TOLD_WRITABLE]);
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

/* ---- Parts ----------------------------------------------------------------------- */

static void take_turns(struct heir *heir)
{
	stage_look(&heir->stage, 2);
}

static void take_many_turns(struct heir *heir)
{
	stage_look(&heir->stage, 4);
}

static void take_turns_and_release(struct heir *heir)
{
	take_turns(heir);
	evchan_message_release(heir->held);
	take_turns(heir);
}

static void pause_and_resume(struct heir *heir)
{
	evchan_receiver_pause(heir->receiver.receiver);
	take_turns(heir);
	evchan_receiver_resume(heir->receiver.receiver);
	take_turns(heir);
}

static void free_receiver(struct heir *heir)
{
	test_receiver_free(&heir->receiver);
}

static void take_turns_and_free(struct heir *heir)
{
	take_turns(heir);
	free_receiver(heir);
}

static void shut_down(struct heir *heir)
{
	CHECK_EQUAL(evchan_receiver_shutdown(heir->receiver.receiver), 0);
	while (!heir->receiver.calls[HEARD_SHUT_DOWN])
		stage_look(&heir->stage, 1);
	free_receiver(heir);
}

/* ---- The tests ------------------------------------------------------------------- */

#define COUNT(parts) (sizeof(parts) / sizeof((parts)[0]))

/* Woken by each kind of bell, on each kind of loop. */
static void killed_after_any_bell_loses_nothing(void **state)
{
	static const struct part parts[] = {
		{ .name = "eventfd, epoll", .messages = 3, .act = take_turns },
		{ .name = "pipe, epoll",
				.bell = EVCHAN_BELL_PIPE,
				.messages = 3,
				.act = take_turns },
		{ .name = "socket, epoll",
				.bell = EVCHAN_BELL_SOCKET,
				.messages = 3,
				.act = take_turns },
		{ .name = "pipe, poll",
				.backend = "poll",
				.messages = 3,
				.act = take_turns },
		{ .name = "without a loop",
				.has_own_loop = true,
				.messages = 3,
				.act = pull_messages },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

/* Messages are released on the way, or later, or the sender waits for that. */
static void killed_while_releasing_loses_nothing(void **state)
{
	static const struct part parts[] = {
		{ .name = "copies",
				.flags = EVCHAN_RECEIVER_COPY,
				.messages = 3,
				.act = take_turns },
		{ .name = "releases on the way", .messages = 25, .act = take_turns },
		{ .name = "full", .act = take_turns },
		{ .name = "holds one",
				.holds = true,
				.messages = 4,
				.act = take_turns_and_release },
		{ .name = "small shares",
				.turn_messages = 2,
				.messages = 5,
				.act = take_many_turns },
		{ .name = "pauses", .messages = 3, .act = pause_and_resume },
		{ .name = "another says goodbye",
				.has_parting_guest = true,
				.messages = 3,
				.act = take_many_turns },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

/* It was about to end in order. */
static void killed_while_it_ends_loses_nothing(void **state)
{
	static const struct part parts[] = {
		{ .name = "free",
				.messages = 3,
				.act = free_receiver,
				.says_goodbye = true,
				.leaves_all = true },
		{ .name = "turns, free",
				.messages = 3,
				.act = take_turns_and_free,
				.says_goodbye = true },
		{ .name = "shutdown",
				.messages = 3,
				.act = shut_down,
				.says_goodbye = true },
	};

	(void)state;
	play_parts(parts, COUNT(parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(killed_after_any_bell_loses_nothing),
		SCENE_TEST(killed_while_releasing_loses_nothing),
		SCENE_TEST(killed_while_it_ends_loses_nothing),
	};

	if (!step_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
