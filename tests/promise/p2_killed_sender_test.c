/* SPDX-License-Identifier: MIT */
/*
 * P2, for senders: one that is killed at any moment loses only what it had not published.
 * The rest arrives, in order and unchanged, then `left` says CRASHED and whose process it
 * was. Others notice nothing.
 *
 * "Exactly what was published" can be told from outside but for one message: a stream in
 * shared memory says how many sends have returned and how many were begun, and the kill
 * may fall between the two, before or after the position was stored.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"
#include "stream.h"

#define VICTIM 1u
#define BYSTANDER 2u

static const struct evchan_sender_options victim_options = {
	.size = sizeof(victim_options), .capacity = 65536, .label = "1"
};

struct audience {
	struct stream_sink sink;
	/* of the victim */
	unsigned left;
	enum evchan_left_reason reason;
	struct evchan_peer peer;
};

static void listen_to(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct audience *audience = receiver->arg;

	CHECK(heard != HEARD_ERROR);
	if (heard == HEARD_MESSAGE)
		stream_receive(&audience->sink, message);
	if (heard != HEARD_LEFT)
		return;
	CHECK_EQUAL(stream_of(lane), VICTIM);
	audience->left++;
	audience->reason = receiver->left_reason;
	audience->peer = evchan_lane_peer(lane);
}

static void check_left(const struct audience *audience, enum evchan_left_reason reason,
		pid_t victim)
{
	CHECK_EQUAL(audience->left, 1);
	CHECK_EQUAL(audience->reason, reason);
	CHECK_EQUAL(audience->peer.pid, victim);
	CHECK_EQUAL(audience->peer.uid, geteuid());
	CHECK_EQUAL(audience->peer.gid, getegid());
}

/* What a test of one sender needs. */
struct play {
	struct stage stage;
	struct test_receiver receiver;
	struct audience audience;
};

static void open_play(struct play *play)
{
	memset(play, 0, sizeof(*play));
	stage_open(&play->stage, NULL);
	play->receiver.act = listen_to;
	play->receiver.arg = &play->audience;
	test_receiver_open(&play->receiver, &play->stage, scene_address(), NULL);
}

static void close_play(struct play *play)
{
	test_receiver_free(&play->receiver);
	stage_close(&play->stage);
}

/* ---- In full flow -------------------------------------------------------- */

/* One victim is killed when `enough` of its messages have come. */
static void kill_one(struct play *play, struct stream_progress *progress, uint64_t enough)
{
	struct audience *audience = &play->audience;
	uint64_t *received = audience->sink.next;
	uint64_t noted;
	pid_t victim;

	received[VICTIM] = 0;
	audience->left = 0;
	*progress = (struct stream_progress){ 0, 0 };
	victim = stream_start_endless(VICTIM, progress);
	STAGE_UNTIL(&play->stage, received[VICTIM] >= enough);
	scene_kill(victim);
	STAGE_UNTIL(&play->stage, audience->left);
	check_left(audience, EVCHAN_LEFT_CRASHED, victim);
	CHECK(received[VICTIM] == progress->sent || received[VICTIM] == progress->begun);
	CHECK(progress->begun - progress->sent <= 1);
	noted = received[BYSTANDER];
	STAGE_UNTIL(&play->stage, received[BYSTANDER] > noted);
}

/* Of a sender killed in full flow exactly what it had published arrives; another
 * sender goes on. */
static void published_messages_of_a_killed_sender_arrive(void **state)
{
	struct stream_progress *progress = scene_share(sizeof(*progress));
	pid_t bystander;
	struct play play;

	(void)state;
	bystander = stream_start_endless(BYSTANDER, NULL);
	open_play(&play);
	srandom(1);
	for (unsigned i = 0; i < scene_scaled(60); i++)
		kill_one(&play, progress, (uint64_t)random() % 3000);
	CHECK_EQUAL(play.receiver.calls[HEARD_JOINED],
			play.receiver.calls[HEARD_LEFT] + 1);
	close_play(&play);
	scene_kill(bystander);
}

/* ---- What was not published ---------------------------------------------- */

/* Sends `count` messages of stream VICTIM. */
static void send_some(struct evchan_sender *sender, uint64_t *next, uint64_t count)
{
	struct stream stream = {
		.id = VICTIM, .next = *next, .count = *next + count, .most = 1000
	};

	CHECK_EQUAL(stream_send(&stream, sender, count), 0);
	*next = stream.next;
}

static void wait_to_be_killed(int ready)
{
	scene_open_gate(ready);
	for (;;)
		pause();
}

/* Publishes 3 messages, writes 2 more, and is in the middle of another. */
static void leave_unpublished(void *arg)
{
	struct test_sender sender = { 0 };
	struct evchan_span span;
	uint64_t next = 0;

	test_sender_open(&sender, NULL, scene_address(), &victim_options);
	send_some(sender.sender, &next, 3);
	evchan_cork(sender.sender);
	send_some(sender.sender, &next, 2);
	CHECK_EQUAL(evchan_reserve(&span, sender.sender, 100, 100), 0);
	memset(span.data, 0xff, 100);
	wait_to_be_killed(*(int *)arg);
}

