/* SPDX-License-Identifier: MIT */
/*
 * One base carries many receivers and senders, also both ends of one channel, in whatever
 * order they come and go, on every backend.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "scene.h"
#include "stream.h"

#define CHANNELS 8u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const backends[] = { "epoll", "poll", "select" };

/* A stream whose both ends are on one base. */
struct channel {
	struct test_receiver receiver;
	struct test_sender sender;
	struct stream stream;
	struct stream_sink sink;
	char address[96];
	char label[16];
};

/* Sends what fits, and the rest when told. */
static void go_on(struct test_sender *sender, enum told told)
{
	struct channel *channel = sender->arg;

	if (told == TOLD_CONNECTED || told == TOLD_WRITABLE)
		(void)stream_send(&channel->stream, sender->sender, UINT64_MAX);
}

static void open_channel(struct channel *channel, struct stage *stage, uint32_t id,
		enum evchan_bell bell, uint64_t count)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(channel, 0, sizeof(*channel));
	channel->stream = (struct stream){ .id = id, .count = count, .most = 1000 };
	channel->receiver.act = stream_act;
	channel->receiver.arg = &channel->sink;
	channel->sender.act = go_on;
	channel->sender.arg = channel;
	snprintf(channel->address, sizeof(channel->address), "%s-%u", scene_address(),
			id);
	snprintf(channel->label, sizeof(channel->label), "%u", id);
	options.label = channel->label;
	options.capacity = 4096;
	options.bell = bell;
	test_receiver_open(&channel->receiver, stage, channel->address, NULL);
	test_sender_open(&channel->sender, stage, channel->address, &options);
}

static bool is_complete(const struct channel *channel)
{
	return channel->sink.next[channel->stream.id] == channel->stream.count;
}

static void close_channel(struct channel *channel)
{
	CHECK(is_complete(channel));
	CHECK(channel->sender.calls[TOLD_WRITABLE] > 0);
	CHECK_EQUAL(channel->sender.calls[TOLD_DISCONNECTED], 0);
	test_receiver_free(&channel->receiver);
	test_sender_free(&channel->sender);
}

static void check_both_ends(const char *backend, enum evchan_bell bell)
{
	struct channel channel;
	struct stage stage;

	check_context = backend;
	stage_open(&stage, backend);
	open_channel(&channel, &stage, 0, bell, scene_scaled(20000));
	STAGE_UNTIL(&stage, is_complete(&channel));
	close_channel(&channel);
	stage_close(&stage);
	check_context = NULL;
}

/* Both ends of a channel, through a small ring, over each bell and backend. */
static void both_ends_of_a_channel(void **state)
{
	static const enum evchan_bell bells[] = { EVCHAN_BELL_DEFAULT,
		EVCHAN_BELL_EVENTFD, EVCHAN_BELL_PIPE, EVCHAN_BELL_SOCKET };

	(void)state;
	for (size_t i = 0; i < COUNT(backends); i++)
		for (size_t j = 0; j < COUNT(bells); j++)
			check_both_ends(backends[i], bells[j]);
}

/* Many channels at once do not get into each other's way. */
static void many_channels(void **state)
{
	struct channel channels[CHANNELS];
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	for (uint32_t i = 0; i < CHANNELS; i++)
		open_channel(&channels[i], &stage, i, EVCHAN_BELL_DEFAULT,
				scene_scaled(5000));
	for (uint32_t i = 0; i < CHANNELS; i++)
		STAGE_UNTIL(&stage, is_complete(&channels[i]));
	for (uint32_t i = 0; i < CHANNELS; i++)
		close_channel(&channels[i]);
	stage_close(&stage);
}

/* ---- A chain ------------------------------------------------------------- */

/* Passes on what it receives, from inside the callback, and pauses when there is no
 * room. */
struct link {
	struct test_receiver receiver;
	struct test_sender sender;
	char address[96];
	bool is_waiting;
};

static void pass_on(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct link *link = receiver->arg;
	int r;

	(void)lane;
	if (heard != HEARD_MESSAGE)
		return;
	r = evchan_send(link->sender.sender, message->type, message->data, message->size,
			0);
	CHECK_EQUAL(r, 0);
	/* Room for the largest of the next message, or it could not be passed on. */
	if (link->is_waiting || test_sender_unconsumed(&link->sender) < 8192)
		return;
	link->is_waiting = true;
	evchan_receiver_pause(receiver->receiver);
	CHECK_EQUAL(evchan_sender_notify_drained(link->sender.sender), 0);
}

static void pass_on_more(struct test_sender *sender, enum told told)
{
	struct link *link = sender->arg;

	if (told != TOLD_DRAINED)
		return;
	link->is_waiting = false;
	evchan_receiver_resume(link->receiver.receiver);
}

static void open_link(
		struct link *link, struct stage *stage, const char *next, unsigned number)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(link, 0, sizeof(*link));
	snprintf(link->address, sizeof(link->address), "%s-link-%u", scene_address(),
			number);
	link->receiver.act = pass_on;
	link->receiver.arg = link;
	link->sender.act = pass_on_more;
	link->sender.arg = link;
	options.label = "0";
	options.capacity = 16384;
	test_sender_open(&link->sender, stage, next, &options);
	test_receiver_open(&link->receiver, stage, link->address, NULL);
}

/* A message goes from a process through five receivers that pass it on to the next, with
 * backpressure all the way. */
static void chain_of_receivers(void **state)
{
	struct stream_sink sink = { 0 };
	struct test_receiver last = { .act = stream_act, .arg = &sink };
	struct stream_role role = { .options.capacity = 8192 };
	struct link links[5];
	const char *next = scene_address();
	struct stage stage;
	pid_t process;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&last, &stage, next, NULL);
	for (unsigned i = 0; i < COUNT(links); i++) {
		open_link(&links[i], &stage, next, i);
		next = links[i].address;
	}
	role.address = next;
	role.stream = (struct stream){ .count = scene_scaled(10000), .most = 2000 };
	process = scene_start(stream_role, &role);
	STAGE_UNTIL(&stage, sink.next[0] == role.stream.count);
	stage_join(&stage, process);
	for (unsigned i = 0; i < COUNT(links); i++) {
		test_sender_free(&links[i].sender);
		test_receiver_free(&links[i].receiver);
	}
	test_receiver_free(&last);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(both_ends_of_a_channel),
		SCENE_TEST(many_channels),
		SCENE_TEST(chain_of_receivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
