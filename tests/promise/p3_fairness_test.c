/* SPDX-License-Identifier: MIT */
/*
 * P3, fairness: while some flood, what others send, and other events on the same base,
 * are served within three turns of arriving.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flood.h"
#include "scene.h"

/* While others flood, a single message is served within three turns of being
 * published. */
static void single_message_is_served_soon(void **state)
{
	struct test_sender single = { 0 };
	struct flood flood;

	(void)state;
	flood_open(&flood, NULL);
	flood_open_single(&single);
	for (unsigned i = 0; i < scene_scaled(300); i++) {
		flood_await(&flood);
		flood_send_single(&flood, &single);
	}
	test_sender_free(&single);
	flood_close(&flood);
}

/* So is the first message of a sender that has just connected, unless newcomers are a flood of their own. */
static void newcomer_is_served_soon(void **state)
{
	struct flood flood;

	(void)state;
	flood_open(&flood, NULL);
	for (unsigned i = 0; i < scene_scaled(50); i++) {
		struct test_sender single = { 0 };

		for (unsigned turn = 0; turn < 20; turn++)
			flood_await(&flood);
		flood_open_single(&single);
		flood_send_single(&flood, &single);
		test_sender_free(&single);
	}
	flood_close(&flood);
}

/* A turn serves no more messages than its budget, and of each lane no more than its
 * share, however many are there. */
static void turn_has_a_budget(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct stream_sink before;
	struct flood flood;
	uint64_t messages;

	(void)state;
	options.turn_messages = 10;
	options.turn_total_messages = 25;
	flood_open(&flood, &options);
	for (unsigned i = 0; i < scene_scaled(1000); i++) {
		messages = flood.messages;
		before = flood.sink;
		stage_turn(&flood.stage);
		CHECK(flood.messages - messages <= 25);
		for (unsigned lane = 0; lane < FLOOD_SENDERS; lane++)
			CHECK(flood.sink.next[lane] - before.next[lane] <= 10);
	}
	flood_close(&flood);
}

/* ---- Shares of small messages ---------------------------------------------- */

#define SHARE 256u
#define SHARE_SENDERS 2

struct shares {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender senders[SHARE_SENDERS];
	struct evchan_lane *last; /* whose message the last one was */
	unsigned run;             /* messages in a row of that lane */
	unsigned longest_run;
};

static void measure_run(struct test_receiver *test, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct shares *shares = test->arg;

	(void)message;
	if (heard != HEARD_MESSAGE)
		return;
	shares->run = lane == shares->last ? shares->run + 1 : 1;
	shares->last = lane;
	if (shares->run > shares->longest_run)
		shares->longest_run = shares->run;
}

/* So many senders have 2000 messages in their rings, and the receiver has its first turn with them. */
static void take_first_turn(
		struct shares *shares, unsigned senders, uint32_t turn_messages)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	memset(shares, 0, sizeof(*shares));
	options.turn_messages = turn_messages;
	shares->receiver.act = measure_run;
	shares->receiver.arg = shares;
	stage_open(&shares->stage, NULL);
	test_receiver_open(&shares->receiver, &shares->stage, scene_address(), &options);
	evchan_receiver_pause(shares->receiver.receiver);
	for (unsigned i = 0; i < senders; i++) {
		test_sender_open(&shares->senders[i], NULL, scene_address(), NULL);
		for (unsigned n = 0; n < 2000; n++)
			CHECK_EQUAL(evchan_send(shares->senders[i].sender, 0, "x", 1, 0),
					0);
	}
	STAGE_UNTIL(&shares->stage, shares->receiver.calls[HEARD_JOINED] == senders);
	evchan_receiver_resume(shares->receiver.receiver);
	STAGE_UNTIL(&shares->stage, shares->receiver.calls[HEARD_MESSAGE]);
}

static void close_shares(struct shares *shares)
{
	for (unsigned i = 0; i < SHARE_SENDERS; i++)
		test_sender_free(&shares->senders[i]);
	test_receiver_free(&shares->receiver);
	stage_close(&shares->stage);
}

