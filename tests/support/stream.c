/* SPDX-License-Identifier: MIT */
/*
 * Numbered, checksummed messages. Their sizes jump about, so that records begin at every
 * offset of a ring and cross its end everywhere; both sides compute the same size from
 * the number, and the receiver's comes from the record, so that a wrong one shows.
 */

#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "scene.h"

#define SLICE 1000 /* messages in one go: a sender has a loop to come back to */

struct stream_header {
	uint32_t stream;
	uint32_t size;
	uint64_t number;
	uint64_t sum; /* of what follows */
};

/* splitmix64 */
static uint64_t mix(uint64_t value)
{
	value += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static bool is_empty(uint32_t stream, uint64_t number)
{
	return mix(number * STREAMS_MAX + stream) % 101 == 0;
}

static size_t size_of(const struct stream *stream)
{
	uint64_t random = mix(stream->next * STREAMS_MAX + stream->id + 1);
	size_t span = stream->most - STREAM_MESSAGE_MIN + 1;

	if (is_empty(stream->id, stream->next))
		return 0;
	if (random % 499 == 0)
		return stream->most;
	/* Small ones are the rule. */
	if (random % 8 && span > 256)
		span = 256;
	return STREAM_MESSAGE_MIN + (size_t)((random >> 16) % span);
}

static uint64_t sum_of(const unsigned char *bytes, size_t size, uint64_t sum)
{
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
	}
	while (size--)
		sum = (sum ^ *bytes++) * UINT64_C(0x100000001b3);
	return sum;
}

/* ---- The sender's side --------------------------------------------------- */

size_t stream_write(const struct stream *stream, void *out)
{
	size_t size = size_of(stream);
	unsigned char *bytes = out;
	struct stream_header header = {
		.stream = stream->id,
		.size = (uint32_t)size,
		.number = stream->next,
	};
	uint64_t word = mix(stream->next ^ stream->id);

	if (size == 0)
		return 0;
	for (size_t at = sizeof(header); at < size; at += sizeof(word), word++)
		memcpy(bytes + at, &word,
				size - at < sizeof(word) ? size - at : sizeof(word));
	header.sum = sum_of(bytes + sizeof(header), size - sizeof(header), stream->next);
	memcpy(bytes, &header, sizeof(header));
	return size;
}

static int stream_send_one(struct stream *stream, struct evchan_sender *sender)
{
	static unsigned char *message;
	static size_t room;
	int r;

	if (room < stream->most) {
		free(message);
		room = stream->most;
		message = malloc(room);
		CHECK(message);
	}
	if (stream->progress)
		stream->progress->begun = stream->next + 1;
	r = evchan_send(sender, (uint32_t)stream->next & 0xffffff, message,
			stream_write(stream, message), 0);
	if (r < 0)
		return r;
	stream->next++;
	if (stream->progress)
		stream->progress->sent = stream->next;
	return 0;
}

int stream_send(struct stream *stream, struct evchan_sender *sender, uint64_t most)
{
	int r = 0;

	while (r == 0 && stream->next < stream->count && most--)
		r = stream_send_one(stream, sender);
	CHECK(r == 0 || r == -EAGAIN);
	return r == 0 && stream->next < stream->count ? -EINPROGRESS : r;
}

/* ---- A process that sends one -------------------------------------------- */

struct stream_player {
	struct stream_role *role;
	struct stage stage;
	struct test_sender sender;
	struct event *again;
};

static void stream_player_send(struct stream_player *player)
{
	static const struct timeval now = { 0, 0 };
	int r = stream_send(&player->role->stream, player->sender.sender, SLICE);

	if (r == 0)
		CHECK_EQUAL(evchan_sender_notify_drained(player->sender.sender), 0);
	else if (r == -EINPROGRESS)
		CHECK_EQUAL(event_add(player->again, &now), 0);
}

static void stream_player_go_on(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stream_player_send(arg);
}

static void stream_player_act(struct test_sender *sender, enum told told)
{
	CHECK(told != TOLD_REFUSED);
	if (told == TOLD_WRITABLE)
		stream_player_send(sender->arg);
}

void stream_role(void *arg)
{
	struct stream_role *role = arg;
	struct stream_player player = { .role = role };
	char label[16];

	snprintf(label, sizeof(label), "%u", role->stream.id);
	role->options.size = sizeof(role->options);
	role->options.label = label;
	role->options.flags |= EVCHAN_SENDER_WAIT;
	stage_open(&player.stage, role->backend);
	player.sender.act = stream_player_act;
	player.sender.arg = &player;
	test_sender_open(&player.sender, &player.stage, role->address, &role->options);
	player.again = evtimer_new(player.stage.base, stream_player_go_on, &player);
	CHECK(player.again);
	stream_player_send(&player);
	STAGE_UNTIL(&player.stage, player.sender.calls[TOLD_DRAINED]);
	event_free(player.again);
	test_sender_free(&player.sender);
	stage_close(&player.stage);
}

pid_t stream_start_endless(uint32_t id, struct stream_progress *progress)
{
	struct stream_role role = {
		.address = scene_address(),
		.stream = { .id = id,
				.count = UINT64_MAX,
				.most = 2000,
				.progress = progress },
		.options = { .capacity = 65536 },
	};

	return scene_start(stream_role, &role);
}

/* ---- The receiver's side ------------------------------------------------- */

uint32_t stream_of(const struct evchan_lane *lane)
{
	unsigned long id = strtoul(evchan_lane_label(lane), NULL, 10);

	CHECK(id < STREAMS_MAX);
	return (uint32_t)id;
}

void stream_check(const struct evchan_message *message, uint32_t stream, uint64_t number)
{
	struct stream_header header;

	CHECK_EQUAL(message->type, number & 0xffffff);
	CHECK_EQUAL(message->size == 0, is_empty(stream, number));
	CHECK_EQUAL((uintptr_t)message->data % 8, 0);
	if (message->size == 0)
		return;
	CHECK(message->size >= sizeof(header));
	memcpy(&header, message->data, sizeof(header));
	CHECK_EQUAL(header.stream, stream);
	CHECK_EQUAL(header.number, number);
	CHECK_EQUAL(header.size, message->size);
	CHECK(header.sum ==
			sum_of((const unsigned char *)message->data + sizeof(header),
					message->size - sizeof(header), number));
}

void stream_receive(struct stream_sink *sink, const struct evchan_message *message)
{
	uint32_t stream = stream_of(message->lane);

	stream_check(message, stream, sink->next[stream]);
	sink->next[stream]++;
}

void stream_act(struct test_receiver *test, enum heard heard, struct evchan_lane *lane,
		const struct evchan_message *message)
{
	(void)lane;
	if (heard == HEARD_MESSAGE)
		stream_receive(test->arg, message);
}
