/* SPDX-License-Identifier: MIT */
/*
 * The promises between real processes that are killed: nothing published is lost, deaths are told, receivers are replaced. The parts
 * are at the beginning; main() plays one if it is asked to.
 *
 * A receiver that is killed again and again keeps a book: a file to which it appends the number of each message, so it
 * survives its keeper.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "check.h"
#include "clock.h"
#include "players.h"
#include "scene.h"
#include "stream.h"

#define WINDOW \
	64u /* messages that may be repeated after a receiver's death: the release rule's batch */
#define KILLS 6u
#define STREAM 60000u      /* messages that survive them */
#define CROWD 90u          /* more senders than the system waits for at once */
#define STILL_RUNNING 259u /* what the exit status of a living process is said to be */

/* ---- Parts: senders ------------------------------------------------------------------ */

static const struct evchan_sender_options patient = {
	.size = sizeof(patient),
	.flags = EVCHAN_SENDER_WAIT,
	.reconnect_min_ms = 1,
	.reconnect_max_ms = 20,
	.label = "0",
};

/* Sends the stream whose number is the argument, waits until it is consumed, says goodbye. */
static int play_stream(const char *address, const char *argument)
{
	struct stream_role role = {
		.address = address,
		.stream = { .id = (uint32_t)atoi(argument) % STREAMS_MAX,
				.count = STREAM,
				.most = 1000 },
		.options = { .capacity = 65536,
				.reconnect_min_ms = 1,
				.reconnect_max_ms = 20 },
	};

	stream_role(&role);
	return 0;
}

/* Publishes so many messages once it is connected, says so, and waits to be killed. */
static int play_victim(const char *address, const char *argument)
{
	struct stream stream = { .count = (uint64_t)atoi(argument), .most = 1000 };
	struct test_sender sender = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_sender_open(&sender, &stage, address, &patient);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(stream_send(&stream, sender.sender, UINT64_MAX), 0);
	players_open_gate("published");
	Sleep(INFINITE);
	return 1;
}

/* One message, with the calls that wait. */
static int play_one(const char *address, const char *argument)
{
	struct test_sender sender = { 0 };

	(void)argument;
	test_sender_open(&sender, NULL, address, &patient);
	CHECK_EQUAL(evchan_send_wait(sender.sender, 7, "one", 3, 0, -1), 0);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, -1), 0);
	test_sender_free(&sender);
	return 0;
}

/* Says goodbye, and ends with a status that looks like life. */
static int play_strange_exit(const char *address, const char *argument)
{
	(void)play_one(address, argument);
	return (int)STILL_RUNNING;
}

/* ---- Parts: receivers --------------------------------------------------------------------- */

static FILE *book;
static uint64_t written, enough;

static void note_message(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	uint32_t number;

	(void)receiver;
	(void)lane;
	if (heard != HEARD_MESSAGE)
		return;
	number = message->type;
	stream_check(message, 0, number);
	CHECK_EQUAL(fwrite(&number, sizeof(number), 1, book), 1);
	fflush(book);
	if (++written == enough)
		players_open_gate("enough");
}

/* Keeps the book until it is killed, or the lane ends in order. The argument: path, and after how many messages to say so. */
static int play_keeper(const char *address, const char *argument)
{
	struct test_receiver receiver = { .act = note_message };
	char path[MAX_PATH];
	struct stage stage;

	CHECK_EQUAL(sscanf(argument, "%259[^|]|%llu", path,
				    (unsigned long long *)&enough),
			2);
	book = fopen(path, "ab");
	CHECK(book);
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, address, NULL);
	STAGE_UNTIL(&stage, receiver.left_reason == EVCHAN_LEFT_CLOSED);
	test_receiver_free(&receiver);
	stage_close(&stage);
	fclose(book);
	return 0;
}

/* Admits senders, reads nothing, waits to be killed. */
static int play_mute(const char *address, const char *argument)
{
	struct test_receiver receiver = { 0 };
	struct stage stage;

	(void)argument;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, address, NULL);
	evchan_receiver_pause(receiver.receiver);
	players_open_gate("listening");
	for (;;)
		stage_turn(&stage);
	return 1;
}

static const struct player_role roles[] = {
	{ "stream", play_stream },
	{ "victim", play_victim },
	{ "one", play_one },
	{ "strange-exit", play_strange_exit },
	{ "keeper", play_keeper },
	{ "mute", play_mute },
	{ NULL, NULL },
};

/* ---- Senders that are freed before they were let in ------------------------------------ */

/* What was published arrives as long as the process lives; until the welcome nobody is promised more. */
static void freed_before_admission_loses_nothing(void **state)
{
	struct stream_sink sink = { { 0 } };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct evchan_pending pending = EVCHAN_PENDING_INIT;
	struct stream stream = { .count = 20, .most = 500 };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), &patient);
	assert_int_equal(stream_send(&stream, sender.sender, UINT64_MAX), 0);
	evchan_sender_get_pending(sender.sender, &pending);
	assert_int_equal(pending.hello_sent, 0);
	assert_true(pending.unconsumed_bytes > 0);
	test_sender_free(&sender);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	assert_int_equal(receiver.left_reason, EVCHAN_LEFT_CLOSED);
	assert_int_equal(sink.next[0], 20);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* Nor does anything stay behind if it never is let in. */
