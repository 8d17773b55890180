/* SPDX-License-Identifier: MIT */
/*
 * Observers see what the receiver counts: every lane once, as it is, however many there
 * are and whoever comes and goes meanwhile. Their own end is told, and they can be freed at
 * any time. What hostile ones do is in p3_hostile_observer_test.c, and those of other users
 * are in p8_observer_users_test.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admission.h"
#include "observe_message.h"
#include "scene.h"
#include "test_observer.h"
#include "test_receiver.h"
#include "test_sender.h"

#define SENDERS (5 * OBSERVE_LANES_PER_PAGE + 3)
#define KEPT ((SENDERS + 2) / 3)

struct play {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender senders[SENDERS];
	unsigned count;
	struct test_observer observer;
	const struct evchan_message *held;
};

static void open_play(struct play *play, const struct evchan_receiver_options *options)
{
	memset(play, 0, sizeof(*play));
	stage_open(&play->stage, NULL);
	test_receiver_open(&play->receiver, &play->stage, scene_address(), options);
}

static void add_sender(struct play *play, const char *label)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender *sender = &play->senders[play->count++];

	options.capacity = 4096;
	options.label = label;
	test_sender_open(sender, &play->stage, scene_address(), &options);
	STAGE_UNTIL(&play->stage, sender->calls[TOLD_CONNECTED]);
	STAGE_UNTIL(&play->stage, play->receiver.calls[HEARD_JOINED] == play->count);
}

static void add_senders(struct play *play, unsigned count)
{
	char label[16];

	while (count--) {
		snprintf(label, sizeof(label), "%u", play->count);
		add_sender(play, label);
	}
}

static void close_play(struct play *play)
{
	test_observer_free(&play->observer);
	for (unsigned i = 0; i < play->count; i++)
		test_sender_free(&play->senders[i]);
	test_receiver_free(&play->receiver);
	stage_close(&play->stage);
}

static void observe(struct play *play)
{
	test_observer_open(&play->observer, &play->stage, scene_address());
}

static void look(struct play *play)
{
	test_observer_look(&play->observer, &play->stage);
}

static void lane_is_seen_as_it_is(void **state)
{
	struct evchan_lane_stats counted = EVCHAN_LANE_STATS_INIT;
	struct play play;

	(void)state;
	open_play(&play, NULL);
	add_sender(&play, "a label");
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(evchan_send(play.senders[0].sender, 0, "message", 7, 0), 0);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_MESSAGE] == 3);
	observe(&play);
	CHECK_EQUAL(evchan_observer_receiver(play.observer.observer).pid, getpid());
	look(&play);
	CHECK_EQUAL(play.observer.lanes, 1);
	CHECK_EQUAL(strcmp(play.observer.label, "a label"), 0);
	CHECK_EQUAL(play.observer.lane.peer.pid, getpid());
	CHECK_EQUAL(play.observer.lane.peer.uid, geteuid());
	CHECK_EQUAL(play.observer.lane.peer.gid, getegid());
	CHECK_EQUAL(play.observer.lane.state, EVCHAN_LANE_OPEN);
	CHECK_EQUAL(play.observer.lane.flags, 0);
	CHECK_EQUAL(play.observer.lane.capacity, 4096);
	evchan_lane_get_stats(play.receiver.lane, &counted);
	CHECK(play.observer.stats.age <= counted.age);
	play.observer.stats.age = counted.age;
	CHECK_EQUAL(memcmp(&counted, &play.observer.stats, sizeof(counted)), 0);
	CHECK_EQUAL(counted.messages, 3);
	close_play(&play);
}

static void totals_are_the_receivers_counters(void **state)
{
	struct evchan_receiver_stats counted = EVCHAN_RECEIVER_STATS_INIT;
	struct play play;

	(void)state;
	open_play(&play, NULL);
	add_senders(&play, 2);
	evchan_receiver_pause(play.receiver.receiver);
	test_sender_fill(&play.senders[0], 100);
	observe(&play);
	look(&play);
	evchan_receiver_get_stats(play.receiver.receiver, &counted);
	CHECK(play.observer.totals.age <= counted.age);
	play.observer.totals.age = counted.age;
	CHECK(play.observer.totals.turns <= counted.turns);
	play.observer.totals.turns = counted.turns;
	CHECK_EQUAL(memcmp(&counted, &play.observer.totals, sizeof(counted)), 0);
	CHECK_EQUAL(counted.times_full, 1);
	CHECK_EQUAL(counted.ring_bytes, 2 * 4096);
	close_play(&play);
}

/* What becomes of a lane: paused, its sender gone with messages left, held. */
static void states_of_a_lane_are_told(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, NULL);
	add_sender(&play, "");
	observe(&play);
	evchan_lane_pause(play.receiver.lane);
	CHECK_EQUAL(evchan_send(play.senders[0].sender, 0, "message", 7, 0), 0);
	look(&play);
	CHECK_EQUAL(play.observer.lane.state, EVCHAN_LANE_OPEN);
	CHECK_EQUAL(play.observer.lane.flags, EVCHAN_OBSERVED_PAUSED);
	CHECK_EQUAL(play.observer.stats.fill, 16);
	evchan_lane_set_copy(play.receiver.lane, true);
	test_sender_free(&play.senders[0]);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_HUNG_UP]);
	look(&play);
	CHECK_EQUAL(play.observer.lane.state, EVCHAN_LANE_DRAINING);
	CHECK_EQUAL(play.observer.lane.flags,
			EVCHAN_OBSERVED_PAUSED | EVCHAN_OBSERVED_COPIED);
	evchan_lane_resume(play.receiver.lane);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_LEFT]);
	look(&play);
	CHECK_EQUAL(play.observer.lanes, 0);
	close_play(&play);
}

