/* SPDX-License-Identifier: MIT */
/*
 * Every message of the flood is checked as in any other stream (stream.c).
 */

#include "flood.h"

#include <string.h>

#include "scene.h"

#define SINGLE "single" /* label of those who do not flood */

static void flood_heard(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct flood *flood = receiver->arg;

	if (heard != HEARD_MESSAGE)
		return;
	if (strcmp(evchan_lane_label(lane), SINGLE) == 0) {
		flood->singles++;
		return;
	}
	stream_receive(&flood->sink, message);
	flood->messages++;
}

void flood_open(struct flood *flood, const struct evchan_receiver_options *options)
{
	memset(flood, 0, sizeof(*flood));
	stage_open(&flood->stage, NULL);
	for (unsigned i = 0; i < FLOOD_SENDERS; i++)
		flood->processes[i] = stream_start_endless(i, NULL);
	flood->receiver.act = flood_heard;
	flood->receiver.arg = flood;
	test_receiver_open(&flood->receiver, &flood->stage, scene_address(), options);
	for (unsigned i = 0; i < FLOOD_SENDERS; i++)
		STAGE_UNTIL(&flood->stage, flood->sink.next[i]);
}

void flood_await(struct flood *flood)
{
	uint64_t messages;

	do {
		messages = flood->messages;
		stage_turn(&flood->stage);
	} while (flood->messages - messages < 50);
}

void flood_close(struct flood *flood)
{
	for (unsigned i = 0; i < FLOOD_SENDERS; i++)
		scene_kill(flood->processes[i]);
	test_receiver_free(&flood->receiver);
	stage_close(&flood->stage);
}

void flood_open_single(struct test_sender *single)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.label = SINGLE;
	test_sender_open(single, NULL, scene_address(), &options);
}

void flood_send_single(struct flood *flood, struct test_sender *single)
{
	uint64_t singles = flood->singles, turn = flood->stage.turns;

	CHECK_EQUAL(evchan_send(single->sender, 0, NULL, 0, 0), 0);
	STAGE_UNTIL(&flood->stage, flood->singles > singles);
	CHECK(flood->stage.turns - turn <= FLOOD_TURNS_MOST);
}
