/* SPDX-License-Identifier: MIT */
/*
 * Without a loop: the calls that wait, their time-outs and errors, on both sides, between processes; and
 * the same handles driven from a loop of another kind, here bare poll(2), through their descriptors.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"
#include "stream.h"

#define TIMEOUT_MS 30
#define SENDERS 4u

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Streams --------------------------------------------------------------------- */

struct waiting_role {
	struct stream stream;
	uint64_t capacity;
};

/* Sends a stream with the calls that wait, whether a receiver is there yet or not. */
static void waiting_sender(void *arg)
{
	struct waiting_role *role = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	unsigned char bytes[1000];
	char label[16];
	size_t size;

	snprintf(label, sizeof(label), "%u", role->stream.id);
	options.label = label;
	options.capacity = role->capacity;
	options.flags = EVCHAN_SENDER_WAIT;
	test_sender_open(&sender, NULL, scene_address(), &options);
	for (; role->stream.next < role->stream.count; role->stream.next++) {
		size = stream_write(&role->stream, bytes);
		CHECK_EQUAL(evchan_send_wait(sender.sender, (uint32_t)role->stream.next & 0xffffff,
					    bytes, size, 0, -1),
				0);
	}
	CHECK_EQUAL(evchan_drain_wait(sender.sender, -1), 0);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 0);
	test_sender_free(&sender);
}

static void start_senders(struct waiting_role *roles, pid_t *processes, uint64_t count)
{
	for (unsigned i = 0; i < SENDERS; i++) {
		roles[i].stream = (struct stream){ .id = i, .count = count, .most = 1000 };
		roles[i].capacity = UINT64_C(4096) << 2 * i;
		processes[i] = scene_start(waiting_sender, &roles[i]);
	}
}

static void join_senders(const struct stream_sink *sink, const pid_t *processes, uint64_t count)
{
	for (unsigned i = 0; i < SENDERS; i++) {
		CHECK_EQUAL(sink->next[i], count);
		scene_join(processes[i]);
	}
}

/* Streams of several processes arrive whole when everybody waits; a shutdown then ends it. */
static void streams_arrive_by_waiting(void **state)
{
	const uint64_t count = scene_scaled(20000);
	struct waiting_role roles[SENDERS];
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	struct stream_sink sink = { 0 };
	pid_t processes[SENDERS];
	int r;

	(void)state;
	start_senders(roles, processes, count);
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	for (uint64_t i = 0; i < SENDERS * count; i++) {
		CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
		stream_receive(&sink, message);
	}
	evchan_receive_done(receiver.receiver);
	CHECK_EQUAL(evchan_receiver_shutdown(receiver.receiver), 0);
	while ((r = evchan_receive_wait(&message, receiver.receiver, -1)) == 0)
		CHECK(!"there is no other message");
	CHECK_EQUAL(r, -ESHUTDOWN);
	CHECK_EQUAL(receiver.calls[HEARD_SHUT_DOWN], 1);
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], SENDERS);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 0);
	join_senders(&sink, processes, count);
	test_receiver_free(&receiver);
}

/* ---- A foreign loop ------------------------------------------------------------------ */

#define FDS_MAX 64

/* One turn of a loop that knows nothing but poll(2). */
static void foreign_turn(struct evchan_loop *loop, int timeout_ms)
{
	struct pollfd fds[FDS_MAX];
	int wanted;
	size_t count;

	CHECK_EQUAL(evchan_poll_loop_prepare(loop, fds, FDS_MAX, &count, &wanted), 0);
	CHECK(count <= FDS_MAX);
	if (timeout_ms < 0 || (wanted >= 0 && wanted < timeout_ms))
		timeout_ms = wanted;
	CHECK(poll(fds, count, timeout_ms) >= 0);
	CHECK_EQUAL(evchan_poll_loop_dispatch(loop, fds, count), 0);
}

/* The same from a foreign loop: wait for the descriptors, dispatch, and take what is there. */
static void streams_arrive_in_a_foreign_loop(void **state)
{
	const uint64_t count = scene_scaled(20000);
	struct waiting_role roles[SENDERS];
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	struct stream_sink sink = { 0 };
	struct evchan_loop *loop;
	pid_t processes[SENDERS];
	int r;

	(void)state;
	start_senders(roles, processes, count);
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	loop = evchan_receiver_poll_loop(receiver.receiver);
	CHECK(loop);
	while (receiver.calls[HEARD_LEFT] < SENDERS) {
		foreign_turn(loop, -1);
		while ((r = evchan_receive_wait(&message, receiver.receiver, 0)) == 0)
			stream_receive(&sink, message);
		CHECK_EQUAL(r, -EAGAIN);
	}
	join_senders(&sink, processes, count);
	test_receiver_free(&receiver);
}