static void freed_without_admission_leaves_nothing(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), &patient);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- Senders that die ------------------------------------------------------------------------ */

/* Whatever exit status its killer gives it: all it had published arrives, and then it is said to have crashed. */
static void killed_sender_loses_nothing_it_had_published(void **state)
{
	static const UINT statuses[] = { 0, 1, STILL_RUNNING };

	(void)state;
	for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct stream_sink sink = { { 0 } };
		struct test_receiver receiver = { .act = stream_act, .arg = &sink };
		struct stage stage;
		HANDLE victim;

		stage_open(&stage, NULL);
		test_receiver_open(&receiver, &stage, scene_address(), NULL);
		evchan_receiver_pause(receiver.receiver);
		victim = players_start("victim", "200");
		STAGE_UNTIL(&stage, receiver.calls[HEARD_JOINED]);
		players_pass_gate("published");
		players_kill(victim, statuses[i]);
		STAGE_UNTIL(&stage, receiver.calls[HEARD_HUNG_UP]);
		assert_int_equal(sink.next[0], 0);
		evchan_receiver_resume(receiver.receiver);
		STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
		assert_int_equal(sink.next[0], 200);
		assert_int_equal(receiver.left_reason, EVCHAN_LEFT_CRASHED);
		test_receiver_free(&receiver);
		stage_close(&stage);
		scene_change_address();
	}
}

static void goodbye_is_told_from_a_crash(void **state)
{
	struct test_receiver receiver = { 0 };
	struct stage stage;
	HANDLE sender;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	sender = players_start("strange-exit", "");
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	assert_int_equal(receiver.left_reason, EVCHAN_LEFT_CLOSED);
	assert_int_equal(receiver.calls[HEARD_MESSAGE], 1);
	assert_int_equal(receiver.peer.pid, GetProcessId(sender));
	assert_int_equal(players_wait(sender), STILL_RUNNING);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* More lanes than the system waits for at once, on the loop of the application and on the library's own. */
static void crowd_of_processes_is_served_on_a_loop(void **state)
{
	struct test_receiver receiver = { 0 };
	HANDLE senders[CROWD];
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	for (unsigned i = 0; i < CROWD; i++)
		senders[i] = players_start("one", "");
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == CROWD);
	assert_int_equal(receiver.calls[HEARD_MESSAGE], CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(players_wait(senders[i]), 0);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void crowd_of_processes_is_served_by_waiting(void **state)
{
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	HANDLE victims[CROWD];
	unsigned messages = 0;
	int r = 0;

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	for (unsigned i = 0; i < CROWD; i++)
		victims[i] = players_start("victim", "3");
	while (messages < 3 * CROWD &&
			(r = evchan_receive_wait(&message, receiver.receiver, 60000)) ==
					0)
		messages++;
	assert_int_equal(r, 0);
	assert_int_equal(receiver.calls[HEARD_JOINED], CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		players_kill(victims[i], 0);
	/* Nothing but their ends is left to hear. */
	while (receiver.calls[HEARD_LEFT] < CROWD)
		assert_int_equal(evchan_receive_wait(&message, receiver.receiver, 100),
				-ETIMEDOUT);
	test_receiver_free(&receiver);
}

/* ---- Nobody is busy for nothing ------------------------------------------------------------ */

#define IDLE_LANES 10u
#define IDLE_MS 500

static void count_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* While nothing is sent, neither loop turns: what is level-triggered is quiet. */
static void idle_lanes_use_no_cpu(void **state)
{
	static const struct timeval idle = { 0, IDLE_MS * 1000 };
	struct test_receiver receiver = { 0 };
	HANDLE victims[IDLE_LANES];
	const struct evchan_message *message;
	struct stage stage;
	struct event *event;
	bool is_over = false;
	uint64_t turns;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	for (unsigned i = 0; i < IDLE_LANES; i++)
		victims[i] = players_start("victim", "1");
	STAGE_UNTIL(&stage, receiver.calls[HEARD_MESSAGE] == IDLE_LANES);
	stage_look(&stage, 40);
	event = event_new(stage.base, -1, 0, count_turn, &is_over);
	CHECK(event && event_add(event, &idle) == 0);
	turns = stage.turns;
	STAGE_UNTIL(&stage, is_over);
	assert_true(stage.turns - turns <= 3);
	event_free(event);
	for (unsigned i = 0; i < IDLE_LANES; i++)
		players_kill(victims[i], 0);
	test_receiver_free(&receiver);
	stage_close(&stage);

	/* The same without a loop: the wait is one call of the system's, and ends when it should. */
	scene_change_address();
	memset(&receiver, 0, sizeof(receiver));
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	victims[0] = players_start("victim", "1");
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, IDLE_MS),
			-ETIMEDOUT);
	turns = clock_thread_nanoseconds();
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, IDLE_MS),
			-ETIMEDOUT);
	assert_true(clock_thread_nanoseconds() - turns < (uint64_t)IDLE_MS * 1000000 / 4);
	players_kill(victims[0], 0);
	test_receiver_free(&receiver);
}

