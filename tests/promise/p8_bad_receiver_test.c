/* SPDX-License-Identifier: MIT */
/*
 * P8, the other way round: whatever a false receiver answers, passes or writes into its
 * page, a sender neither crashes nor loses a message. It ends the connection with -EPROTO
 * and offers its ring to the next receiver at the address, from the last position that
 * made sense.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "impostor.h"
#include "scene.h"
#include "sender.h"
#include "stream.h"

#define SOME 10u /* messages sent at a time */

/* ---- The play ------------------------------------------------------------ */

struct play {
	struct stage stage;
	struct impostor impostor;
	struct test_sender sender;
	struct stream stream;
	struct stream_sink sink;
};

static void send_some(struct play *play)
{
	play->stream.count += SOME;
	CHECK_EQUAL(stream_send(&play->stream, play->sender.sender, SOME), 0);
}

static void open_play(struct play *play)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(play, 0, sizeof(*play));
	stage_open(&play->stage, NULL);
	impostor_open(&play->impostor);
	play->stream.most = 1000;
	options.flags = EVCHAN_SENDER_WAIT;
	options.label = "0";
	options.reconnect_min_ms = 1;
	options.reconnect_max_ms = 5;
	test_sender_open(&play->sender, &play->stage, scene_address(), &options);
	send_some(play);
	impostor_accept(&play->impostor);
}

/* Waits until the sender has ended the connection. */
static void await_hang_up(struct play *play)
{
	unsigned char bytes[CONTROL_FRAME_MAX];
	ssize_t got;

	do {
		stage_await(&play->stage, play->impostor.peer.socket);
		got = recv(play->impostor.peer.socket, bytes, sizeof(bytes),
				MSG_DONTWAIT);
	} while (got > 0);
	CHECK(got == 0 || errno == ECONNRESET);
}

/* The impostor goes and a receiver comes: it gets everything. */
static void close_play(struct play *play)
{
	struct test_receiver receiver = { .act = stream_act, .arg = &play->sink };

	impostor_close(&play->impostor);
	test_receiver_open(&receiver, &play->stage, scene_address(), NULL);
	send_some(play);
	STAGE_UNTIL(&play->stage, play->sink.next[0] == play->stream.next);
	CHECK_EQUAL(play->sender.calls[TOLD_REFUSED], 0);
	test_sender_free(&play->sender);
	test_receiver_free(&receiver);
	stage_close(&play->stage);
}

/* ---- Bad answers --------------------------------------------------------- */

struct answer {
	const char *name;
	void (*say)(struct impostor *impostor);
};

static void say_garbage(struct impostor *impostor)
{
	hostile_say(&impostor->peer, "garbage", 7, NULL, 0);
}

static void say_hello(struct impostor *impostor)
{
	const struct control_hello hello = { .version = CONTROL_PROTOCOL_VERSION };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(&impostor->peer, frame, control_encode_hello(frame, &hello), NULL, 0);
}

static void say_bye_twice(struct impostor *impostor)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length = control_encode_bye(frame);

	hostile_say(&impostor->peer, frame, length, NULL, 0);
	hostile_say(&impostor->peer, frame, length, NULL, 0);
}

static void say_evicted(struct impostor *impostor)
{
	const struct control_refused refused = { .refusal = CONTROL_REFUSE_POLICY };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(&impostor->peer, frame,
			control_encode_refused(frame, CONTROL_EVICTED, &refused), NULL,
			0);
}

static void hang_up(struct impostor *impostor)
{
	shutdown(impostor->peer.socket, SHUT_WR);
}

static void other_version(struct impostor *impostor)
{
	impostor->welcome.version++;
	impostor_welcome(impostor);
}

static void unknown_feature(struct impostor *impostor)
{
	impostor->welcome.features = UINT64_C(1) << 63;
	impostor_welcome(impostor);
}

static void unknown_bell(struct impostor *impostor)
{
	impostor->welcome.bell = 99;
	impostor_welcome(impostor);
}

static void no_descriptor(struct impostor *impostor)
{
	impostor_say_welcome(impostor, NULL, 0);
}

static void one_descriptor(struct impostor *impostor)
{
	impostor_say_welcome(impostor, &impostor->page_memory.fd, 1);
}