/* A lane that is alone has the whole turn, not one share of it. */
static void lane_alone_has_the_turn(void **state)
{
	struct shares shares;

	(void)state;
	take_first_turn(&shares, 1, 0);
	CHECK_EQUAL(shares.receiver.calls[HEARD_MESSAGE], 4 * SHARE);
	close_shares(&shares);
}

/* Unless the application has said how much a share is, be it the very same. */
static void share_that_was_asked_for_is_one_per_turn(void **state)
{
	struct shares shares;

	(void)state;
	take_first_turn(&shares, 1, SHARE);
	CHECK_EQUAL(shares.receiver.calls[HEARD_MESSAGE], SHARE);
	close_shares(&shares);
}

/* Two lanes take turns within a turn: neither has a second share before the other had its first. */
static void shares_alternate_within_a_turn(void **state)
{
	struct shares shares;

	(void)state;
	take_first_turn(&shares, 2, 0);
	CHECK_EQUAL(shares.receiver.calls[HEARD_MESSAGE], 4 * SHARE);
	CHECK_EQUAL(shares.longest_run, SHARE);
	close_shares(&shares);
}

/* ---- Large messages -------------------------------------------------------- */

/* A message larger than a lane's share of a turn is delivered whole, and paid for by the
 * turns after it, each of which still delivers something. */
static void large_message_is_paid_for(void **state)
{
	static const unsigned char bytes[100000];
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	unsigned messages;

	(void)state;
	options.turn_bytes = 10000;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	test_sender_open(&sender, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_send(sender.sender, 0, bytes, sizeof(bytes), 0), 0);
	for (int i = 0; i < 50; i++)
		CHECK_EQUAL(evchan_send(sender.sender, 0, bytes, 10, 0), 0);
	/* One large one, and nine shares that are taken by what it owes. */
	while (receiver.calls[HEARD_MESSAGE] < 1 + 9) {
		messages = receiver.calls[HEARD_MESSAGE];
		stage_turn(&stage);
		CHECK(receiver.calls[HEARD_MESSAGE] <= messages + 1);
	}
	/* Then all is paid. */
	messages = receiver.calls[HEARD_MESSAGE];
	STAGE_UNTIL(&stage, receiver.calls[HEARD_MESSAGE] > messages + 1);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 51);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- Pauses --------------------------------------------------------------- */

#define PAUSE_SENDERS 3

struct pauses {
	struct evchan_lane *lanes[PAUSE_SENDERS];
	unsigned messages[PAUSE_SENDERS];
};

static void pause_after_message(struct test_receiver *test, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct pauses *pauses = test->arg;

	(void)message;
	if (heard == HEARD_JOINED)
		pauses->lanes[test->calls[HEARD_JOINED] - 1] = lane;
	if (heard != HEARD_MESSAGE)
		return;
	for (unsigned i = 0; i < PAUSE_SENDERS; i++)
		pauses->messages[i] += pauses->lanes[i] == lane;
	evchan_receiver_pause(test->receiver);
}

