/* SPDX-License-Identifier: MIT */
/*
 * The receiver pauses itself when its credit is used up, which publishes what it has
 * released, and runs a few turns before it says so. Before it says that it waits it has
 * run some, too, so that it is asleep then or will find nothing and fall asleep: either
 * way the next message rings.
 */

#include "steered_receiver.h"

#include <string.h>

#include "scene.h"

/* ---- The receiver's process ---------------------------------------------- */

static void reader_acts(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct steered_reader *reader = receiver->arg;

	(void)lane;
	(void)message;
	if (heard == HEARD_MESSAGE && --reader->credit == 0)
		evchan_receiver_pause(receiver->receiver);
}

/* Takes what there is credit for. */
static void take_credit(struct steered_reader *reader, struct test_receiver *receiver,
		struct stage *stage)
{
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;

	evchan_receiver_resume(receiver->receiver);
	stage_look(stage, STEERED_LOOKS);
	scene_open_gate(reader->ready);
	STAGE_UNTIL(stage, reader->credit == 0);
	stage_look(stage, STEERED_LOOKS);
	evchan_receiver_get_stats(receiver->receiver, &stats);
	reader->times_full = stats.times_full;
	scene_open_gate(reader->done);
}

static void reader_plays(void *arg)
{
	struct steered_reader *reader = arg;
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

/* ---- The test's side ----------------------------------------------------- */

void steered_start_reader(struct steered *play)
{
	play->process = scene_start(reader_plays, play->reader);
	scene_pass_gate(play->reader->ready);
}

void steered_open_sender(struct steered *play, uint64_t low_watermark)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(play, 0, sizeof(*play));
	play->reader = scene_share(sizeof(*play->reader));
	play->reader->go = scene_gate();
	play->reader->ready = scene_gate();
	play->reader->done = scene_gate();
	stage_open(&play->stage, NULL);
	options.capacity = STEERED_CAPACITY;
	options.low_watermark = low_watermark;
	options.flags = EVCHAN_SENDER_WAIT;
	options.reconnect_max_ms = 10;
	test_sender_open(&play->sender, &play->stage, scene_address(), &options);
}

void steered_open(struct steered *play, uint64_t low_watermark)
{
	steered_open_sender(play, low_watermark);
	steered_start_reader(play);
	STAGE_UNTIL(&play->stage, play->sender.calls[TOLD_CONNECTED]);
}

void steered_close(struct steered *play)
{
	play->reader->credit = 0;
	scene_open_gate(play->reader->go);
	scene_join(play->process);
	test_sender_free(&play->sender);
	stage_close(&play->stage);
}

void steered_wait(struct steered *play, unsigned count)
{
	play->reader->credit = count;
	scene_open_gate(play->reader->go);
	scene_pass_gate(play->reader->ready);
}

void steered_take(struct steered *play, unsigned count)
{
	steered_wait(play, count);
	scene_pass_gate(play->reader->done);
	stage_look(&play->stage, STEERED_LOOKS);
}

int steered_send(struct steered *play, unsigned flags)
{
	static const char payload[STEERED_PAYLOAD];

	return evchan_send(play->sender.sender, 0, payload, sizeof(payload), flags);
}

struct evchan_lane_stats steered_stats(const struct steered *play)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	evchan_sender_get_stats(play->sender.sender, &stats);
	return stats;
}