static void many_descriptors(struct impostor *impostor)
{
	int fds[200];

	for (int i = 0; i < 200; i++)
		fds[i] = impostor->bell;
	impostor_say_welcome(impostor, fds, 200);
}

static void page_is_a_bell(struct impostor *impostor)
{
	const int fds[] = { impostor->bell, impostor->bell };

	impostor_say_welcome(impostor, fds, 2);
}

static void bell_is_a_page(struct impostor *impostor)
{
	const int fds[] = { impostor->page_memory.fd, impostor->page_memory.fd };

	impostor_say_welcome(impostor, fds, 2);
}

static void bell_blocks(struct impostor *impostor)
{
	CHECK_EQUAL(fcntl(impostor->bell, F_SETFL, 0), 0);
	impostor_welcome(impostor);
}

static void page_is_shorter(struct impostor *impostor)
{
	impostor->welcome.header_size *= 2;
	impostor_welcome(impostor);
}

static void wrong_page_magic(struct impostor *impostor)
{
	impostor->page->magic++;
	impostor_welcome(impostor);
}

static void head_beyond_tail(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 1 << 20);
	impostor_welcome(impostor);
}

static void head_unaligned(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 4);
	impostor_welcome(impostor);
}

/* An answer that makes no sense ends the connection; the ring goes to the next
 * receiver. */
static void bad_answers_lose_nothing(void **state)
{
	static const struct answer answers[] = {
		{ "garbage", say_garbage },
		{ "a hello", say_hello },
		{ "an eviction", say_evicted },
		{ "two goodbyes", say_bye_twice },
		{ "nothing", hang_up },
		{ "other version", other_version },
		{ "unknown feature", unknown_feature },
		{ "unknown bell", unknown_bell },
		{ "no descriptor", no_descriptor },
		{ "one descriptor", one_descriptor },
		{ "many descriptors", many_descriptors },
		{ "page is a bell", page_is_a_bell },
		{ "bell is a page", bell_is_a_page },
		{ "bell blocks", bell_blocks },
		{ "page is shorter than it says", page_is_shorter },
		{ "wrong page", wrong_page_magic },
		{ "head beyond the tail", head_beyond_tail },
		{ "head unaligned", head_unaligned },
	};
	struct play play;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		check_context = answers[i].name;
		open_play(&play);
		answers[i].say(&play.impostor);
		await_hang_up(&play);
		CHECK_EQUAL(play.sender.calls[TOLD_CONNECTED], 0);
		CHECK_EQUAL(play.sender.calls[TOLD_DISCONNECTED], 0);
		close_play(&play);
	}
	check_context = NULL;
}

/* ---- Bad deeds after a good answer --------------------------------------- */

static void ring(struct impostor *impostor)
{
	hostile_ring(&impostor->peer);
}

static void move_head_beyond_tail(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 1 << 20);
	ring(impostor);
}

static void move_head_back(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 0);
	ring(impostor);
}

static void move_head_unaligned(struct impostor *impostor)
{
	atomic_fetch_add(&impostor->page->head.value, 4);
	ring(impostor);
}

/* The first message counts as consumed: the sender's head is behind it from now on. */
static void release_first(struct play *play)
{
	struct stream first = { .most = play->stream.most };
	unsigned char bytes[1000];
	uint64_t unconsumed = test_sender_unconsumed(&play->sender);
	uint64_t released = ring_record_bytes(stream_write(&first, bytes));

	atomic_store(&play->impostor.page->head.value, released);
	CHECK_EQUAL(test_sender_unconsumed(&play->sender), unconsumed - released);
	play->sink.next[0] = 1;
}

/* Bad positions and words after a good welcome are told as -EPROTO, and cost no
 * message. */
static void bad_deeds_lose_nothing(void **state)
{
	static const struct answer deeds[] = {
		{ "head beyond the tail", move_head_beyond_tail },
		{ "head goes back", move_head_back },
		{ "head unaligned", move_head_unaligned },
		{ "garbage", say_garbage },
		{ "second welcome", no_descriptor },
		{ "second goodbye", say_bye_twice },
	};
	struct play play;

	(void)state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		check_context = deeds[i].name;
		open_play(&play);
		impostor_welcome(&play.impostor);
		STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_CONNECTED]);
		release_first(&play);
		deeds[i].say(&play.impostor);
		await_hang_up(&play);
		STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_DISCONNECTED]);
		CHECK_EQUAL(play.sender.disconnect_error, -EPROTO);
		close_play(&play);
	}
	check_context = NULL;
}