static void hold_it(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct play *play = receiver->arg;

	(void)lane;
	if (heard == HEARD_MESSAGE)
		CHECK_EQUAL(evchan_message_hold(&play->held, message), 0);
}

/* A dead sender's ring that is held can be found by whoever looks for the memory. */
static void held_lane_is_told(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, NULL);
	play.receiver.act = hold_it;
	play.receiver.arg = &play;
	add_sender(&play, "dead");
	CHECK_EQUAL(evchan_send(play.senders[0].sender, 0, "message", 7, 0), 0);
	STAGE_UNTIL(&play.stage, play.held);
	test_sender_free(&play.senders[0]);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_LEFT]);
	observe(&play);
	look(&play);
	CHECK_EQUAL(play.observer.lanes, 1);
	CHECK_EQUAL(play.observer.lane.state, EVCHAN_LANE_HELD);
	CHECK_EQUAL(play.observer.stats.held_messages, 1);
	CHECK_EQUAL(play.observer.totals.ring_bytes, 4096);
	evchan_message_release(play.held);
	look(&play);
	CHECK_EQUAL(play.observer.lanes, 0);
	close_play(&play);
}

/* Checks that numbers rise, so that no lane is told twice. */
static void numbers_rise(struct test_observer *test, enum shown shown)
{
	uint64_t *last = test->arg;

	if (shown != SHOWN_LANE)
		return;
	CHECK(test->lane.number > *last);
	*last = test->lane.number;
}

static void each_of_many_lanes_is_told_once(void **state)
{
	uint64_t last = 0;
	struct play play;

	(void)state;
	open_play(&play, NULL);
	play.observer.act = numbers_rise;
	play.observer.arg = &last;
	observe(&play);
	/* A page that is just full, and pages more or less. */
	for (unsigned i = 0; i <= SENDERS; i++) {
		last = 0;
		look(&play);
		CHECK_EQUAL(play.observer.lanes, i);
		CHECK_EQUAL(play.observer.totals.lanes, i);
		if (i < SENDERS)
			add_senders(&play, 1);
	}
	close_play(&play);
}

/* Lanes that are freed between two pages, the one to go on with among them, are passed over; the
 * others are not missed. */
static void lanes_may_leave_during_a_snapshot(void **state)
{
	uint64_t last = 0;
	struct play play;

	(void)state;
	open_play(&play, NULL);
	add_senders(&play, SENDERS);
	play.observer.act = numbers_rise;
	play.observer.arg = &last;
	observe(&play);
	CHECK_EQUAL(evchan_observer_ask(play.observer.observer), 0);
	STAGE_UNTIL(&play.stage, play.observer.lanes);
	for (unsigned i = 0; i < SENDERS; i++)
		if (i % 3)
			test_sender_free(&play.senders[i]);
	STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_SNAPSHOT]);
	CHECK(play.observer.lanes >= KEPT);
	CHECK_EQUAL(strcmp(play.observer.label, "81"), 0);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_LEFT] == SENDERS - KEPT);
	last = 0;
	look(&play);
	CHECK_EQUAL(play.observer.lanes, KEPT);
	close_play(&play);
}

