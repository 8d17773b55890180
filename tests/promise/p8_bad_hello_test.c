/* SPDX-License-Identifier: MIT */
/*
 * P8, before admission: whatever a stranger says instead of a good hello, it gets a clear
 * reason, the application is told who it was and why, and a neighbour in full flow
 * notices nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "scene.h"
#include "stranger.h"

#define PAGE 4096

/* ---- What is said -------------------------------------------------------- */

static void say_garbage(struct hostile_peer *peer)
{
	hostile_say(peer, "GET / HTTP/1.1\r\n\r\n", 18, NULL, 0);
}

static void say_nothing(struct hostile_peer *peer)
{
	(void)peer;
}

/* The first `size` bytes of the hello. */
static void say_part(
		struct hostile_peer *peer, size_t size, const int *fds, size_t fd_count)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	CHECK(control_encode_hello(frame, &peer->hello) > size);
	hostile_say(peer, frame, size, fds, fd_count);
}

static void say_half(struct hostile_peer *peer)
{
	say_part(peer, 30, NULL, 0);
}

static void say_half_with_ring(struct hostile_peer *peer)
{
	say_part(peer, 30, &peer->memory, 1);
}

static void say_one_byte(struct hostile_peer *peer)
{
	say_part(peer, 1, NULL, 0);
}

/* The hello, whole, but for one byte. */
static void say_changed(struct hostile_peer *peer, size_t at, unsigned char value)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length = control_encode_hello(frame, &peer->hello);

	frame[at] = value;
	hostile_say(peer, frame, length, &peer->memory, 1);
}

static void say_wrong_magic(struct hostile_peer *peer)
{
	say_changed(peer, 4, 'E');
}

static void say_other_byte_order(struct hostile_peer *peer)
{
	say_changed(peer, 12, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 2 : 1);
}

static void say_too_short_length(struct hostile_peer *peer)
{
	say_changed(peer, 2, 60);
}

static void say_reserved_byte(struct hostile_peer *peer)
{
	say_changed(peer, 64, 1);
}

static void say_huge_length(struct hostile_peer *peer)
{
	say_changed(peer, 3, 0xff);
}

static void say_ring_frame(struct hostile_peer *peer)
{
	hostile_ring(peer);
}

static void say_bye(struct hostile_peer *peer)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_bye(frame), NULL, 0);
}

static void say_welcome(struct hostile_peer *peer)
{
	const struct control_welcome welcome = { CONTROL_PROTOCOL_VERSION, 0, 1, PAGE };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_welcome(frame, &welcome), &peer->memory,
			1);
}

static void other_version(struct hostile_peer *peer)
{
	peer->hello.version = CONTROL_PROTOCOL_VERSION + 1;
}

static void unknown_feature(struct hostile_peer *peer)
{
	peer->hello.features = 1;
}

static void odd_capacity(struct hostile_peer *peer)
{
	peer->hello.capacity = STRANGER_CAPACITY + 8;
}

static void no_capacity(struct hostile_peer *peer)
{
	peer->hello.capacity = 0;
}

static void odd_resume(struct hostile_peer *peer)
{
	peer->hello.resume = 4;
}

static void boundless_resume(struct hostile_peer *peer)
{
	peer->hello.resume = RING_POSITION_LIMIT;
}

static void odd_header(struct hostile_peer *peer)
{
	peer->hello.header_size = 100;
}

