/* SPDX-License-Identifier: MIT */
/*
 * A camera that writes every byte of a frame, and a viewer that reads every byte of it: the same work in whatever way the
 * frame goes from one to the other.
 */

#include "bench_proto_channel.h"

#include <stdlib.h>
#include <string.h>

#include "process.h"

void frame_fill(uint8_t *plane, size_t size, uint32_t number)
{
	memset(plane, (int)(number & 0xff), size);
}

Evchan__Example__VideoFrame *frame_in_memory(uint32_t number)
{
	static Evchan__Example__VideoFrame frame;
	static uint8_t *bytes;

	if (!bytes) {
		bytes = malloc(FRAME_BYTES);
		if (!bytes)
			process_die("no memory for a frame");
		evchan__example__video_frame__init(&frame);
		frame.width = FRAME_WIDTH;
		frame.height = FRAME_HEIGHT;
		frame.y = (ProtobufCBinaryData){ FRAME_Y_BYTES, bytes };
		frame.u = (ProtobufCBinaryData){ FRAME_Y_BYTES / 4,
			bytes + FRAME_Y_BYTES };
		frame.v = (ProtobufCBinaryData){ FRAME_Y_BYTES / 4,
			bytes + FRAME_Y_BYTES + FRAME_Y_BYTES / 4 };
	}
	frame.number = number;
	frame_fill(frame.y.data, frame.y.len, number);
	frame_fill(frame.u.data, frame.u.len, number);
	frame_fill(frame.v.data, frame.v.len, number);
	return &frame;
}

static uint64_t sum_of(const ProtobufCBinaryData *plane)
{
	uint64_t sum = 0, word;

	for (size_t i = 0; i < plane->len; i += sizeof(word)) {
		memcpy(&word, plane->data + i, sizeof(word));
		sum += word;
	}
	return sum;
}

bool frame_read(struct channel_round *round, const Evchan__Example__VideoFrame *frame)
{
	uint64_t word = UINT64_C(0x0101010101010101) * (round->count & 0xff);

	if (frame->number != round->count ||
			frame->y.len + frame->u.len + frame->v.len != FRAME_BYTES)
		process_die("another frame than %u", (unsigned)round->count);
	if (sum_of(&frame->y) + sum_of(&frame->u) + sum_of(&frame->v) !=
			word * (FRAME_BYTES / sizeof(word)))
		process_die("frame %u has changed", (unsigned)round->count);
	return channel_count(round);
}