static void receive_all(void *arg)
{
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	struct stream_sink sink = { 0 };

	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	while (sink.next[0] < *(uint64_t *)arg) {
		CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
		stream_receive(&sink, message);
	}
	test_receiver_free(&receiver);
}

/* A sender without a loop is told of room through its descriptors, too. */
static void sender_is_told_in_a_foreign_loop(void **state)
{
	struct stream stream = { .count = scene_scaled(20000), .most = 500 };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	struct evchan_loop *loop;
	unsigned writable = 0;
	pid_t process;

	(void)state;
	options.label = "0";
	options.capacity = 8192;
	options.flags = EVCHAN_SENDER_WAIT;
	test_sender_open(&sender, NULL, scene_address(), &options);
	loop = evchan_sender_poll_loop(sender.sender);
	process = scene_start(receive_all, &stream.count);
	while (stream_send(&stream, sender.sender, UINT64_MAX) == -EAGAIN) {
		while (sender.calls[TOLD_WRITABLE] == writable)
			foreign_turn(loop, -1);
		writable = sender.calls[TOLD_WRITABLE];
	}
	CHECK(writable > 0);
	/* Nothing but what is left in the ring is waited for. */
	scene_join(process);
	test_sender_free(&sender);
}

/* ---- Time-outs -------------------------------------------------------------------------- */

/* A receive with nothing there: zero only looks, and a time-out takes its time. */
static void receive_takes_its_time(void **state)
{
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	uint64_t before;

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EAGAIN);
	before = milliseconds();
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, TIMEOUT_MS), -ETIMEDOUT);
	CHECK(milliseconds() - before >= TIMEOUT_MS);
	test_receiver_free(&receiver);
}

/* A send without room, and a drain with nobody to consume: likewise. */
static void send_takes_its_time(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	uint64_t before;

	(void)state;
	options.flags = EVCHAN_SENDER_WAIT;
	options.capacity = 4096;
	test_sender_open(&sender, NULL, scene_address(), &options);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), 0);
	test_sender_fill(&sender, 100);
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4088, 0, 0), -EAGAIN);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), -EAGAIN);
	before = milliseconds();
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4088, 0, TIMEOUT_MS), -ETIMEDOUT);
	CHECK(milliseconds() - before >= TIMEOUT_MS);
	before = milliseconds();
	CHECK_EQUAL(evchan_drain_wait(sender.sender, TIMEOUT_MS), -ETIMEDOUT);
	CHECK(milliseconds() - before >= TIMEOUT_MS);
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4089, 0, -1), -EMSGSIZE);
	test_sender_free(&sender);
}

static void note_signal(int signal)
{
	(void)signal;
}

/* A signal every millisecond. */
static timer_t start_signals(void)
{
	const struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigaction action = { .sa_handler = note_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	CHECK_EQUAL(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQUAL(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	CHECK_EQUAL(timer_settime(timer, 0, &often, NULL), 0);
	return timer;
}

/* A signal ends the wait, and nothing else. */
static void signals_end_the_wait(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	struct test_sender sender = { 0 };
	timer_t timer;
	unsigned sent;

	(void)state;
	options.capacity = 4096;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), &options);
	sent = test_sender_fill(&sender, 100);
	timer = start_signals();
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 4000, 0, -1), -EINTR);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, -1), -EINTR);
	while (sent) {
		int r = evchan_receive_wait(&message, receiver.receiver, -1);

		CHECK(r == 0 || r == -EINTR);
		sent -= r == 0;
	}
	evchan_receive_done(receiver.receiver);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), -EINTR);
	CHECK_EQUAL(timer_delete(timer), 0);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), 0);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
}

/* ---- Where they are not allowed ----------------------------------------------------------- */

/* Who has a loop waits there. */
static void handles_with_a_loop_do_not_wait(void **state)
{
	const struct evchan_message *message;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	CHECK(!evchan_receiver_poll_loop(receiver.receiver));
	CHECK(!evchan_sender_poll_loop(sender.sender));
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EINVAL);
	CHECK_EQUAL(evchan_send_wait(sender.sender, 0, NULL, 0, 0, 0), -EINVAL);
	CHECK_EQUAL(evchan_drain_wait(sender.sender, 0), -EINVAL);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void receive_in_callback(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	const struct evchan_message *another;

	(void)heard;
	(void)lane;
	CHECK(!message);
	CHECK_EQUAL(evchan_receive_wait(&another, receiver->receiver, 0), -EINVAL);
}