/* One question at a time; the first may be asked before it is known whether any may. */
static void one_question_at_a_time(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, NULL);
	observe(&play);
	CHECK_EQUAL(evchan_observer_ask(play.observer.observer), 0);
	CHECK_EQUAL(evchan_observer_ask(play.observer.observer), -EALREADY);
	STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_SNAPSHOT] == 1);
	stage_look(&play.stage, 10);
	CHECK_EQUAL(play.observer.calls[SHOWN_SNAPSHOT], 1);
	look(&play);
	close_play(&play);
}

static void its_end_is_told(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, NULL);
	observe(&play);
	look(&play);
	test_receiver_free(&play.receiver);
	STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_ENDED]);
	CHECK_EQUAL(play.observer.error, 0);
	CHECK_EQUAL(evchan_observer_ask(play.observer.observer), -EPIPE);
	close_play(&play);
}

static void receive_until_killed(void *arg)
{
	struct test_receiver receiver = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	scene_open_gate(*(int *)arg);
	for (;;)
		stage_turn(&stage);
}

static void death_of_the_receiver_is_told(void **state)
{
	struct play play = { 0 };
	int gate = scene_gate();
	pid_t process = scene_start(receive_until_killed, &gate);

	(void)state;
	stage_open(&play.stage, NULL);
	stage_pass_gate(&play.stage, gate);
	observe(&play);
	look(&play);
	CHECK_EQUAL(evchan_observer_receiver(play.observer.observer).pid, process);
	scene_kill(process);
	STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_ENDED]);
	CHECK_EQUAL(play.observer.error, -ECONNRESET);
	close_play(&play);
}

/* A shutdown ends observers too, so that nothing is left on the loop. */
static void shutdown_ends_observers(void **state)
{
	struct play play;

	(void)state;
	open_play(&play, NULL);
	observe(&play);
	look(&play);
	CHECK_EQUAL(evchan_receiver_shutdown(play.receiver.receiver), 0);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_SHUT_DOWN]);
	STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_ENDED]);
	CHECK_EQUAL(play.observer.error, 0);
	close_play(&play);
}

static void nobody_there_is_an_error(void **state)
{
	struct play play = { 0 };

	(void)state;
	stage_open(&play.stage, NULL);
	CHECK_EQUAL(test_observer_try(&play.observer, &play.stage, scene_address()),
			-ECONNREFUSED);
	CHECK_EQUAL(test_observer_try(&play.observer, &play.stage, scene_path("nothing")),
			-ENOENT);
	CHECK_EQUAL(test_observer_try(&play.observer, &play.stage, ""), -EINVAL);
	CHECK_EQUAL(test_observer_try(&play.observer, &play.stage, "fd:0x"), -EINVAL);
	CHECK_EQUAL(evchan_observer_new(&play.observer.observer, NULL, scene_address(),
				    NULL, NULL),
			-EINVAL);
	stage_close(&play.stage);
}

static void receiver_may_refuse_all(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct play play;

	(void)state;
	options.flags = EVCHAN_RECEIVER_NO_OBSERVERS;
	open_play(&play, &options);
	observe(&play);
	STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_ENDED]);
	CHECK_EQUAL(play.observer.error, -EACCES);
	CHECK(strstr(play.observer.text, "observed"));
	CHECK_EQUAL(play.receiver.error, -EACCES);
	CHECK(strstr(play.receiver.text, "observer pid"));
	add_senders(&play, 1);
	close_play(&play);
}

/* There are so many places, and one that is left is free again. */
static void places_are_limited(void **state)
{
	struct test_observer others[ADMISSION_OBSERVERS_PER_UID_MAX] = { 0 };
	struct play play;

	(void)state;
	open_play(&play, NULL);
	for (unsigned i = 0; i < ADMISSION_OBSERVERS_PER_UID_MAX; i++) {
		test_observer_open(&others[i], &play.stage, scene_address());
		test_observer_look(&others[i], &play.stage);
	}
	observe(&play);
	STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_ENDED]);
	CHECK_EQUAL(play.observer.error, -EUSERS);
	test_observer_free(&play.observer);
	test_observer_free(&others[3]);
	stage_look(&play.stage, 10);
	observe(&play);
	look(&play);
	for (unsigned i = 0; i < ADMISSION_OBSERVERS_PER_UID_MAX; i++) {
		CHECK_EQUAL(others[i].calls[SHOWN_ENDED], 0);
		test_observer_free(&others[i]);
	}
	add_senders(&play, 1);
	close_play(&play);
}

