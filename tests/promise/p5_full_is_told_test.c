/* SPDX-License-Identifier: MIT */
/*
 * P5: a full lane is never silent. The send says so at once, and the loop is told, once, when there
 * is room: at the low watermark, or when the refused message fits, or, after IF_EMPTY, when
 * all is consumed. With it what else a sender can ask for: to be told when all is consumed, to
 * wake nobody yet, to publish several messages at once.
 *
 * The receiver is a process that takes as many messages as it is told to and says when it has
 * released them. Messages of 56 bytes take 64 of the ring, which has 4096, so each fill can be had
 * exactly.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define CAPACITY 4096u
#define PAYLOAD 56u
#define RECORD 64u
#define LOOKS 8u

/* ---- The receiver ------------------------------------------------------------------ */

struct reader {
	volatile unsigned credit; /* messages it may still take */
	volatile uint64_t wakeups;
	volatile uint64_t times_full; /* as its lane's counters say */
	int go;    /* gate: there is credit, or the end if it is 0 */
	int ready; /* gate: it sleeps, and waits for messages */
	int done;  /* gate: the credit is used up, and all is released */
};

static void reader_acts(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct reader *reader = receiver->arg;

	(void)lane;
	(void)message;
	if (heard == HEARD_MESSAGE && --reader->credit == 0)
		evchan_receiver_pause(receiver->receiver);
}

/* Takes what there is credit for. */
static void take_credit(struct reader *reader, struct test_receiver *receiver, struct stage *stage)
{
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;

	evchan_receiver_resume(receiver->receiver);
	stage_look(stage, LOOKS);
	scene_open_gate(reader->ready);
	STAGE_UNTIL(stage, reader->credit == 0);
	stage_look(stage, LOOKS);
	evchan_receiver_get_stats(receiver->receiver, &stats);
	reader->wakeups = stats.wakeups;
	reader->times_full = stats.times_full;
	scene_open_gate(reader->done);
}

static void reader_plays(void *arg)
{
	struct reader *reader = arg;
	struct test_receiver receiver = { .act = reader_acts, .arg = reader };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	evchan_receiver_pause(receiver.receiver);
	scene_open_gate(reader->ready);
	for (;;) {
		stage_pass_gate(&stage, reader->go);
		if (reader->credit == 0)
			break;
		take_credit(reader, &receiver, &stage);
	}
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- The play ------------------------------------------------------------------------ */

struct play {
	struct reader *reader;
	pid_t process;
	struct stage stage;
	struct test_sender sender;
};

static void start_reader(struct play *play)
{
	play->process = scene_start(reader_plays, play->reader);
	scene_pass_gate(play->reader->ready);
}

static void open_sender(struct play *play, uint64_t low_watermark)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(play, 0, sizeof(*play));
	play->reader = scene_share(sizeof(*play->reader));
	play->reader->go = scene_gate();
	play->reader->ready = scene_gate();
	play->reader->done = scene_gate();
	stage_open(&play->stage, NULL);
	options.capacity = CAPACITY;
	options.low_watermark = low_watermark;
	options.flags = EVCHAN_SENDER_WAIT;
	options.reconnect_max_ms = 10;
	test_sender_open(&play->sender, &play->stage, scene_address(), &options);
}

/* A sender and a receiver that has admitted it and takes nothing yet. */
static void open_play(struct play *play, uint64_t low_watermark)
{
	open_sender(play, low_watermark);
	start_reader(play);
	STAGE_UNTIL(&play->stage, play->sender.calls[TOLD_CONNECTED]);
}

static void close_play(struct play *play)
{
	play->reader->credit = 0;
	scene_open_gate(play->reader->go);
	scene_join(play->process);
	test_sender_free(&play->sender);
	stage_close(&play->stage);
}

/* The receiver waits for `count` messages. */
static void let_wait(struct play *play, unsigned count)
{
	play->reader->credit = count;
	scene_open_gate(play->reader->go);
	scene_pass_gate(play->reader->ready);
}

/* The receiver takes and releases `count` messages, which are there; then the sender's loop turns. */
static void take(struct play *play, unsigned count)
{
	let_wait(play, count);
	scene_pass_gate(play->reader->done);
	stage_look(&play->stage, LOOKS);
}