/* A hello that makes no sense, or never becomes one, is refused in words. */
static void bad_hellos_are_refused(void **state)
{
	static const struct stranger_attempt attempts[] = {
		{ "garbage", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, say_garbage },
		{ "wrong magic", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, say_wrong_magic },
		{ "other byte order", CONTROL_REFUSE_BYTE_ORDER, { 0 }, NULL,
				say_other_byte_order },
		{ "other version", CONTROL_REFUSE_VERSION, { 0 }, other_version, NULL },
		{ "unknown feature", CONTROL_REFUSE_FEATURES, { 0 }, unknown_feature,
				NULL },
		{ "length too short", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL,
				say_too_short_length },
		{ "huge length", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, say_huge_length },
		{ "reserved byte", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL,
				say_reserved_byte },
		{ "odd capacity", CONTROL_REFUSE_PROTOCOL, { 0 }, odd_capacity, NULL },
		{ "no capacity", CONTROL_REFUSE_PROTOCOL, { 0 }, no_capacity, NULL },
		{ "odd resume", CONTROL_REFUSE_PROTOCOL, { 0 }, odd_resume, NULL },
		{ "boundless resume", CONTROL_REFUSE_PROTOCOL, { 0 }, boundless_resume,
				NULL },
		{ "odd header", CONTROL_REFUSE_PROTOCOL, { 0 }, odd_header, NULL },
		{ "a ring", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, say_ring_frame },
		{ "a goodbye", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, say_bye },
		{ "a welcome", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL, say_welcome },
		{ "half a hello with the ring", CONTROL_REFUSE_PROTOCOL, { 0 }, NULL,
				say_half_with_ring },
		{ "nothing", CONTROL_REFUSE_TIMEOUT, { 0 }, NULL, say_nothing },
		{ "one byte", CONTROL_REFUSE_TIMEOUT, { 0 }, NULL, say_one_byte },
		{ "half a hello", CONTROL_REFUSE_TIMEOUT, { 0 }, NULL, say_half },
	};

	(void)state;
	TRY_ALL(attempts);
}

/* ---- Who comes a second time --------------------------------------------- */

/* A ring that a lane has already is refused for now, and the lane goes on. */
static void live_duplicate_is_refused(void **state)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE, twin;
	struct company company = { 0 };

	(void)state;
	company_open(&company, NULL, NULL);
	hostile_make_ring(&peer, STRANGER_CAPACITY, NULL);
	hostile_join(&peer, &company.stage, scene_address());
	twin = peer;
	hostile_connect(&twin, scene_address());
	hostile_say_hello(&twin);
	stranger_check_refused(&company, &twin, CONTROL_REFUSE_BUSY);
	close(twin.socket);
	hostile_put_record(&peer, 0, 0, 0);
	hostile_publish(&peer, 8);
	hostile_ring(&peer);
	STAGE_UNTIL(&company.stage, company.messages == 1);
	CHECK_EQUAL(company.left, 0);
	hostile_close(&peer);
	company_close(&company);
}

/* A lane that was evicted does not get back in, and nobody who comes with another is
 * kept out. */
static void evicted_lane_is_refused(void **state)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE;
	struct control_refused refused;
	struct company company = { 0 };

	(void)state;
	company_open(&company, NULL, NULL);
	hostile_make_ring(&peer, STRANGER_CAPACITY, NULL);
	hostile_join(&peer, &company.stage, scene_address());
	CHECK_EQUAL(evchan_lane_evict(company.lane, "too loud"), 0);
	CHECK_EQUAL(hostile_hear(&peer, &company.stage, &refused), CONTROL_EVICTED);
	CHECK_EQUAL(refused.refusal, CONTROL_REFUSE_APPLICATION);
	CHECK(strcmp(refused.text, "too loud") == 0);
	STAGE_UNTIL(&company.stage, company.left == 1);
	CHECK_EQUAL(company.reason, EVCHAN_LEFT_EVICTED);
	close(peer.socket);
	hostile_connect(&peer, scene_address());
	hostile_say_hello(&peer);
	stranger_check_refused(&company, &peer, CONTROL_REFUSE_EVICTED);
	hostile_close(&peer);
	hostile_make_ring(&peer, STRANGER_CAPACITY, NULL);
	hostile_join(&peer, &company.stage, scene_address());
	hostile_close(&peer);
	company_close(&company);
}

/* Those who hang up before they have said a hello are gone without a word, and leave
 * nothing. */
static void hang_up_before_hello_is_nothing(void **state)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE;
	struct company company = { 0 };

	(void)state;
	company_open(&company, NULL, NULL);
	hostile_make_ring(&peer, STRANGER_CAPACITY, NULL);
	for (int i = 0; i < 100; i++) {
		hostile_connect(&peer, scene_address());
		if (i % 2)
			say_half(&peer);
		close(peer.socket);
	}
	peer.socket = -1;
	company_check(&company);
	stage_look(&company.stage, 20);
	CHECK_EQUAL(company.receiver.calls[HEARD_ERROR], 0);
	hostile_join(&peer, &company.stage, scene_address());
	hostile_close(&peer);
	company_close(&company);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(bad_hellos_are_refused),
		SCENE_TEST(live_duplicate_is_refused),
		SCENE_TEST(evicted_lane_is_refused),
		SCENE_TEST(hang_up_before_hello_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