static void send_in_callback(struct test_sender *sender, enum told told)
{
	(void)told;
	CHECK_EQUAL(evchan_send_wait(sender->sender, 0, NULL, 0, 0, 0), -EINVAL);
	CHECK_EQUAL(evchan_drain_wait(sender->sender, 0), -EINVAL);
	CHECK_EQUAL(evchan_send(sender->sender, 0, NULL, 0, 0), 0);
}

/* Nobody waits inside a callback; sending without waiting is right there as everywhere. */
static void callbacks_do_not_wait(void **state)
{
	struct test_receiver receiver = { .act = receive_in_callback };
	struct test_sender sender = { .act = send_in_callback };
	const struct evchan_message *message;

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EAGAIN);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 1);
	CHECK_EQUAL(evchan_poll_loop_run_once(evchan_sender_poll_loop(sender.sender), 0), 0);
	CHECK_EQUAL(sender.calls[TOLD_CONNECTED], 1);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
}

/* ---- Messages that were pulled ----------------------------------------------------------------- */

/* The message stays until the next is asked for, or it is said to be done; then it is released. */
static void pulled_message_is_released_by_the_next(void **state)
{
	const struct evchan_message *message, *held;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), NULL);
	for (int i = 0; i < 4; i++)
		CHECK_EQUAL(evchan_send(sender.sender, 0, "16 bytes of text", 16, 0), 0);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
	CHECK_EQUAL(evchan_poll_loop_run_once(evchan_sender_poll_loop(sender.sender), -1), 0);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 4 * 24);
	evchan_receive_done(receiver.receiver);
	evchan_receive_done(receiver.receiver);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 3 * 24);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), 0);
	CHECK_EQUAL(evchan_message_hold(&held, message), 0);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), 0);
	CHECK(memcmp(held->data, "16 bytes of text", 16) == 0);
	evchan_receive_done(receiver.receiver);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 3 * 24);
	evchan_message_release(held);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 1 * 24);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
}

/* One that was pulled and not done when the receiver is freed comes again at the next one; it
 * and none before it. */
static void pulled_message_comes_again_after_free(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	const struct evchan_message *message;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	options.reconnect_max_ms = 10;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), &options);
	for (uint32_t i = 0; i < 10; i++)
		CHECK_EQUAL(evchan_send(sender.sender, i, NULL, 0, 0), 0);
	for (uint32_t i = 0; i < 5; i++) {
		CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), 0);
		CHECK_EQUAL(message->type, i);
	}
	test_receiver_free(&receiver);
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_DISCONNECTED]);
	while (evchan_receive_wait(&message, receiver.receiver, 0) == -EAGAIN)
		stage_turn(&stage);
	CHECK_EQUAL(message->type, 4);
	CHECK(evchan_lane_resumed(message->lane));
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- Freed while waiting ----------------------------------------------------------------------- */

static void free_receiver_on_joined(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	(void)lane;
	(void)message;
	CHECK_EQUAL(heard, HEARD_JOINED);
	test_receiver_free(receiver);
}

/* A callback may free the receiver that waits. */
static void receiver_may_be_freed_while_waiting(void **state)
{
	struct test_receiver receiver = { .act = free_receiver_on_joined };
	const struct evchan_message *message;
	struct test_sender sender = { 0 };

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	test_sender_open(&sender, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, -1), -ECANCELED);
	test_sender_free(&sender);
}

static void free_sender_on_connected(struct test_sender *sender, enum told told)
{
	CHECK_EQUAL(told, TOLD_CONNECTED);
	test_sender_free(sender);
}

static void check_freed_sender(int (*wait)(struct evchan_sender *sender))
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { .act = free_sender_on_connected };
	struct test_receiver receiver = { 0 };
	struct stage stage;

	options.capacity = 4096;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	evchan_receiver_pause(receiver.receiver);
	test_sender_open(&sender, NULL, scene_address(), &options);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_JOINED]);
	/* The welcome lies in the sender's socket. */
	CHECK_EQUAL(wait(sender.sender), -ECANCELED);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static int wait_for_room(struct evchan_sender *sender)
{
	static const char half[3000];

	CHECK_EQUAL(evchan_send_wait(sender, 0, half, sizeof(half), 0, -1), 0);
	return evchan_send_wait(sender, 0, half, sizeof(half), 0, -1);
}