static int send_one(struct play *play, unsigned flags)
{
	return evchan_send(play->sender.sender, 0, "0123456789abcdef0123456789abcdef0123456789abcdef01234567",
			PAYLOAD, flags);
}

static unsigned writable(const struct play *play)
{
	return play->sender.calls[TOLD_WRITABLE];
}

static struct evchan_lane_stats stats_of(const struct play *play)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	evchan_sender_get_stats(play->sender.sender, &stats);
	return stats;
}

/* ---- Room ------------------------------------------------------------------------------ */

/* After any number of refused sends `writable` comes once, when the fill has come down to the
 * low watermark: neither before nor again. */
static void room_is_told_once_at_the_low_watermark(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 16 * RECORD);
	CHECK_EQUAL(test_sender_fill(&play.sender, PAYLOAD), CAPACITY / RECORD);
	for (int i = 0; i < 10; i++)
		CHECK_EQUAL(send_one(&play, 0), -EAGAIN);
	stage_look(&play.stage, LOOKS);
	CHECK_EQUAL(writable(&play), 0);
	take(&play, 47);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 17 * RECORD);
	CHECK_EQUAL(writable(&play), 0);
	take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(send_one(&play, 0), 0);
	take(&play, 17);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	CHECK_EQUAL(writable(&play), 1);
	close_play(&play);
}

/* Whoever was not refused is not told. */
static void room_is_not_told_unasked(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 0);
	for (unsigned i = 0; i < CAPACITY / RECORD; i++)
		CHECK_EQUAL(send_one(&play, 0), 0);
	take(&play, CAPACITY / RECORD);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	CHECK_EQUAL(writable(&play), 0);
	close_play(&play);
}

/* Once told, a second refusal is answered by a second `writable`. */
static void each_round_of_refusals_is_answered(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 0);
	for (unsigned round = 1; round <= 5; round++) {
		CHECK(test_sender_fill(&play.sender, PAYLOAD) >= CAPACITY / RECORD / 2);
		take(&play, CAPACITY / RECORD / 2 - 1);
		CHECK_EQUAL(writable(&play), round - 1);
		take(&play, 1);
		CHECK_EQUAL(writable(&play), round);
	}
	close_play(&play);
}

/* A refused message that needs more room than the low watermark leaves is told of when it fits. */
static void room_for_a_large_message_is_told_when_it_fits(void **state)
{
	static const char large[3000]; /* takes 3008: fits when the fill is at most 1088 */
	struct play play;

	(void)state;
	open_play(&play, 48 * RECORD);
	for (unsigned i = 0; i < 40; i++)
		CHECK_EQUAL(send_one(&play, 0), 0);
	CHECK_EQUAL(evchan_send(play.sender.sender, 0, large, sizeof(large), 0), -EAGAIN);
	stage_look(&play.stage, LOOKS);
	take(&play, 22);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 18 * RECORD);
	CHECK_EQUAL(writable(&play), 0);
	take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(evchan_send(play.sender.sender, 0, large, sizeof(large), 0), 0);
	close_play(&play);
}

/* A message as large as the ring is told of when the ring is empty, and can be reserved as well as sent. */
static void largest_message_fits_when_told(void **state)
{
	struct evchan_span span;
	struct play play;
	size_t most;

	(void)state;
	open_play(&play, 0);
	most = evchan_sender_message_max(play.sender.sender);
	CHECK_EQUAL(most, CAPACITY - 8);
	CHECK_EQUAL(evchan_reserve(&span, play.sender.sender, most + 1, most + 1), -EMSGSIZE);
	CHECK_EQUAL(send_one(&play, 0), 0);
	CHECK_EQUAL(evchan_reserve(&span, play.sender.sender, most, most), -EAGAIN);
	CHECK_EQUAL(writable(&play), 0);
	take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(evchan_reserve(&span, play.sender.sender, most, most), 0);
	CHECK_EQUAL(span.size, most);
	memset(span.data, 'x', most);
	CHECK_EQUAL(evchan_commit(play.sender.sender, 0, most, 0), 0);
	take(&play, 1);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	close_play(&play);
}

/* Without a receiver the ring takes what fits, then says so, and the room the first receiver makes is
 * told. */
