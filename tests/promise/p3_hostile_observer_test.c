/* SPDX-License-Identifier: MIT */
/*
 * P3, against observers: whatever one says, or does not read, costs itself its connection and the
 * receiver little. An honest sender in full flow never notices.
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
#include <time.h>
#include <unistd.h>

#include "admission.h"
#include "company.h"
#include "hostile_peer.h"
#include "observe_message.h"
#include "scene.h"
#include "test_observer.h"

#define CROWD 1000u
#define WATCHED_MS 500u
/* As onlooker.c says it. */
#define LOOKS_PER_TICK 32u
#define TICK_MS 20u

static void say_observe(struct hostile_peer *peer)
{
	const struct control_observe observe = { .version = CONTROL_OBSERVE_VERSION };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_observe(frame, &observe), NULL, 0);
}

static void say_ask(struct hostile_peer *peer, bool next)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_ask(frame, next), NULL, 0);
}

/* An observer that was admitted. */
static void join(struct hostile_peer *peer, struct company *company)
{
	hostile_connect(peer, scene_address());
	say_observe(peer);
	CHECK_EQUAL(hostile_hear(peer, &company->stage, NULL), CONTROL_OBSERVED);
}

/* Waits until the receiver has hung up, whatever it says before. */
static void await_hang_up(struct hostile_peer *peer, struct company *company)
{
	char bytes[4096];
	ssize_t got;

	while ((got = recv(peer->socket, bytes, sizeof(bytes), MSG_DONTWAIT)) != 0) {
		if (got < 0 && errno == ECONNRESET)
			return;
		CHECK(got > 0 || errno == EAGAIN);
		if (got < 0)
			stage_await(&company->stage, peer->socket);
	}
}

/* ---- What must not be said ------------------------------------------------------------ */

static void ask_twice(struct hostile_peer *peer)
{
	unsigned char frames[2 * CONTROL_FRAME_MAX];
	size_t length = control_encode_ask(frames, false);

	length += control_encode_ask(frames + length, false);
	hostile_say(peer, frames, length, NULL, 0);
}

static void ask_for_more_than_there_is(struct hostile_peer *peer)
{
	say_ask(peer, true);
}

static void observe_again(struct hostile_peer *peer)
{
	say_observe(peer);
}

static void ring(struct hostile_peer *peer)
{
	hostile_ring(peer);
}

static void say_garbage(struct hostile_peer *peer)
{
	hostile_say(peer, "GET / HTTP/1.0\r\n\r\n", 18, NULL, 0);
}

static void say_a_bad_number(struct hostile_peer *peer)
{
	static const unsigned char frame[] = { CONTROL_ASK, 0, 8, 0, 2, 0, 0, 0 };

	hostile_say(peer, frame, sizeof(frame), NULL, 0);
}

static void say_a_lane(struct hostile_peer *peer)
{
	const struct control_lane lane = { .state = EVCHAN_LANE_OPEN };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_lane(frame, &lane), NULL, 0);
}

static void whoever_breaks_the_rules_is_hung_up_on(void **state)
{
	void (*const deeds[])(struct hostile_peer *) = { ask_twice,
		ask_for_more_than_there_is, observe_again, ring, say_garbage,
		say_a_bad_number, say_a_lane };
	struct company company = { 0 };

	(void)state;
	company_open(&company, NULL, NULL);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		struct hostile_peer peer = HOSTILE_PEER_NONE;

		join(&peer, &company);
		deeds[i](&peer);
		await_hang_up(&peer, &company);
		hostile_close(&peer);
		company_check(&company);
	}
	/* None of that was the application's business. */
	CHECK_EQUAL(company.receiver.calls[HEARD_ERROR], 0);
	company_close(&company);
}

/* ---- What is refused at once ------------------------------------------------------------- */

static void check_first_frame(struct company *company, const unsigned char *frame,
		size_t length, const int *fds, size_t fd_count,
		enum control_refusal refusal)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE;
	struct control_refused refused;
	unsigned errors = company->receiver.calls[HEARD_ERROR];

	hostile_connect(&peer, scene_address());
	hostile_say(&peer, frame, length, fds, fd_count);
	CHECK_EQUAL(hostile_hear(&peer, &company->stage, &refused), CONTROL_REFUSED);
	CHECK_EQUAL(refused.refusal, refusal);
	STAGE_UNTIL(&company->stage, company->receiver.calls[HEARD_ERROR] > errors);
	CHECK(strstr(company->receiver.text, "observer pid"));
	await_hang_up(&peer, company);
	hostile_close(&peer);
	company_check(company);
}

