/* SPDX-License-Identifier: MIT */
/*
 * Streams without a loop: between processes that use the calls that wait, and from a loop
 * of another kind, here bare poll(2), through the descriptors of the handles. Lanes are
 * pulled by turns.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "scene.h"
#include "stream.h"

#define SENDERS 4u

/* ---- Streams ------------------------------------------------------------- */

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
		CHECK_EQUAL(evchan_send_wait(sender.sender,
					    (uint32_t)role->stream.next & 0xffffff, bytes,
					    size, 0, -1),
				0);
	}
	CHECK_EQUAL(evchan_drain_wait(sender.sender, -1), 0);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 0);
	test_sender_free(&sender);
}

static void start_senders(struct waiting_role *roles, pid_t *processes, uint64_t count)
{
	for (unsigned i = 0; i < SENDERS; i++) {
		roles[i].stream =
				(struct stream){ .id = i, .count = count, .most = 1000 };
		roles[i].capacity = UINT64_C(4096) << 2 * i;
		processes[i] = scene_start(waiting_sender, &roles[i]);
	}
}

static void join_senders(
		const struct stream_sink *sink, const pid_t *processes, uint64_t count)
{
	for (unsigned i = 0; i < SENDERS; i++) {
		CHECK_EQUAL(sink->next[i], count);
		scene_join(processes[i]);
	}
}

/* Streams of several processes arrive whole when everybody waits; a shutdown then ends
 * it. */
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

/* ---- A foreign loop ------------------------------------------------------ */

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

/* The same from a foreign loop: wait for the descriptors, dispatch, and take what is
 * there. */
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

/* ---- Fairness ------------------------------------------------------------ */

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

/* Lanes in full flow do not keep the messages of another from being pulled: the
 * streams go on only as far as their shares. */
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
		SCENE_TEST(lanes_are_pulled_by_turns),
		SCENE_TEST(single_message_is_pulled_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