static void room_is_told_by_a_receiver_that_comes_later(void **state)
{
	struct play play;

	(void)state;
	open_sender(&play, 0);
	CHECK_EQUAL(test_sender_fill(&play.sender, PAYLOAD), CAPACITY / RECORD);
	stage_look(&play.stage, LOOKS);
	CHECK_EQUAL(writable(&play), 0);
	start_reader(&play);
	STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(writable(&play), 0);
	take(&play, 32);
	CHECK_EQUAL(writable(&play), 1);
	close_play(&play);
}

/* Both sides count how often the lane was full. */
static void full_is_counted(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 0);
	test_sender_fill(&play.sender, PAYLOAD);
	CHECK_EQUAL(send_one(&play, 0), -EAGAIN);
	CHECK_EQUAL(send_one(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	CHECK_EQUAL(stats_of(&play).times_full, 3);
	CHECK_EQUAL(stats_of(&play).deepest_fill, CAPACITY);
	take(&play, 1);
	CHECK_EQUAL(play.reader->times_full, 3);
	close_play(&play);
}

/* ---- Emptiness --------------------------------------------------------------------------- */

/* A message that is only to be sent if all before it was consumed is refused while it is not, and
 * `writable` comes when it is. */
static void emptiness_is_told(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 0);
	CHECK_EQUAL(send_one(&play, EVCHAN_SEND_IF_EMPTY), 0);
	CHECK_EQUAL(send_one(&play, 0), 0);
	CHECK_EQUAL(send_one(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	CHECK_EQUAL(send_one(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	take(&play, 1);
	CHECK_EQUAL(writable(&play), 0);
	take(&play, 1);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(send_one(&play, EVCHAN_SEND_IF_EMPTY), 0);
	close_play(&play);
}

/* `drained` comes once for each time it is asked for, on a later turn, when all is consumed; at
 * once if all is. */
static void drained_is_told_when_asked_for(void **state)
{
	unsigned *drained;
	struct play play;

	(void)state;
	open_play(&play, 0);
	drained = &play.sender.calls[TOLD_DRAINED];
	CHECK_EQUAL(send_one(&play, 0), 0);
	CHECK_EQUAL(send_one(&play, 0), 0);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	take(&play, 1);
	CHECK_EQUAL(*drained, 0);
	take(&play, 1);
	CHECK_EQUAL(*drained, 1);
	CHECK_EQUAL(send_one(&play, 0), 0);
	take(&play, 1);
	CHECK_EQUAL(*drained, 1);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	CHECK_EQUAL(*drained, 1);
	stage_look(&play.stage, LOOKS);
	CHECK_EQUAL(*drained, 2);
	CHECK_EQUAL(writable(&play), 0);
	close_play(&play);
}

/* What is sent after `drained` was asked for does not delay it. */
static void drained_does_not_wait_for_later_messages(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 0);
	CHECK_EQUAL(send_one(&play, 0), 0);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	CHECK_EQUAL(send_one(&play, 0), 0);
	take(&play, 1);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 1);
	close_play(&play);
}

/* Room, emptiness and `drained` can all be wanted at once, and each is told in its time. */
static void several_wants_are_told_in_their_time(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 0);
	CHECK_EQUAL(test_sender_fill(&play.sender, PAYLOAD), CAPACITY / RECORD);
	CHECK_EQUAL(send_one(&play, EVCHAN_SEND_IF_EMPTY), -EAGAIN);
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	take(&play, 32);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 0);
	take(&play, 32);
	CHECK_EQUAL(writable(&play), 2);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 1);
	close_play(&play);
}

/* ---- Waking ------------------------------------------------------------------------------- */

/* NO_WAKE leaves a sleeping receiver asleep until the sender's next turn. */
static void no_wake_waits_for_the_next_turn(void **state)
{
	struct play play;
	uint64_t rung;

	(void)state;
	open_play(&play, 0);
	let_wait(&play, 3);
	rung = stats_of(&play).bells_rung;
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(send_one(&play, EVCHAN_SEND_NO_WAKE), 0);
	CHECK_EQUAL(stats_of(&play).bells_rung, rung);
	CHECK_EQUAL(play.reader->credit, 3);
	stage_look(&play.stage, 2);
	CHECK_EQUAL(stats_of(&play).bells_rung, rung + 1);
	scene_pass_gate(play.reader->done);
	close_play(&play);
}