static void bad_first_frames_are_refused_in_words(void **state)
{
	struct control_observe observe = { .version = CONTROL_OBSERVE_VERSION };
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length = control_encode_observe(frame, &observe);
	struct company company = { 0 };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	company_open(&company, NULL, NULL);
	check_first_frame(&company, frame, length, &fd, 1, CONTROL_REFUSE_PROTOCOL);
	observe.version++;
	length = control_encode_observe(frame, &observe);
	check_first_frame(&company, frame, length, NULL, 0, CONTROL_REFUSE_VERSION);
	observe.version--;
	observe.features = 1;
	length = control_encode_observe(frame, &observe);
	check_first_frame(&company, frame, length, NULL, 0, CONTROL_REFUSE_FEATURES);
	frame[4] ^= 1;
	check_first_frame(&company, frame, length, NULL, 0, CONTROL_REFUSE_PROTOCOL);
	close(fd);
	company_close(&company);
}

/* ---- What is asked for slowly ------------------------------------------------------------- */

#define LANES (2 * OBSERVE_LANES_PER_PAGE)

/* Hears a page. Returns the number of lanes in it; what ends it goes to `*end`. */
static unsigned hear_page(struct hostile_peer *peer, struct company *company,
		enum control_type *end)
{
	unsigned lanes = 0;

	while ((*end = hostile_hear(peer, &company->stage, NULL)) == CONTROL_LANE)
		lanes++;
	return lanes;
}

/* The very lane to go on with is freed between two pages, and all behind it: then there are no more. */
static void lanes_may_go_between_two_pages(void **state)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE;
	struct test_sender senders[LANES];
	struct company company = { 0 };
	enum control_type end;

	(void)state;
	memset(senders, 0, sizeof(senders));
	company_open(&company, NULL, NULL);
	for (unsigned i = 0; i < LANES; i++) {
		test_sender_open(&senders[i], &company.stage, scene_address(), NULL);
		STAGE_UNTIL(&company.stage, company.joined == i + 1);
	}
	join(&peer, &company);
	say_ask(&peer, false);
	CHECK_EQUAL(hear_page(&peer, &company, &end), OBSERVE_LANES_PER_PAGE);
	CHECK_EQUAL(end, CONTROL_MORE);
	/* The neighbour's lane was the first of all. */
	for (unsigned i = OBSERVE_LANES_PER_PAGE - 1; i < LANES; i++)
		test_sender_free(&senders[i]);
	STAGE_UNTIL(&company.stage, company.left == LANES - OBSERVE_LANES_PER_PAGE + 1);
	say_ask(&peer, true);
	CHECK_EQUAL(hear_page(&peer, &company, &end), 0);
	CHECK_EQUAL(end, CONTROL_TOTALS);
	hostile_close(&peer);
	for (unsigned i = 0; i < LANES; i++)
		test_sender_free(&senders[i]);
	company_check(&company);
	company_close(&company);
}

/* ---- What is not read --------------------------------------------------------------------- */

/* One that asks on and on without reading an answer is hung up on when its socket is full; that is soon. */
static void whoever_does_not_read_is_hung_up_on(void **state)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE;
	struct company company = { 0 };
	unsigned asked = 0;
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length = control_encode_ask(frame, false);

	(void)state;
	company_open(&company, NULL, NULL);
	join(&peer, &company);
	while (send(peer.socket, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
		stage_look(&company.stage, 4);
		asked++;
		CHECK(asked < 100000);
	}
	CHECK(errno == EPIPE || errno == ECONNRESET);
	await_hang_up(&peer, &company);
	hostile_close(&peer);
	company_check(&company);
	company_close(&company);
}