static int wait_for_emptiness(struct evchan_sender *sender)
{
	evchan_cork(sender);
	CHECK_EQUAL(evchan_send(sender, 0, NULL, 0, 0), 0);
	return evchan_drain_wait(sender, -1);
}

/* A callback may free the sender that waits, in either call. */
static void sender_may_be_freed_while_waiting(void **state)
{
	(void)state;
	check_freed_sender(wait_for_room);
	check_freed_sender(wait_for_emptiness);
}

/* ---- Fairness ------------------------------------------------------------------------------------ */

/* Lanes that all have much to say take turns: none has more than its share in a row. */
static void lanes_are_pulled_by_turns(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	const struct evchan_message *message;
	struct test_receiver receiver = { 0 };
	struct test_sender senders[3] = { 0 };
	const struct evchan_lane *last = NULL;
	unsigned in_a_row = 0;

	(void)state;
	options.turn_messages = 8;
	test_receiver_open(&receiver, NULL, scene_address(), &options);
	for (int i = 0; i < 3; i++)
		test_sender_open(&senders[i], NULL, scene_address(), NULL);
	for (int i = 0; i < 3; i++)
		test_sender_fill(&senders[i], 1000);
	/* All are admitted with the first look. */
	for (int i = 0; i < 300; i++) {
		CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), 0);
		in_a_row = message->lane == last ? in_a_row + 1 : 1;
		CHECK(in_a_row <= 8);
		last = message->lane;
	}
	for (int i = 0; i < 3; i++)
		test_sender_free(&senders[i]);
	test_receiver_free(&receiver);
}

static void single_sender(void *arg)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };

	options.label = "7";
	test_sender_open(&sender, NULL, scene_address(), &options);
	for (int i = 0; i < 20; i++) {
		scene_pass_gate(*(int *)arg);
		CHECK_EQUAL(evchan_send_wait(sender.sender, 7, "single", 6, 0, -1), 0);
	}
	CHECK_EQUAL(evchan_drain_wait(sender.sender, -1), 0);
	test_sender_free(&sender);
}

/* Pulls until a message of the single one comes. */
static void pull_single(struct test_receiver *receiver, struct stream_sink *sink)
{
	const struct evchan_message *message;

	do {
		CHECK_EQUAL(evchan_receive_wait(&message, receiver->receiver, -1), 0);
		if (stream_of(message->lane) != 7)
			stream_receive(sink, message);
	} while (stream_of(message->lane) != 7);
}

/* Lanes in full flow do not keep the messages of another from being pulled: the streams go on
 * only as far as their shares. */
static void single_message_is_pulled_soon(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct stream_sink sink = { 0 };
	pid_t floods[3], single;
	int go = scene_gate();

	(void)state;
	options.turn_messages = 16;
	test_receiver_open(&receiver, NULL, scene_address(), &options);
	single = scene_start(single_sender, &go);
	for (uint32_t i = 0; i < 3; i++)
		floods[i] = stream_start_endless(i, NULL);
	for (int i = 0; i < 20; i++) {
		scene_open_gate(go);
		pull_single(&receiver, &sink);
	}
	for (uint32_t i = 0; i < 3; i++)
		scene_kill(floods[i]);
	evchan_receive_done(receiver.receiver);
	scene_join(single);
	test_receiver_free(&receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(streams_arrive_by_waiting),
		SCENE_TEST(streams_arrive_in_a_foreign_loop),
		SCENE_TEST(sender_is_told_in_a_foreign_loop),
		SCENE_TEST(receive_takes_its_time),
		SCENE_TEST(send_takes_its_time),
		SCENE_TEST(signals_end_the_wait),
		SCENE_TEST(handles_with_a_loop_do_not_wait),
		SCENE_TEST(callbacks_do_not_wait),
		SCENE_TEST(pulled_message_is_released_by_the_next),
		SCENE_TEST(pulled_message_comes_again_after_free),
		SCENE_TEST(receiver_may_be_freed_while_waiting),
		SCENE_TEST(sender_may_be_freed_while_waiting),
		SCENE_TEST(lanes_are_pulled_by_turns),
		SCENE_TEST(single_message_is_pulled_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
