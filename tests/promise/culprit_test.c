/* SPDX-License-Identifier: MIT */
/*
 * What is refused or cut off is told to the application and to the log in one sentence that names the
 * culprit by pid and uid, the reason, and the limit or what to do about it. The one who is refused is told the
 * reason only.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostile_peer.h"
#include "scene.h"
#include "test_observer.h"
#include "test_receiver.h"
#include "test_sender.h"

#define RING 65536u

struct play {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender first, second;
	char logged[1024];
};

static void take_log(enum evchan_log_level level, const char *text, void *arg)
{
	struct play *play = arg;

	/* The refused sender is in this process too, and logs what it is told. */
	if (level <= EVCHAN_LOG_WARNING && !strstr(text, ": refused: "))
		snprintf(play->logged, sizeof(play->logged), "%s", text);
}

static void open_play(struct play *play, const struct evchan_receiver_options *options)
{
	memset(play, 0, sizeof(*play));
	evchan_set_log(take_log, play);
	stage_open(&play->stage, NULL);
	test_receiver_open(&play->receiver, &play->stage, scene_address(), options);
}

static void close_play(struct play *play)
{
	test_sender_free(&play->first);
	test_sender_free(&play->second);
	test_receiver_free(&play->receiver);
	stage_close(&play->stage);
	evchan_set_log(NULL, NULL);
}

static void try_to_join(struct play *play, struct test_sender *sender, uint32_t flags)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.capacity = RING;
	options.flags = flags;
	test_sender_open(sender, &play->stage, scene_address(), &options);
	STAGE_UNTIL(&play->stage,
			sender->calls[TOLD_CONNECTED] || sender->calls[TOLD_REFUSED]);
}

/* What the application and the log have been told: who, and this. */
static void check_told(const struct play *play, const char *advice)
{
	char culprit[64];

	snprintf(culprit, sizeof(culprit), "pid %ld uid %lu ", (long)getpid(),
			(unsigned long)geteuid());
	CHECK(strstr(play->receiver.text, culprit));
	CHECK(strstr(play->receiver.text, advice));
	CHECK(strstr(play->logged, play->receiver.text));
	CHECK(strstr(play->logged, scene_address()));
}

/* The second of two senders is refused. */
static void check_second(const struct evchan_receiver_options *options,
		const char *reason, const char *advice)
{
	struct play play;

	open_play(&play, options);
	try_to_join(&play, &play.first, 0);
	CHECK(play.first.calls[TOLD_CONNECTED]);
	try_to_join(&play, &play.second, 0);
	CHECK_EQUAL(strcmp(play.second.text, reason), 0);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_ERROR]);
	check_told(&play, reason);
	check_told(&play, advice);
	close_play(&play);
}

static void limits_are_named(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.max_senders = 1;
	check_second(&options, "too many senders", "(max_senders is 1)");
	options.max_senders = 2;
	options.max_senders_per_uid = 1;
	check_second(&options, "too many senders of this user",
			"(max_senders_per_uid is 1)");
	options.max_senders_per_uid = 2;
	options.max_total_bytes = RING + RING / 2;
	check_second(&options, "all rings together take too much memory",
			"(max_total_bytes is 98304, 65536 are taken)");
	options.max_total_bytes = 2 * RING;
	options.max_uid_bytes = RING + RING / 2;
	check_second(&options, "the rings of this user take too much memory",
			"(max_uid_bytes is 98304)");
}

static void too_large_a_ring_is_compared_with_the_limit(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct play play;

	(void)state;
	options.max_lane_bytes = RING / 2;
	open_play(&play, &options);
	try_to_join(&play, &play.first, 0);
	check_told(&play, "(it has 65536 bytes; max_lane_bytes is 32768, ");
	close_play(&play);
}

/* The advice names what would help, and who said no. */
static void policy_is_named(void **state)
{
	static const uid_t others[] = { 1 };
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct play play;

	(void)state;
	options.allow_uids = others;
	options.allow_uid_count = 1;
	open_play(&play, &options);
	try_to_join(&play, &play.first, 0);
	check_told(&play, "allow_uids");
	CHECK(!strstr(play.first.text, "allow_uids"));
	close_play(&play);
}

static void time_out_is_named(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct hostile_peer peer = HOSTILE_PEER_NONE;
	struct play play;

	(void)state;
	options.hello_timeout_ms = 30;
	open_play(&play, &options);
	hostile_connect(&peer, scene_address());
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_ERROR]);
	check_told(&play, "(hello_timeout_ms is 30)");
	hostile_close(&peer);
	close_play(&play);
}

static void observers_are_called_so(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_observer observer = { 0 };
	struct play play;

	(void)state;
	options.flags = EVCHAN_RECEIVER_NO_OBSERVERS;
	open_play(&play, &options);
	test_observer_open(&observer, &play.stage, scene_address());
	STAGE_UNTIL(&play.stage, observer.calls[SHOWN_ENDED]);
	check_told(&play, "(EVCHAN_RECEIVER_NO_OBSERVERS is set)");
	CHECK(strstr(play.receiver.text, "observer pid "));
	test_observer_free(&observer);
	close_play(&play);
}

/* A lane that breaks the rules: who, what, and whether it comes back. */
static void who_is_cut_off_is_named(void **state)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE;
	struct play play;

	(void)state;
	open_play(&play, NULL);
	hostile_make_ring(&peer, 4096, NULL);
	hostile_join(&peer, &play.stage, scene_address());
	hostile_publish(&peer, 4);
	hostile_ring(&peer);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_ERROR]);
	check_told(&play, "is cut off: its ring makes no sense");
	check_told(&play, "(it is broken or hostile, and may not come back)");
	hostile_close(&peer);
	close_play(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(limits_are_named),
		SCENE_TEST(too_large_a_ring_is_compared_with_the_limit),
		SCENE_TEST(policy_is_named),
		SCENE_TEST(time_out_is_named),
		SCENE_TEST(observers_are_called_so),
		SCENE_TEST(who_is_cut_off_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