/* ---- Receivers that die -------------------------------------------------------------------------- */

/* What the book says: from 0 on without a gap, and no more of it twice than a batch for each death. */
static void check_book(const char *path, uint64_t count, unsigned deaths)
{
	FILE *file = fopen(path, "rb");
	uint64_t expected = 0, repeated = 0;
	uint32_t number;

	CHECK(file);
	while (fread(&number, sizeof(number), 1, file) == 1) {
		CHECK(number <= expected);
		if (number < expected) {
			repeated += expected - number;
			CHECK(expected - number <= WINDOW);
			expected = number;
		}
		expected++;
	}
	fclose(file);
	CHECK_EQUAL(expected, count);
	CHECK(repeated <= (uint64_t)deaths * WINDOW);
}

static void make_path(char path[MAX_PATH])
{
	char folder[MAX_PATH];

	CHECK(GetTempPathA(sizeof(folder), folder) &&
			GetTempFileNameA(folder, "evc", 0, path));
}

/* Killed again and again in the midst of a stream: the sender hands its ring to the next one, and the book has no gap. */
static void killed_receivers_lose_nothing(void **state)
{
	char path[MAX_PATH], argument[MAX_PATH + 32];
	HANDLE sender, keeper;

	(void)state;
	make_path(path);
	sender = players_start("stream", "0");
	for (unsigned i = 0; i < KILLS; i++) {
		snprintf(argument, sizeof(argument), "%s|%u", path, 200 + 500 * i);
		keeper = players_start("keeper", argument);
		players_pass_gate("enough");
		players_kill(keeper, i % 2);
	}
	snprintf(argument, sizeof(argument), "%s|0", path);
	keeper = players_start("keeper", argument);
	assert_int_equal(players_wait(sender), 0);
	assert_int_equal(players_wait(keeper), 0);
	check_book(path, STREAM, KILLS);
	DeleteFileA(path);
}

/* Its senders are told that it died, keep what it had not released, and go on with the next one. */
static void sender_is_told_and_resumes(void **state)
{
	struct stream_sink sink = { { 0 } };
	struct stream stream = { .count = 30, .most = 500 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct test_sender sender = { 0 };
	struct stage stage;
	HANDLE mute;

	(void)state;
	stage_open(&stage, NULL);
	mute = players_start("mute", "");
	players_pass_gate("listening");
	test_sender_open(&sender, &stage, scene_address(), &patient);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	assert_int_equal(sender.resumed, 0);
	assert_int_equal(stream_send(&stream, sender.sender, UINT64_MAX), 0);
	players_kill(mute, STILL_RUNNING);
	STAGE_UNTIL(&stage, sender.calls[TOLD_DISCONNECTED]);
	assert_int_equal(sender.disconnect_error, -ECONNRESET);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, sink.next[0] == 30 && sender.calls[TOLD_CONNECTED] == 2);
	assert_int_equal(sender.resumed, 1);
	assert_true(evchan_lane_resumed(receiver.lane));
	test_sender_free(&sender);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A full ring whose receiver dies is told room by the next one. */
static void full_sender_outlives_its_receiver(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	unsigned sent;
	HANDLE mute;

	(void)state;
	stage_open(&stage, NULL);
	mute = players_start("mute", "");
	players_pass_gate("listening");
	test_sender_open(&sender, &stage, scene_address(), &patient);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	sent = test_sender_fill(&sender, 1000);
	stage_look(&stage, 8);
	assert_int_equal(sender.calls[TOLD_WRITABLE], 0);
	players_kill(mute, 0);
	STAGE_UNTIL(&stage, sender.calls[TOLD_DISCONNECTED]);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage,
			sender.calls[TOLD_WRITABLE] &&
					receiver.calls[HEARD_MESSAGE] == sent);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A living receiver's address is not taken over, a dead one's is. */
static void address_goes_from_the_dead_to_the_living(void **state)
{
	struct test_receiver receiver = { 0 };
	struct stage stage;
	HANDLE mute;

	(void)state;
	stage_open(&stage, NULL);
	mute = players_start("mute", "");
	players_pass_gate("listening");
	assert_int_equal(test_receiver_try(&receiver, &stage, scene_address(), NULL),
			-EADDRINUSE);
	players_kill(mute, 0);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(freed_before_admission_loses_nothing),
		SCENE_TEST(freed_without_admission_leaves_nothing),
		SCENE_TEST(killed_sender_loses_nothing_it_had_published),
		SCENE_TEST(goodbye_is_told_from_a_crash),
		SCENE_TEST(crowd_of_processes_is_served_on_a_loop),
		SCENE_TEST(crowd_of_processes_is_served_by_waiting),
		SCENE_TEST(idle_lanes_use_no_cpu),
		SCENE_TEST(killed_receivers_lose_nothing),
		SCENE_TEST(sender_is_told_and_resumes),
		SCENE_TEST(full_sender_outlives_its_receiver),
		SCENE_TEST(address_goes_from_the_dead_to_the_living),
	};

	players_play(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