/* Half a question, and silence: the connection costs its place, for as long as nobody else wants it. */
static void silent_ones_give_way(void **state)
{
	struct hostile_peer peers[ADMISSION_OBSERVERS_PER_UID_MAX];
	struct test_observer observer = { 0 };
	struct company company = { 0 };
	const unsigned char half[] = { CONTROL_ASK, 0, 8 };

	(void)state;
	company_open(&company, NULL, NULL);
	for (unsigned i = 0; i < ADMISSION_OBSERVERS_PER_UID_MAX; i++) {
		peers[i] = (struct hostile_peer)HOSTILE_PEER_NONE;
		join(&peers[i], &company);
		hostile_say(&peers[i], half, sizeof(half), NULL, 0);
	}
	company_check(&company);
	/* They have been there for a moment only; later one of them has to go. */
	do {
		test_observer_free(&observer);
		memset(&observer, 0, sizeof(observer));
		test_observer_open(&observer, &company.stage, scene_address());
		CHECK_EQUAL(evchan_observer_ask(observer.observer), 0);
		STAGE_UNTIL(&company.stage,
				observer.calls[SHOWN_ENDED] ||
						observer.calls[SHOWN_SNAPSHOT]);
		CHECK(!observer.calls[SHOWN_ENDED] || observer.error == -EUSERS);
	} while (!observer.calls[SHOWN_SNAPSHOT]);
	CHECK_EQUAL(observer.lanes, 1);
	await_hang_up(&peers[0], &company);
	test_observer_free(&observer);
	for (unsigned i = 0; i < ADMISSION_OBSERVERS_PER_UID_MAX; i++)
		hostile_close(&peers[i]);
	company_close(&company);
}

/* ---- What is too much ----------------------------------------------------------------------- */

/* A thousand connections: a few are admitted, the others refused, lanes go on, and in the end there is room again. */
static void crowds_are_kept_out(void **state)
{
	static struct hostile_peer peers[CROWD];
	unsigned admitted = 0, count = scene_scaled(CROWD);
	struct test_observer observer = { 0 };
	struct company company = { 0 };

	(void)state;
	company_open(&company, NULL, NULL);
	for (unsigned i = 0; i < count; i++) {
		struct control_refused refused;
		enum control_type type;

		peers[i] = (struct hostile_peer)HOSTILE_PEER_NONE;
		hostile_connect(&peers[i], scene_address());
		say_observe(&peers[i]);
		type = hostile_hear(&peers[i], &company.stage, &refused);
		CHECK(type == CONTROL_OBSERVED || type == CONTROL_REFUSED);
		if (type == CONTROL_OBSERVED)
			admitted++;
		else
			CHECK_EQUAL(refused.refusal, CONTROL_REFUSE_OBSERVERS);
	}
	CHECK(admitted >= ADMISSION_OBSERVERS_PER_UID_MAX);
	company_check(&company);
	for (unsigned i = 0; i < count; i++)
		hostile_close(&peers[i]);
	stage_look(&company.stage, 20);
	test_observer_open(&observer, &company.stage, scene_address());
	test_observer_look(&observer, &company.stage);
	CHECK_EQUAL(observer.lanes, 1);
	test_observer_free(&observer);
	company_close(&company);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void look_again(struct test_observer *test, enum shown shown)
{
	if (shown == SHOWN_SNAPSHOT)
		CHECK_EQUAL(evchan_observer_ask(test->observer), 0);
}

static void look_without_end(void *arg)
{
	struct test_observer observer = { .act = look_again };
	unsigned *snapshots = arg;
	struct stage stage;

	stage_open(&stage, NULL);
	test_observer_open(&observer, &stage, scene_address());
	CHECK_EQUAL(evchan_observer_ask(observer.observer), 0);
	for (;;) {
		stage_turn(&stage);
		__atomic_store_n(snapshots, observer.calls[SHOWN_SNAPSHOT],
				__ATOMIC_RELAXED);
	}
}

/* Observers that ask as fast as they can get no more answers than there are looks, all together. */
static void answers_are_rationed(void **state)
{
	unsigned *snapshots = scene_share(2 * sizeof(*snapshots));
	struct company company = { 0 };
	pid_t processes[2];
	uint64_t start, passed;

	(void)state;
	company_open(&company, NULL, NULL);
	start = now_ms();
	for (int i = 0; i < 2; i++)
		processes[i] = scene_start(look_without_end, &snapshots[i]);
	do {
		stage_turn(&company.stage);
		passed = now_ms() - start;
	} while (passed < WATCHED_MS || !snapshots[0] || !snapshots[1]);
	for (int i = 0; i < 2; i++)
		scene_kill(processes[i]);
	passed = now_ms() - start;
	CHECK(snapshots[0] + snapshots[1] <= LOOKS_PER_TICK * (passed / TICK_MS + 2));
	company_check(&company);
	company_close(&company);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(whoever_breaks_the_rules_is_hung_up_on),
		SCENE_TEST(bad_first_frames_are_refused_in_words),
		SCENE_TEST(lanes_may_go_between_two_pages),
		SCENE_TEST(whoever_does_not_read_is_hung_up_on),
		SCENE_TEST(silent_ones_give_way),
		SCENE_TEST(crowds_are_kept_out),
		SCENE_TEST(answers_are_rationed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