/* ... or until it is told to wake it. */
static void wake_makes_up_for_no_wake(void **state)
{
	struct play play;
	uint64_t rung;

	(void)state;
	open_play(&play, 0);
	let_wait(&play, 1);
	rung = stats_of(&play).bells_rung;
	CHECK_EQUAL(send_one(&play, EVCHAN_SEND_NO_WAKE), 0);
	evchan_sender_wake(play.sender.sender);
	CHECK_EQUAL(stats_of(&play).bells_rung, rung + 1);
	scene_pass_gate(play.reader->done);
	evchan_sender_wake(play.sender.sender);
	CHECK_EQUAL(stats_of(&play).bells_rung, rung + 1);
	close_play(&play);
}

/* Nobody is woken who is awake: of many messages to a sleeping receiver only the first rings. */
static void receiver_is_woken_once(void **state)
{
	struct play play;
	uint64_t rung;

	(void)state;
	open_play(&play, 0);
	scene_stop(play.process);
	rung = stats_of(&play).bells_rung;
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQUAL(send_one(&play, 0), 0);
	CHECK(stats_of(&play).bells_rung <= rung + 1);
	CHECK_EQUAL(kill(play.process, SIGCONT), 0);
	take(&play, 50);
	close_play(&play);
}

/* Corked messages arrive together when the last cork is drawn, with one ring. */
static void corked_messages_arrive_together(void **state)
{
	struct play play;
	uint64_t rung;

	(void)state;
	open_play(&play, 0);
	let_wait(&play, 10);
	rung = stats_of(&play).bells_rung;
	evchan_cork(play.sender.sender);
	evchan_cork(play.sender.sender);
	for (int i = 0; i < 10; i++)
		CHECK_EQUAL(send_one(&play, 0), 0);
	evchan_uncork(play.sender.sender);
	stage_look(&play.stage, LOOKS);
	CHECK_EQUAL(stats_of(&play).bells_rung, rung);
	CHECK_EQUAL(play.reader->credit, 10);
	evchan_uncork(play.sender.sender);
	CHECK_EQUAL(stats_of(&play).bells_rung, rung + 1);
	scene_pass_gate(play.reader->done);
	stage_look(&play.stage, LOOKS);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), 0);
	close_play(&play);
}

/* A corked sender that finds no room publishes what it has, or nobody could ever make any. */
static void full_ring_is_published_though_corked(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, 0);
	evchan_cork(play.sender.sender);
	CHECK_EQUAL(test_sender_fill(&play.sender, PAYLOAD), CAPACITY / RECORD);
	take(&play, 32);
	CHECK_EQUAL(writable(&play), 1);
	CHECK_EQUAL(send_one(&play, 0), 0);
	/* Nothing that is only written counts as consumed. */
	CHECK_EQUAL(evchan_sender_notify_drained(play.sender.sender), 0);
	take(&play, 32);
	CHECK_EQUAL(test_sender_unconsumed(&play.sender), RECORD);
	evchan_uncork(play.sender.sender);
	take(&play, 1);
	CHECK_EQUAL(play.sender.calls[TOLD_DRAINED], 1);
	close_play(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(room_is_told_once_at_the_low_watermark),
		SCENE_TEST(room_is_not_told_unasked),
		SCENE_TEST(each_round_of_refusals_is_answered),
		SCENE_TEST(room_for_a_large_message_is_told_when_it_fits),
		SCENE_TEST(largest_message_fits_when_told),
		SCENE_TEST(room_is_told_by_a_receiver_that_comes_later),
		SCENE_TEST(full_is_counted),
		SCENE_TEST(emptiness_is_told),
		SCENE_TEST(drained_is_told_when_asked_for),
		SCENE_TEST(drained_does_not_wait_for_later_messages),
		SCENE_TEST(several_wants_are_told_in_their_time),
		SCENE_TEST(no_wake_waits_for_the_next_turn),
		SCENE_TEST(wake_makes_up_for_no_wake),
		SCENE_TEST(receiver_is_woken_once),
		SCENE_TEST(corked_messages_arrive_together),
		SCENE_TEST(full_ring_is_published_though_corked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