/* What was reserved or corked but not published is gone without trace. */
static void unpublished_messages_leave_no_trace(void **state)
{
	int ready = scene_gate();
	struct play play;
	pid_t victim;

	(void)state;
	open_play(&play);
	victim = scene_start(leave_unpublished, &ready);
	scene_pass_gate(ready);
	scene_kill(victim);
	STAGE_UNTIL(&play.stage, play.audience.left);
	check_left(&play.audience, EVCHAN_LEFT_CRASHED, victim);
	CHECK_EQUAL(play.audience.sink.next[VICTIM], 3);
	close_play(&play);
}

/* ---- Before it was admitted ---------------------------------------------- */

#define EARLY 10u

static void send_early(struct test_sender *sender)
{
	uint64_t next = 0;

	test_sender_open(sender, NULL, scene_address(), &victim_options);
	send_some(sender->sender, &next, EARLY);
}

static void send_early_and_free(void *arg)
{
	struct test_sender sender = { 0 };

	(void)arg;
	send_early(&sender);
	test_sender_free(&sender);
}

static void send_early_and_exit(void *arg)
{
	struct test_sender sender = { 0 };

	(void)arg;
	send_early(&sender);
	_exit(0);
}

static void send_early_and_wait(void *arg)
{
	struct test_sender sender = { 0 };

	send_early(&sender);
	wait_to_be_killed(*(int *)arg);
}

/* The receiver's loop turns for the first time when the sender is gone. */
static void check_early(
		void (*role)(void *arg), bool is_killed, enum evchan_left_reason reason)
{
	int ready = scene_gate();
	struct play play;
	pid_t victim;

	open_play(&play);
	victim = scene_start(role, &ready);
	if (is_killed) {
		scene_pass_gate(ready);
		scene_kill(victim);
	} else {
		scene_join(victim);
	}
	STAGE_UNTIL(&play.stage, play.audience.left);
	check_left(&play.audience, reason, victim);
	CHECK_EQUAL(play.audience.sink.next[VICTIM], EARLY);
	CHECK_EQUAL(play.receiver.calls[HEARD_JOINED], 1);
	CHECK_EQUAL(play.receiver.calls[HEARD_HUNG_UP], 1);
	close_play(&play);
}

/* A sender that says goodbye and ends before the receiver has accepted it: all it sent
 * arrives. */
static void goodbye_before_admission_loses_nothing(void **state)
{
	(void)state;
	check_early(send_early_and_free, false, EVCHAN_LEFT_CLOSED);
}

/* One whose process ends without a goodbye then: all arrives, and it counts as
 * crashed. */
static void exit_before_admission_loses_nothing(void **state)
{
	(void)state;
	check_early(send_early_and_exit, false, EVCHAN_LEFT_CRASHED);
}

/* One that is killed then: likewise. */
static void kill_before_admission_loses_nothing(void **state)
{
	(void)state;
	check_early(send_early_and_wait, true, EVCHAN_LEFT_CRASHED);
}

/* ---- With a full ring ---------------------------------------------------- */

static void fill_ring(void *arg)
{
	struct stream_progress *progress = arg;
	struct stream stream = {
		.id = VICTIM, .count = UINT64_MAX, .most = 1000, .progress = progress
	};
	struct test_sender sender = { 0 };

	test_sender_open(&sender, NULL, scene_address(), &victim_options);
	CHECK_EQUAL(stream_send(&stream, sender.sender, UINT64_MAX), -EAGAIN);
	_exit(0);
}

/* All of a full ring arrives, also when nobody has read a message before the end and
 * the receiver was paused. */
static void full_ring_outlives_its_sender(void **state)
{
	struct stream_progress *progress = scene_share(sizeof(*progress));
	struct play play;
	pid_t victim;

	(void)state;
	open_play(&play);
	evchan_receiver_pause(play.receiver.receiver);
	victim = scene_start(fill_ring, progress);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_HUNG_UP]);
	scene_join(victim);
	stage_look(&play.stage, 10);
	CHECK_EQUAL(play.audience.left, 0);
	CHECK_EQUAL(play.audience.sink.next[VICTIM], 0);
	evchan_receiver_resume(play.receiver.receiver);
	STAGE_UNTIL(&play.stage, play.audience.left);
	check_left(&play.audience, EVCHAN_LEFT_CRASHED, victim);
	CHECK(progress->sent > 100);
	CHECK_EQUAL(play.audience.sink.next[VICTIM], progress->sent);
	close_play(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(published_messages_of_a_killed_sender_arrive),
		SCENE_TEST(unpublished_messages_leave_no_trace),
		SCENE_TEST(goodbye_before_admission_loses_nothing),
		SCENE_TEST(exit_before_admission_loses_nothing),
		SCENE_TEST(kill_before_admission_loses_nothing),
		SCENE_TEST(full_ring_outlives_its_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
