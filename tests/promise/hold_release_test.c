/* SPDX-License-Identifier: MIT */
/*
 * Holding messages: a held one stays whole in the ring, whatever comes after it, until it
 * is released, in any order, also when its sender is dead. The ring is freed up to the
 * oldest hold. The duty to release outlives even the receiver.
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

#include "ring_format.h"
#include "scene.h"
#include "stream.h"

#define HOLDS_MAX 1024u
#define STREAM 3u
#define LOOKS 10u

/* A receiver that holds what it is told to. */
struct holder {
	struct stage stage;
	struct test_receiver receiver;
	uint64_t next; /* number of the next message of the stream */
	bool holds;
	int result; /* of the last hold */
	const struct evchan_message *held[HOLDS_MAX];
	uint64_t numbers[HOLDS_MAX];
	unsigned count;
};

static void holder_heard(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct holder *holder = receiver->arg;

	(void)lane;
	if (heard != HEARD_MESSAGE)
		return;
	stream_check(message, STREAM, holder->next);
	if (holder->holds) {
		CHECK(holder->count < HOLDS_MAX);
		holder->result = evchan_message_hold(
				&holder->held[holder->count], message);
		if (holder->result == 0)
			holder->numbers[holder->count++] = holder->next;
	}
	holder->next++;
}

static void open_holder(
		struct holder *holder, const struct evchan_receiver_options *options)
{
	memset(holder, 0, sizeof(*holder));
	stage_open(&holder->stage, NULL);
	holder->holds = true;
	holder->receiver.act = holder_heard;
	holder->receiver.arg = holder;
	test_receiver_open(&holder->receiver, &holder->stage, scene_address(), options);
}

static void close_holder(struct holder *holder)
{
	test_receiver_free(&holder->receiver);
	stage_close(&holder->stage);
}

/* The held message is still the one it was. */
static void check_held(const struct holder *holder, unsigned i)
{
	stream_check(holder->held[i], STREAM, holder->numbers[i]);
	CHECK_EQUAL(holder->held[i]->lane == NULL, 0);
}

/* Checks and releases the hold, and forgets it. */
static void release(struct holder *holder, unsigned i)
{
	check_held(holder, i);
	evchan_message_release(holder->held[i]);
	holder->count--;
	holder->held[i] = holder->held[holder->count];
	holder->numbers[i] = holder->numbers[holder->count];
}

/* A sender of the stream on the holder's stage. */
struct source {
	struct test_sender sender;
	struct stream stream;
};

static void open_source(struct source *source, struct holder *holder, uint64_t capacity)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(source, 0, sizeof(*source));
	source->stream = (struct stream){ .id = STREAM, .most = 200 };
	options.label = "3";
	options.capacity = capacity;
	test_sender_open(&source->sender, &holder->stage, scene_address(), &options);
}

/* Sends `count` messages, and lets them arrive. */
static void send_some(struct source *source, struct holder *holder, uint64_t count)
{
	source->stream.count = source->stream.next + count;
	CHECK_EQUAL(stream_send(&source->stream, source->sender.sender, count), 0);
	STAGE_UNTIL(&holder->stage, holder->next == source->stream.next);
	stage_look(&holder->stage, LOOKS);
}

/* Ring bytes from message `number` of the stream to the end of what was sent. */
static uint64_t bytes_from(const struct source *source, uint64_t number)
{
	struct stream stream = source->stream;
	unsigned char bytes[200];
	uint64_t sum = 0;

	for (stream.next = number; stream.next < source->stream.next; stream.next++)
		sum += ring_record_bytes(stream_write(&stream, bytes));
	return sum;
}

static uint64_t oldest(const struct holder *holder, const struct source *source)
{
	uint64_t number = source->stream.next;

	for (unsigned i = 0; i < holder->count; i++)
		if (holder->numbers[i] < number)
			number = holder->numbers[i];
	return number;
}

/* Holds may be released in any order; after each release all before the oldest hold is
 * free, and nothing else. */
