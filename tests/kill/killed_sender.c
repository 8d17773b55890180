/* SPDX-License-Identifier: MIT */
/*
 * The receiver's view of a killed sender. Everything happens in one process and one
 * loop, so "nothing more will come" is known after a few turns: what a dead process has
 * done, it has done.
 */

#include "killed_sender.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cursor.h"
#include "disposal.h"
#include "lane.h"
#include "process.h"
#include "receiver.h"
#include "scene.h"

#define PATIENCE_MS 20000
#define BYSTANDER_CAPACITY 4096u
#define TURNS 8 /* accept, hello, drain, hang-up, farewell; and some more */

static void victim_heard(struct house *house, enum heard heard, struct evchan_lane *lane)
{
	switch ((int)heard) {
	case HEARD_JOINED:
		house->joined++;
		house->lane = lane;
		house->is_resumed = evchan_lane_resumed(lane);
		break;
	case HEARD_LEFT:
		house->left++;
		house->lane = NULL;
		house->reason = house->receiver.left_reason;
		house->peer = evchan_lane_peer(lane);
		house->read = lane->reader.read;
	}
}

static void house_heard(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct house *house = receiver->arg;

	CHECK(heard != HEARD_ERROR);
	if (heard == HEARD_MESSAGE)
		stream_receive(&house->sink, message);
	else if (lane && stream_of(lane) == VICTIM)
		victim_heard(house, heard, lane);
}

/* Descriptors, without those that are about to go. */
static unsigned count_at_rest(void)
{
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	return count_open_descriptors();
}

static void open_receiver(struct house *house)
{
	house->receiver = (struct test_receiver){ .act = house_heard, .arg = house };
	test_receiver_open(
			&house->receiver, &house->stage, scene_address(), house->options);
}

static void open_bystander(struct house *house)
{
	const struct evchan_sender_options options = { .size = sizeof(options),
		.label = "2",
		.capacity = BYSTANDER_CAPACITY,
		.reconnect_min_ms = 1,
		.reconnect_max_ms = 1 };

	house->bystander_stream = (struct stream){
		.id = BYSTANDER, .count = UINT64_MAX, .most = 200
	};
	test_sender_open(&house->bystander, &house->stage, scene_address(), &options);
	STAGE_UNTIL(&house->stage, house->bystander.calls[TOLD_CONNECTED]);
}

void house_open(struct house *house, const struct evchan_receiver_options *options)
{
	memset(house, 0, sizeof(*house));
	house->options = options;
	stage_open(&house->stage, NULL);
	open_receiver(house);
	open_bystander(house);
	house_settle(house);
	house->open_descriptors = count_at_rest();
}

static void forget_victim(struct house *house)
{
	house->lane = NULL;
	house->joined = house->left = 0;
	house->tail = house->read = 0;
}

void house_restart(struct house *house, bool is_crash)
{
	unsigned *calls = house->bystander.calls;

	if (is_crash)
		CHECK_EQUAL(shutdown(house->lane->control.fd, SHUT_RDWR), 0);
	test_receiver_free(&house->receiver);
	forget_victim(house);
	calls[TOLD_CONNECTED] = 0;
	open_receiver(house);
	STAGE_UNTIL(&house->stage, calls[TOLD_CONNECTED]);
	calls[TOLD_DISCONNECTED] = 0;
}

void house_close(struct house *house)
{
	test_sender_free(&house->bystander);
	test_receiver_free(&house->receiver);
	stage_close(&house->stage);
}

void house_start(struct house *house, void (*role)(void *arg), void *arg)
{
	forget_victim(house);
	house->sink.next[VICTIM] = 0;
	house->victim = scene_start(role, arg);
}

uint64_t house_received(const struct house *house)
{
	return house->sink.next[VICTIM];
}

void house_settle(struct house *house)
{
	stage_look(&house->stage, TURNS);
}

void house_look(struct house *house)
{
	if (house->lane)
		house->tail = cursor_observe(&house->lane->reader.header->tail);
}

void house_check_left(struct house *house, enum evchan_left_reason reason,
		enum evchan_left_reason or_reason)
{
	house_settle(house);
	STAGE_UNTIL(&house->stage, house->left == house->joined);
	if (house->joined == 0)
		return;
	CHECK_EQUAL(house->joined, 1);
	CHECK(house->reason == reason || house->reason == or_reason);
	CHECK_EQUAL(house->peer.pid, house->victim);
	CHECK_EQUAL(house->peer.uid, geteuid());
	CHECK_EQUAL(house->peer.gid, getegid());
	/* All of what it had published, and nothing else. */
	CHECK(house->tail == 0 || house->tail == house->read);
	CHECK_EQUAL(house->read, victim_position(house_received(house)));
}

/* What the victim was charged was given back. */
static void check_charges(const struct evchan_receiver *receiver)
{
	CHECK_EQUAL(receiver->stats.lanes, 1);
	CHECK_EQUAL(receiver->admission.guests, 0);
	CHECK_EQUAL(receiver->admission.senders, 1);
	CHECK_EQUAL(receiver->admission.bytes, BYSTANDER_CAPACITY);
}

void house_check_others(struct house *house)
{
	uint64_t *received = &house->sink.next[BYSTANDER];
	uint64_t noted = *received;

	CHECK_EQUAL(stream_send(&house->bystander_stream, house->bystander.sender, 1),
			-EINPROGRESS);
	STAGE_UNTIL(&house->stage, *received > noted);
	check_charges(house->receiver.receiver);
	CHECK_EQUAL(house->bystander.calls[TOLD_DISCONNECTED], 0);
	CHECK_EQUAL(count_at_rest(), house->open_descriptors);
}

void house_check_room(struct house *house)
{
	const struct evchan_sender_options options = {
		.size = sizeof(options), .label = "3", .capacity = 4096
	};
	struct test_sender guests[2] = { { 0 }, { 0 } };

	for (unsigned i = 0; i < 2; i++)
		test_sender_open(&guests[i], &house->stage, scene_address(), &options);
	for (unsigned i = 0; i < 2; i++) {
		STAGE_UNTIL(&house->stage, guests[i].calls[TOLD_CONNECTED]);
		CHECK_EQUAL(guests[i].calls[TOLD_REFUSED], 0);
		test_sender_free(&guests[i]);
	}
	house_settle(house);
}

uint64_t victim_position(uint64_t count)
{
	struct stream stream = { .id = VICTIM, .most = VICTIM_MOST };
	unsigned char bytes[VICTIM_MOST];
	uint64_t position = 0;

	for (; stream.next < count; stream.next++)
		position += ring_record_bytes(stream_write(&stream, bytes));
	return position;
}
