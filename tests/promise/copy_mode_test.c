/* SPDX-License-Identifier: MIT */
/*
 * Messages that are copied before they are delivered: a sender that changes its ring
 * meanwhile changes nothing for the reader, whether all lanes are copied or this one
 * alone. Without copies it does change what is read; that is said in the documentation,
 * and shown here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "hostile_peer.h"
#include "receiver.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define ORIGINAL "as it was sent"

struct reader {
	struct hostile_peer peer;
	bool copies_lane; /* asked for when it joins */
	bool is_immune;
};

static bool is_original(const struct evchan_message *message)
{
	return memcmp(message->data, ORIGINAL, sizeof(ORIGINAL)) == 0;
}

/* The sender changes the payload while it is delivered, and again while it is held. */
static void read_and_change(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct reader *reader = receiver->arg;
	const struct evchan_message *held;

	if (heard == HEARD_JOINED && reader->copies_lane)
		evchan_lane_set_copy(lane, true);
	if (heard != HEARD_MESSAGE)
		return;
	CHECK(is_original(message));
	memset(reader->peer.data + 8, 'X', sizeof(ORIGINAL));
	CHECK_EQUAL(is_original(message), reader->is_immune);
	CHECK_EQUAL(evchan_message_hold(&held, message), 0);
	memset(reader->peer.data + 8, 'Y', sizeof(ORIGINAL));
	CHECK_EQUAL(is_original(held), reader->is_immune);
	evchan_message_release(held);
}

static void check_change(uint32_t flags, bool copies_lane, bool is_immune)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct reader reader = { HOSTILE_PEER_NONE, copies_lane, is_immune };
	struct test_receiver receiver = { .act = read_and_change, .arg = &reader };
	struct stage stage;

	stage_open(&stage, NULL);
	options.flags = flags;
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	hostile_make_ring(&reader.peer, 4096, NULL);
	hostile_put_record(&reader.peer, 0, sizeof(ORIGINAL), 0);
	memcpy(reader.peer.data + 8, ORIGINAL, sizeof(ORIGINAL));
	hostile_publish(&reader.peer, ring_record_bytes(sizeof(ORIGINAL)));
	hostile_join(&reader.peer, &stage, scene_address());
	STAGE_UNTIL(&stage, receiver.calls[HEARD_MESSAGE]);
	hostile_close(&reader.peer);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A receiver that copies is immune against a sender that changes a message while it is
 * read. */
static void copies_do_not_change(void **state)
{
	(void)state;
	check_change(EVCHAN_RECEIVER_COPY, false, true);
}

/* So is a lane that is copied. */
static void lane_can_be_copied_alone(void **state)
{
	(void)state;
	check_change(0, true, true);
}

/* One that does not copy reads the sender's ring, as it is. */
static void ring_changes_under_its_reader(void **state)
{
	(void)state;
	check_change(0, false, false);
}

/* ---- What copies cost ---------------------------------------------------- */

#define LARGE ((size_t)1 << 20)

static void send_copied(struct stage *stage, struct test_receiver *receiver,
		struct test_sender *sender, size_t size)
{
	static const unsigned char bytes[LARGE];
	unsigned messages = receiver->calls[HEARD_MESSAGE];

	CHECK_EQUAL(evchan_send(sender->sender, 0, bytes, size, 0), 0);
	STAGE_UNTIL(stage, receiver->calls[HEARD_MESSAGE] > messages);
}

/* All lanes are copied to one place, which is as large as messages have been of late,
 * whatever they were before. */
static void copies_share_one_place(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_sender_options large = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct test_sender senders[3] = { 0 };
	struct stage stage;
	size_t copy_size;

	(void)state;
	stage_open(&stage, NULL);
	options.flags = EVCHAN_RECEIVER_COPY;
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	large.capacity = 2 * LARGE;
	for (int i = 0; i < 3; i++) {
		test_sender_open(&senders[i], &stage, scene_address(), &large);
		send_copied(&stage, &receiver, &senders[i], LARGE);
		CHECK_EQUAL(receiver.receiver->copy_size, LARGE);
	}
	/* Small ones among large ones change nothing, ... */
	for (int i = 0; i < 300; i++)
		send_copied(&stage, &receiver, &senders[i % 3], i % 30 ? 10 : LARGE);
	CHECK_EQUAL(receiver.receiver->copy_size, LARGE);
	/* ... small ones alone do. */
	for (int i = 0; i < 200; i++)
		send_copied(&stage, &receiver, &senders[i % 3], 10);
	copy_size = receiver.receiver->copy_size;
	CHECK(copy_size >= 10 && copy_size <= 4096);
	send_copied(&stage, &receiver, &senders[0], LARGE);
	for (int i = 0; i < 3; i++)
		test_sender_free(&senders[i]);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(copies_do_not_change),
		SCENE_TEST(lane_can_be_copied_alone),
		SCENE_TEST(ring_changes_under_its_reader),
		SCENE_TEST(copies_share_one_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