static void release_in_any_order(void **state)
{
	struct holder holder;
	struct source source;

	(void)state;
	open_holder(&holder, NULL);
	open_source(&source, &holder, 65536);
	srandom(3);
	for (int round = 0; round < 20; round++) {
		holder.holds = true;
		send_some(&source, &holder, 50);
		CHECK_EQUAL(holder.count, 50);
		holder.holds = false;
		send_some(&source, &holder, 10);
		while (holder.count) {
			CHECK_EQUAL(test_sender_unconsumed(&source.sender),
					bytes_from(&source, oldest(&holder, &source)));
			release(&holder, (unsigned)random() % holder.count);
		}
		CHECK_EQUAL(test_sender_unconsumed(&source.sender), 0);
	}
	test_sender_free(&source.sender);
	close_holder(&holder);
}

static uint64_t held_bytes(const struct holder *holder)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	evchan_lane_get_stats(holder->receiver.lane, &stats);
	return stats.held_bytes;
}

static void check_limit(const struct evchan_receiver_options *options, uint64_t limit)
{
	struct holder holder;
	struct source source;

	open_holder(&holder, options);
	open_source(&source, &holder, 65536);
	do {
		send_some(&source, &holder, 1);
		CHECK(held_bytes(&holder) <= limit);
	} while (holder.result == 0);
	CHECK_EQUAL(holder.result, -ENOBUFS);
	CHECK(held_bytes(&holder) > limit - 208);
	/* It was delivered all the same, and so is what follows. */
	release(&holder, 0);
	while (holder.count > 1)
		release(&holder, 1);
	send_some(&source, &holder, 1);
	CHECK_EQUAL(holder.result, 0);
	while (holder.count)
		release(&holder, 0);
	CHECK_EQUAL(held_bytes(&holder), 0);
	test_sender_free(&source.sender);
	close_holder(&holder);
}

/* Half the ring may be held, and no more. */
static void half_the_ring_may_be_held(void **state)
{
	(void)state;
	check_limit(NULL, 32768);
}

/* Or as much as the receiver says. */
static void limit_of_held_bytes_can_be_set(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.max_held_bytes = 5000;
	check_limit(&options, 5000);
}

static void hold_badly(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	const struct evchan_message *held, *again = NULL;
	struct evchan_message other;

	(void)lane;
	if (heard != HEARD_MESSAGE)
		return;
	other = *message;
	CHECK_EQUAL(evchan_message_hold(&again, &other), -EINVAL);
	CHECK_EQUAL(evchan_message_hold(&held, message), 0);
	CHECK_EQUAL(evchan_message_hold(&again, message), -EALREADY);
	CHECK_EQUAL(evchan_message_hold(&again, held), -EINVAL);
	CHECK(!again);
	evchan_message_release(held);
	/* It is still the one being delivered. */
	CHECK_EQUAL(evchan_message_hold(&held, message), 0);
	evchan_message_release(held);
	evchan_message_release(NULL);
	receiver->arg = NULL;
}

/* A message is held once, while it is delivered, and can be released and held again
 * meanwhile. */
static void only_the_delivered_message_can_be_held(void **state)
{
	struct test_receiver receiver = { .act = hold_badly, .arg = &receiver };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	CHECK_EQUAL(evchan_send(sender.sender, 0, "held", 4, 0), 0);
	STAGE_UNTIL(&stage, !receiver.arg);
	stage_look(&stage, LOOKS);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 0);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A held message keeps the ring full; its release makes room, and the sender is told. */
static void release_makes_room(void **state)
{
	struct holder holder;
	struct source source;

	(void)state;
	open_holder(&holder, NULL);
	open_source(&source, &holder, 4096);
	send_some(&source, &holder, 1);
	holder.holds = false;
	source.stream.count = UINT64_MAX;
	CHECK_EQUAL(stream_send(&source.stream, source.sender.sender, UINT64_MAX),
			-EAGAIN);
	STAGE_UNTIL(&holder.stage, holder.next == source.stream.next);
	stage_look(&holder.stage, LOOKS);
	CHECK_EQUAL(source.sender.calls[TOLD_WRITABLE], 0);
	release(&holder, 0);
	STAGE_UNTIL(&holder.stage, source.sender.calls[TOLD_WRITABLE]);
	CHECK_EQUAL(test_sender_unconsumed(&source.sender), 0);
	test_sender_free(&source.sender);
	close_holder(&holder);
}