static uint64_t wakeups(const struct play *play)
{
	struct evchan_lane_stats stats = { .size = sizeof(stats) };

	evchan_sender_get_stats(play->sender.sender, &stats);
	return stats.wakeups;
}

/* A receiver that rings without end costs its sender a bounded number of wake-ups, and
 * then the connection is over. */
static void storm_of_rings_is_cut_off(void **state)
{
	static unsigned char rings[256];
	uint64_t start, woken = 0;
	struct play play;

	(void)state;
	memset(rings, CONTROL_RING, sizeof(rings));
	open_play(&play);
	impostor_welcome(&play.impostor);
	STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_CONNECTED]);
	start = clock_milliseconds();
	while (!play.sender.calls[TOLD_DISCONNECTED]) {
		while (send(play.impostor.peer.socket, rings, sizeof(rings),
				       MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		woken = wakeups(&play);
		stage_look(&play.stage, 1);
	}
	CHECK_EQUAL(play.sender.disconnect_error, -EPROTO);
	/* STORM_PAUSES times STORM_LOOKS. */
	CHECK(woken <= 10 * 64);
	CHECK(clock_milliseconds() - start >= 9 * 18);
	close_play(&play);
}

/* Rings between which something is released are as good as any, however many. */
static void rings_that_release_are_no_storm(void **state)
{
	struct stream stream = { .most = 1000 };
	unsigned char bytes[1000];
	uint64_t head = 0, before;
	struct play play;

	(void)state;
	open_play(&play);
	impostor_welcome(&play.impostor);
	STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_CONNECTED]);
	for (; stream.next < SOME; stream.next++) {
		for (int i = 0; i < 60; i++) {
			before = wakeups(&play);
			ring(&play.impostor);
			STAGE_UNTIL(&play.stage, wakeups(&play) > before);
		}
		CHECK_EQUAL(play.sender.sender->storm_pauses, 0);
		head += ring_record_bytes(stream_write(&stream, bytes));
		atomic_store(&play.impostor.page->head.value, head);
	}
	CHECK_EQUAL(play.sender.calls[TOLD_DISCONNECTED], 0);
	play.sink.next[0] = SOME;
	close_play(&play);
}

/* ---- Welcomes that lead nowhere ------------------------------------------ */

static void welcome(struct play *play)
{
	unsigned connected = play->sender.calls[TOLD_CONNECTED];

	if (play->impostor.peer.socket < 0) {
		stage_await(&play->stage, play->impostor.listener);
		impostor_accept(&play->impostor);
	}
	impostor_welcome(&play->impostor);
	STAGE_UNTIL(&play->stage, play->sender.calls[TOLD_CONNECTED] > connected);
}

static void drop(struct play *play)
{
	unsigned disconnected = play->sender.calls[TOLD_DISCONNECTED];

	hostile_close(&play->impostor.peer);
	play->impostor.peer = (struct hostile_peer)HOSTILE_PEER_NONE;
	STAGE_UNTIL(&play->stage, play->sender.calls[TOLD_DISCONNECTED] > disconnected);
}

/* A receiver that welcomes and hangs up, again and again, is connected to less and less
 * often; until one has consumed something. */
static void useless_welcomes_are_tried_less_often(void **state)
{
	struct play play;

	(void)state;
	open_play(&play);
	for (unsigned i = 1; i <= 5; i++) {
		welcome(&play);
		drop(&play);
		CHECK_EQUAL(play.sender.sender->attempt, i);
	}
	welcome(&play);
	release_first(&play);
	drop(&play);
	CHECK_EQUAL(play.sender.sender->attempt, 1);
	close_play(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(bad_answers_lose_nothing),
		SCENE_TEST(bad_deeds_lose_nothing),
		SCENE_TEST(storm_of_rings_is_cut_off),
		SCENE_TEST(rings_that_release_are_no_storm),
		SCENE_TEST(useless_welcomes_are_tried_less_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
