/* SPDX-License-Identifier: MIT */
/*
 * P8, after admission: a sender may write any bytes into its ring at any time, and say
 * anything on its socket. Where a check fails it is cut off: the application is told who
 * it was and why, the lane leaves as BROKEN, the sender is told, and a neighbour in full
 * flow notices nothing. Where no check can fail nothing happens to anybody else.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"
#include "stranger.h"

struct play {
	struct company company;
	struct hostile_peer peer;
};

/* ---- What ends the lane -------------------------------------------------- */

struct crime {
	const char *name;
	void (*commit)(struct hostile_peer *peer);
};

/* One stranger that is cut off, for this reason. */
static void punish(struct play *play, const struct crime *crime,
		enum control_refusal refusal)
{
	struct company *company = &play->company;
	unsigned errors = company->receiver.calls[HEARD_ERROR];
	unsigned left = company->left, messages;
	struct control_refused refused;
	char culprit[64];

	check_context = crime->name;
	stranger_join(&play->peer, &play->company);
	messages = company->messages;
	crime->commit(&play->peer);
	CHECK_EQUAL(hostile_hear(&play->peer, &company->stage, &refused),
			CONTROL_EVICTED);
	CHECK_EQUAL(refused.refusal, refusal);
	CHECK(refused.final && *refused.text);
	CHECK_EQUAL(hostile_hear(&play->peer, &company->stage, &refused), 0);
	STAGE_UNTIL(&company->stage, company->left > left);
	CHECK_EQUAL(company->reason, EVCHAN_LEFT_BROKEN);
	CHECK_EQUAL(company->receiver.calls[HEARD_ERROR], errors + 1);
	CHECK_EQUAL(company->receiver.error, -EPROTO);
	CHECK_EQUAL(company->messages, messages);
	snprintf(culprit, sizeof(culprit), "pid %ld uid %lu", (long)getpid(),
			(unsigned long)geteuid());
	CHECK(strstr(company->receiver.text, culprit));
	company_check(company);
	hostile_close(&play->peer);
	check_context = NULL;
}

static void punish_all(
		const struct crime *crimes, size_t count, enum control_refusal refusal)
{
	struct play play = { 0 };

	company_open(&play.company, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		punish(&play, &crimes[i], refusal);
	CHECK_EQUAL(play.company.hung_up, 0);
	company_close(&play.company);
}

#define PUNISH_ALL(crimes, refusal) \
	punish_all(crimes, sizeof(crimes) / sizeof((crimes)[0]), refusal)

static void tail_beyond_capacity(struct hostile_peer *peer)
{
	stranger_publish(peer, 24 + STRANGER_SMALL_CAPACITY + 8);
}

static void tail_goes_back(struct hostile_peer *peer)
{
	stranger_publish(peer, 16);
}

static void tail_unaligned(struct hostile_peer *peer)
{
	stranger_publish(peer, 33);
}

static void tail_boundless(struct hostile_peer *peer)
{
	stranger_publish(peer, RING_POSITION_LIMIT);
}

static void tail_all_ones(struct hostile_peer *peer)
{
	stranger_publish(peer, UINT64_MAX - 7);
}

static void record_beyond_tail(struct hostile_peer *peer)
{
	hostile_put_record(peer, 24, 17, 0);
	stranger_publish(peer, 24 + 24);
}

static void record_as_large_as_can_be(struct hostile_peer *peer)
{
	hostile_put_record(peer, 24, UINT32_MAX, 0);
	stranger_publish(peer, 24 + 64);
}

static void record_a_header_short(struct hostile_peer *peer)
{
	hostile_put_record(peer, 24, STRANGER_SMALL_CAPACITY, 0);
	stranger_publish(peer, 24 + STRANGER_SMALL_CAPACITY);
}

static void reserved_type(struct hostile_peer *peer)
{
	hostile_put_record(peer, 24, 0, EVCHAN_TYPE_RESERVED);
	stranger_publish(peer, 32);
}

/* Positions and records that make no sense end the lane they are in. */
static void impossible_rings_are_cut_off(void **state)
{
	static const struct crime crimes[] = {
		{ "tail beyond the capacity", tail_beyond_capacity },
		{ "tail goes back", tail_goes_back },
		{ "tail unaligned", tail_unaligned },
		{ "tail boundless", tail_boundless },
		{ "tail near the end of numbers", tail_all_ones },
		{ "record beyond the tail", record_beyond_tail },
		{ "largest record", record_as_large_as_can_be },
		{ "record a header too large", record_a_header_short },
		{ "reserved type", reserved_type },
	};

	(void)state;
	PUNISH_ALL(crimes, CONTROL_REFUSE_POSITIONS);
}

static void say_garbage(struct hostile_peer *peer)
{
	hostile_say(peer, "\xff\xfe", 2, NULL, 0);
}

static void say_hello_again(struct hostile_peer *peer)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_hello(frame, &peer->hello), NULL, 0);
}

static void pass_descriptor(struct hostile_peer *peer)
{
	const unsigned char ring = CONTROL_RING;
	int fd = peer->memory;
	struct iovec vector = { (void *)(uintptr_t)&ring, 1 };
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} room = { .align = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof(room) };

	memcpy(CMSG_DATA(&room.align), &fd, sizeof(fd));
	/* Where the kernel can, it was told to refuse descriptors by now: then say
	 * what is wrong by another means. */
	if (sendmsg(peer->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		say_garbage(peer);
}

static void say_evicted(struct hostile_peer *peer)
{
	const struct control_refused refused = { .refusal = CONTROL_REFUSE_POLICY };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_refused(frame, CONTROL_EVICTED, &refused),
			NULL, 0);
}