/* A receiver that pauses after each message takes one of each lane in turn. */
static void pauses_do_not_favour_a_lane(void **state)
{
	struct pauses pauses = { 0 };
	struct test_receiver receiver = { .act = pause_after_message, .arg = &pauses };
	struct test_sender senders[PAUSE_SENDERS] = { 0 };
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	evchan_receiver_pause(receiver.receiver);
	for (unsigned i = 0; i < PAUSE_SENDERS; i++) {
		test_sender_open(&senders[i], NULL, scene_address(), NULL);
		for (unsigned n = 0; n < 20; n++)
			CHECK_EQUAL(evchan_send(senders[i].sender, 0, "x", 1, 0), 0);
	}
	STAGE_UNTIL(&stage, receiver.calls[HEARD_JOINED] == PAUSE_SENDERS);
	for (unsigned n = 1; n <= 10 * PAUSE_SENDERS; n++) {
		evchan_receiver_resume(receiver.receiver);
		STAGE_UNTIL(&stage, receiver.calls[HEARD_MESSAGE] == n);
	}
	for (unsigned i = 0; i < PAUSE_SENDERS; i++)
		CHECK_EQUAL(pauses.messages[i], 10);
	for (unsigned i = 0; i < PAUSE_SENDERS; i++)
		test_sender_free(&senders[i]);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- Other events on the same base --------------------------------------- */

/* libevent_extra, which nothing else here needs, is loaded at run time. */
struct http_library {
	void *handle;
	struct evhttp *(*new_server)(struct event_base *base);
	void (*free_server)(struct evhttp *http);
	struct evhttp_bound_socket *(*bind)(
			struct evhttp *http, const char *address, ev_uint16_t port);
	evutil_socket_t (*get_fd)(struct evhttp_bound_socket *bound);
	void (*set_callback)(struct evhttp *http,
			void (*callback)(struct evhttp_request *request, void *arg),
			void *arg);
	void (*reply)(struct evhttp_request *request, int code, const char *reason,
			struct evbuffer *body);
};

static struct http_library http_library;

static void find(const char *name, void *function)
{
	void *found = dlsym(http_library.handle, name);

	CHECK(found);
	/* POSIX lets a function's address be had this way, ISO C has no cast for it. */
	memcpy(function, &found, sizeof(found));
}

static void load_http_library(void)
{
	http_library.handle = dlopen("libevent_extra.so", RTLD_NOW);
	if (!http_library.handle) {
		print_message("no libevent_extra here\n");
		skip();
	}
	find("evhttp_new", &http_library.new_server);
	find("evhttp_free", &http_library.free_server);
	find("evhttp_bind_socket_with_handle", &http_library.bind);
	find("evhttp_bound_socket_get_fd", &http_library.get_fd);
	find("evhttp_set_gencb", &http_library.set_callback);
	find("evhttp_send_reply", &http_library.reply);
}

static void answer(struct evhttp_request *request, void *arg)
{
	++*(unsigned *)arg;
	http_library.reply(request, 200, "OK", NULL);
}

/* Connects to the port that `bound` has, and asks. */
static int ask(struct evhttp_bound_socket *bound)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQUAL(getsockname(http_library.get_fd(bound), (struct sockaddr *)&address,
				    &length),
			0);
	CHECK_EQUAL(connect(fd, (struct sockaddr *)&address, length), 0);
	CHECK_EQUAL(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	return fd;
}

static void check_answer(struct stage *stage, int fd)
{
	char text[64] = "";

	stage_await(stage, fd);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	CHECK(strncmp(text, "HTTP/1.0 200 OK", 15) == 0);
	close(fd);
}

static void serve_http(struct flood *flood, struct evhttp *http,
		struct evhttp_bound_socket *bound)
{
	unsigned requests = 0;
	uint64_t turn;
	int fd;

	http_library.set_callback(http, answer, &requests);
	for (unsigned i = 0; i < scene_scaled(100); i++) {
		flood_await(flood);
		fd = ask(bound);
		turn = flood->stage.turns;
		STAGE_UNTIL(&flood->stage, requests > i);
		CHECK(flood->stage.turns - turn <= FLOOD_TURNS_MOST);
		check_answer(&flood->stage, fd);
	}
}

/* While senders flood, an HTTP request on the same base is served within three turns. */
static void http_request_is_served_soon(void **state)
{
	struct evhttp_bound_socket *bound;
	struct evhttp *http;
	struct flood flood;

	(void)state;
	load_http_library();
	flood_open(&flood, NULL);
	http = http_library.new_server(flood.stage.base);
	bound = http_library.bind(http, "127.0.0.1", 0);
	if (bound)
		serve_http(&flood, http, bound);
	else
		print_message("no network at all\n");
	http_library.free_server(http);
	flood_close(&flood);
	dlclose(http_library.handle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(single_message_is_served_soon),
		SCENE_TEST(newcomer_is_served_soon),
		SCENE_TEST(turn_has_a_budget),
		SCENE_TEST(lane_alone_has_the_turn),
		SCENE_TEST(share_that_was_asked_for_is_one_per_turn),
		SCENE_TEST(shares_alternate_within_a_turn),
		SCENE_TEST(large_message_is_paid_for),
		SCENE_TEST(pauses_do_not_favour_a_lane),
		SCENE_TEST(http_request_is_served_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