/* ---- Beyond the end ------------------------------------------------------ */

static void send_and_exit(void *arg)
{
	struct stream stream = { .id = STREAM, .count = *(uint64_t *)arg, .most = 200 };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };

	options.label = "3";
	test_sender_open(&sender, NULL, scene_address(), &options);
	CHECK_EQUAL(stream_send(&stream, sender.sender, UINT64_MAX), 0);
	_exit(0);
}

/* A process sends 100 messages, all of which are held, and is gone. */
static void hold_all_of_a_dead_sender(struct holder *holder)
{
	uint64_t count = 100;

	stage_join(&holder->stage, scene_start(send_and_exit, &count));
	STAGE_UNTIL(&holder->stage, holder->receiver.calls[HEARD_LEFT]);
	CHECK_EQUAL(holder->receiver.left_reason, EVCHAN_LEFT_CRASHED);
	CHECK_EQUAL(holder->count, count);
}

/* Holds and their data outlive the sender, and the lane's end; the lane with them. */
static void holds_outlive_their_sender(void **state)
{
	struct holder holder;

	(void)state;
	open_holder(&holder, NULL);
	hold_all_of_a_dead_sender(&holder);
	srandom(4);
	while (holder.count) {
		CHECK(strcmp(evchan_lane_label(holder.held[0]->lane), "3") == 0);
		release(&holder, (unsigned)random() % holder.count);
	}
	close_holder(&holder);
}

/* A dead lane that is held counts in the limits until the last hold is released. */
static void held_lanes_count_in_the_limits(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_sender_options patient = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender next = { 0 };
	struct holder holder;

	(void)state;
	options.max_senders = 1;
	open_holder(&holder, &options);
	hold_all_of_a_dead_sender(&holder);
	patient.reconnect_max_ms = 5;
	test_sender_open(&next, &holder.stage, scene_address(), &patient);
	STAGE_UNTIL(&holder.stage, next.calls[TOLD_REFUSED] > 1);
	CHECK_EQUAL(next.refusal, -EUSERS);
	while (holder.count)
		release(&holder, 0);
	STAGE_UNTIL(&holder.stage, next.calls[TOLD_CONNECTED]);
	test_sender_free(&next);
	close_holder(&holder);
}

/* Freeing the receiver ends the data, not the duty: releasing afterwards is right. */
static void release_after_the_receiver_was_freed(void **state)
{
	struct holder holder;
	struct source source;

	(void)state;
	open_holder(&holder, NULL);
	hold_all_of_a_dead_sender(&holder);
	holder.next = 0;
	open_source(&source, &holder, 65536);
	send_some(&source, &holder, 10);
	test_receiver_free(&holder.receiver);
	for (unsigned i = 0; i < holder.count; i++)
		evchan_message_release(holder.held[i]);
	test_sender_free(&source.sender);
	close_holder(&holder);
}

/* Evicting a lane leaves its holds whole. */
static void holds_outlive_an_eviction(void **state)
{
	struct holder holder;
	struct source source;

	(void)state;
	open_holder(&holder, NULL);
	open_source(&source, &holder, 65536);
	send_some(&source, &holder, 10);
	CHECK_EQUAL(evchan_lane_evict(holder.receiver.lane, NULL), 0);
	STAGE_UNTIL(&holder.stage, holder.receiver.calls[HEARD_LEFT]);
	STAGE_UNTIL(&holder.stage, source.sender.calls[TOLD_REFUSED]);
	test_sender_free(&source.sender);
	while (holder.count)
		release(&holder, 0);
	close_holder(&holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(release_in_any_order),
		SCENE_TEST(half_the_ring_may_be_held),
		SCENE_TEST(limit_of_held_bytes_can_be_set),
		SCENE_TEST(only_the_delivered_message_can_be_held),
		SCENE_TEST(release_makes_room),
		SCENE_TEST(holds_outlive_their_sender),
		SCENE_TEST(held_lanes_count_in_the_limits),
		SCENE_TEST(release_after_the_receiver_was_freed),
		SCENE_TEST(holds_outlive_an_eviction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