/* A connected pair does as well: the credentials come with the first frame. */
static void socket_may_be_handed_in(void **state)
{
	struct play play;
	char address[16];
	int pair[2];

	(void)state;
	open_play(&play, NULL);
	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQUAL(evchan_receiver_adopt(play.receiver.receiver, pair[0]), 0);
	snprintf(address, sizeof(address), "fd:%d", pair[1]);
	test_observer_open(&play.observer, &play.stage, address);
	look(&play);
	close_play(&play);
}

static void free_in_callback(struct test_observer *test, enum shown shown)
{
	if (shown == *(enum shown *)test->arg)
		test_observer_free(test);
}

static void it_may_be_freed_in_any_callback(void **state)
{
	(void)state;
	for (enum shown shown = 0; shown < SHOWN_KINDS; shown++) {
		struct play play;

		open_play(&play, NULL);
		add_senders(&play, 20);
		play.observer.act = free_in_callback;
		play.observer.arg = &shown;
		observe(&play);
		CHECK_EQUAL(evchan_observer_ask(play.observer.observer), 0);
		if (shown == SHOWN_ENDED) {
			STAGE_UNTIL(&play.stage, play.observer.calls[SHOWN_SNAPSHOT]);
			test_receiver_free(&play.receiver);
		}
		STAGE_UNTIL(&play.stage, play.observer.calls[shown]);
		CHECK(!play.observer.observer);
		CHECK_EQUAL(play.observer.calls[shown], 1);
		close_play(&play);
	}
}

/* Receivers and observers that a child has inherited are the parent's. */
static void forked_child_keeps_out(void **state)
{
	struct play play;
	pid_t child;
	int status;

	(void)state;
	open_play(&play, NULL);
	add_senders(&play, 1);
	observe(&play);
	look(&play);
	child = fork();
	if (child == 0) {
		check_is_child = 1;
		CHECK_EQUAL(evchan_observer_ask(play.observer.observer), -EOWNERDEAD);
		test_observer_free(&play.observer);
		test_receiver_free(&play.receiver);
		_exit(0);
	}
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK_EQUAL(status, 0);
	look(&play);
	CHECK_EQUAL(play.observer.lanes, 1);
	close_play(&play);
}

/* A receiver without a loop is seen while it waits for messages. */
static void pulled_receiver_is_seen(void **state)
{
	const struct evchan_message *message;
	struct play play = { 0 };

	(void)state;
	stage_open(&play.stage, NULL);
	test_receiver_open(&play.receiver, NULL, scene_address(), NULL);
	observe(&play);
	CHECK_EQUAL(evchan_observer_ask(play.observer.observer), 0);
	while (!play.observer.calls[SHOWN_SNAPSHOT]) {
		CHECK_EQUAL(evchan_receive_wait(&message, play.receiver.receiver, 0),
				-EAGAIN);
		stage_look(&play.stage, 1);
	}
	close_play(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(lane_is_seen_as_it_is),
		SCENE_TEST(totals_are_the_receivers_counters),
		SCENE_TEST(states_of_a_lane_are_told),
		SCENE_TEST(held_lane_is_told),
		SCENE_TEST(each_of_many_lanes_is_told_once),
		SCENE_TEST(lanes_may_leave_during_a_snapshot),
		SCENE_TEST(one_question_at_a_time),
		SCENE_TEST(its_end_is_told),
		SCENE_TEST(death_of_the_receiver_is_told),
		SCENE_TEST(shutdown_ends_observers),
		SCENE_TEST(nobody_there_is_an_error),
		SCENE_TEST(receiver_may_refuse_all),
		SCENE_TEST(places_are_limited),
		SCENE_TEST(socket_may_be_handed_in),
		SCENE_TEST(it_may_be_freed_in_any_callback),
		SCENE_TEST(forked_child_keeps_out),
		SCENE_TEST(pulled_receiver_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