static void say_goodbye_twice(struct hostile_peer *peer)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length = control_encode_bye(frame);

	hostile_say(peer, frame, length, NULL, 0);
	hostile_say(peer, frame, length, NULL, 0);
}

/* So does saying anything but a ring or one goodbye. */
static void wrong_words_are_cut_off(void **state)
{
	static const struct crime crimes[] = {
		{ "garbage", say_garbage },
		{ "second hello", say_hello_again },
		{ "late descriptor", pass_descriptor },
		{ "eviction of the receiver", say_evicted },
		{ "second goodbye", say_goodbye_twice },
	};

	(void)state;
	PUNISH_ALL(crimes, CONTROL_REFUSE_PROTOCOL);
}

/* ---- What ends nothing, or only itself ----------------------------------- */

/* Contents may change while they are read: then the payload is whatever it is, but
 * nothing else happens. Here the size changes after it was read. */
static void change_size(struct company *company, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct hostile_peer *peer = company->arg;

	(void)lane;
	if (heard != HEARD_MESSAGE || message->size != 40)
		return;
	hostile_put_record(peer, message->sequence, UINT32_MAX, UINT32_MAX);
	CHECK_EQUAL(message->size, 40);
}

/* A header that is changed while its message is delivered changes nothing: it was read
 * once. */
static void header_changed_during_delivery_is_harmless(void **state)
{
	struct play play = { 0 };
	struct company *company = &play.company;

	(void)state;
	company->act = change_size;
	company->arg = &play.peer;
	company_open(company, NULL, NULL);
	stranger_join(&play.peer, &play.company);
	hostile_put_record(&play.peer, 24, 40, 1);
	hostile_put_record(&play.peer, 72, 0, 1);
	stranger_publish(&play.peer, 80);
	STAGE_UNTIL(&company->stage, company->messages == 3);
	CHECK_EQUAL(company->left, 0);
	hostile_close(&play.peer);
	STAGE_UNTIL(&company->stage, company->left);
	CHECK_EQUAL(company->reason, EVCHAN_LEFT_CRASHED);
	company_close(company);
}

/* Holds every message of strangers. */
static void hold_it(struct company *company, enum heard heard, struct evchan_lane *lane,
		const struct evchan_message *message)
{
	(void)lane;
	if (heard == HEARD_MESSAGE)
		CHECK_EQUAL(evchan_message_hold(company->arg, message), 0);
}

/* A tail that goes back is noticed also where the head, held back, would allow it. */
static void tail_behind_a_hold_is_cut_off(void **state)
{
	const struct evchan_message *held = NULL;
	struct play play = { .company = { .act = hold_it, .arg = &held } };
	struct company *company = &play.company;

	(void)state;
	company_open(company, NULL, NULL);
	stranger_join(&play.peer, &play.company);
	CHECK_EQUAL(held->size, 16);
	stranger_publish(&play.peer, 16);
	STAGE_UNTIL(&company->stage, company->left);
	CHECK_EQUAL(company->reason, EVCHAN_LEFT_BROKEN);
	CHECK_EQUAL(company->receiver.error, -EPROTO);
	evchan_message_release(held);
	hostile_close(&play.peer);
	company_close(company);
}

/* A sender that hangs up and goes on publishing does not keep its lane alive. */
static void publishing_after_the_end_is_not_heard(void **state)
{
	struct play play = { 0 };
	struct company *company = &play.company;

	(void)state;
	company_open(company, NULL, NULL);
	stranger_join(&play.peer, &play.company);
	evchan_lane_pause(company->lane);
	CHECK_EQUAL(shutdown(play.peer.socket, SHUT_WR), 0);
	STAGE_UNTIL(&company->stage, company->hung_up);
	hostile_put_record(&play.peer, 24, 0, 1);
	hostile_publish(&play.peer, 32);
	stage_look(&company->stage, 20);
	CHECK_EQUAL(company->left, 1);
	CHECK_EQUAL(company->messages, 1);
	hostile_close(&play.peer);
	company_close(company);
}

/* A last position that makes no sense is an error, and ends the lane like any other. */
static void impossible_last_position_is_cut_off(void **state)
{
	struct play play = { 0 };
	struct company *company = &play.company;

	(void)state;
	company_open(company, NULL, NULL);
	stranger_join(&play.peer, &play.company);
	hostile_publish(&play.peer, 25);
	hostile_close(&play.peer);
	STAGE_UNTIL(&company->stage, company->left);
	CHECK_EQUAL(company->reason, EVCHAN_LEFT_BROKEN);
	CHECK_EQUAL(company->receiver.error, -EPROTO);
	CHECK_EQUAL(company->messages, 1);
	company_close(company);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(impossible_rings_are_cut_off),
		SCENE_TEST(wrong_words_are_cut_off),
		SCENE_TEST(tail_behind_a_hold_is_cut_off),
		SCENE_TEST(header_changed_during_delivery_is_harmless),
		SCENE_TEST(publishing_after_the_end_is_not_heard),
		SCENE_TEST(impossible_last_position_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
