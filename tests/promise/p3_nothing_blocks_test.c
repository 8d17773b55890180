/* SPDX-License-Identifier: MIT */
/*
 * P3: nothing blocks. A sender that stands still, floods, or never finishes its hello delays nobody but
 * itself; nor does a receiver that stands still. A call that blocked would show as a test that hangs;
 * delays are counted in turns of the loop, not in time.
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
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile_peer.h"
#include "scene.h"
#include "stream.h"

#define TURNS_MOST 3u /* until something that has arrived is served */
#define FLOODS 4u
#define SINGLE "single" /* label of a sender that does not flood */

/* A receiver under a flood. */
struct flood {
	struct stage stage;
	struct test_receiver receiver;
	struct stream_sink sink;
	pid_t processes[FLOODS];
	uint64_t messages; /* of the flood */
	uint64_t singles;  /* others */
	unsigned requests;
};

static void flood_heard(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct flood *flood = receiver->arg;

	if (heard != HEARD_MESSAGE)
		return;
	if (strcmp(evchan_lane_label(lane), SINGLE) == 0) {
		flood->singles++;
		return;
	}
	stream_receive(&flood->sink, message);
	flood->messages++;
}

static void open_flood(struct flood *flood, const struct evchan_receiver_options *options)
{
	memset(flood, 0, sizeof(*flood));
	stage_open(&flood->stage, NULL);
	for (unsigned i = 0; i < FLOODS; i++)
		flood->processes[i] = stream_start_endless(i, NULL);
	flood->receiver.act = flood_heard;
	flood->receiver.arg = flood;
	test_receiver_open(&flood->receiver, &flood->stage, scene_address(), options);
	for (unsigned i = 0; i < FLOODS; i++)
		STAGE_UNTIL(&flood->stage, flood->sink.next[i]);
}

/* Waits for a turn that is full of the flood's messages. */
static void await_flood(struct flood *flood)
{
	uint64_t messages;

	do {
		messages = flood->messages;
		stage_turn(&flood->stage);
	} while (flood->messages - messages < 50);
}

static void close_flood(struct flood *flood)
{
	for (unsigned i = 0; i < FLOODS; i++)
		scene_kill(flood->processes[i]);
	test_receiver_free(&flood->receiver);
	stage_close(&flood->stage);
}

/* ---- Fairness -------------------------------------------------------------------------- */

/* A sender with a loop of its own that never turns: its bell is all there is. */
static void open_single(struct test_sender *single)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.label = SINGLE;
	test_sender_open(single, NULL, scene_address(), &options);
}

/* Sends one message; it must be served soon. */
static void send_single(struct flood *flood, struct test_sender *single)
{
	uint64_t singles = flood->singles, turn = flood->stage.turns;

	CHECK_EQUAL(evchan_send(single->sender, 0, NULL, 0, 0), 0);
	STAGE_UNTIL(&flood->stage, flood->singles > singles);
	CHECK(flood->stage.turns - turn <= TURNS_MOST);
}

/* While others flood, a single message is served within three turns of being published. */
static void single_message_is_served_soon(void **state)
{
	struct test_sender single = { 0 };
	struct flood flood;

	(void)state;
	open_flood(&flood, NULL);
	open_single(&single);
	for (unsigned i = 0; i < scene_scaled(300); i++) {
		await_flood(&flood);
		send_single(&flood, &single);
	}
	test_sender_free(&single);
	close_flood(&flood);
}

/* So is the first message of a sender that has just connected. */
static void newcomer_is_served_soon(void **state)
{
	struct flood flood;

	(void)state;
	open_flood(&flood, NULL);
	for (unsigned i = 0; i < scene_scaled(50); i++) {
		struct test_sender single = { 0 };

		await_flood(&flood);
		open_single(&single);
		send_single(&flood, &single);
		test_sender_free(&single);
	}
	close_flood(&flood);
}

/* A turn serves no more messages than its budget, and of each lane no more than its share, however many
 * are there. */
static void turn_has_a_budget(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct stream_sink before;
	struct flood flood;
	uint64_t messages;

	(void)state;
	options.turn_messages = 10;
	options.turn_total_messages = 25;
	open_flood(&flood, &options);
	for (unsigned i = 0; i < scene_scaled(1000); i++) {
		messages = flood.messages;
		before = flood.sink;
		stage_turn(&flood.stage);
		CHECK(flood.messages - messages <= 25);
		for (unsigned lane = 0; lane < FLOODS; lane++)
			CHECK(flood.sink.next[lane] - before.next[lane] <= 10);
	}
	close_flood(&flood);
}

/* ---- Other events on the same base -------------------------------------------------------- */

/* libevent_extra, which nothing else here needs, is loaded at run time. */
struct http_library {
	void *handle;
	struct evhttp *(*new_server)(struct event_base *base);
	void (*free_server)(struct evhttp *http);
	struct evhttp_bound_socket *(*bind)(
			struct evhttp *http, const char *address, ev_uint16_t port);
	evutil_socket_t (*get_fd)(struct evhttp_bound_socket *bound);
	void (*set_callback)(struct evhttp *http,
			void (*callback)(struct evhttp_request *request, void *arg), void *arg);
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
	struct flood *flood = arg;

	flood->requests++;
	http_library.reply(request, 200, "OK", NULL);
}

/* Connects to the port that `bound` has, and asks. */
static int ask(struct evhttp_bound_socket *bound)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQUAL(getsockname(http_library.get_fd(bound), (struct sockaddr *)&address, &length),
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
	uint64_t turn;
	int fd;

	http_library.set_callback(http, answer, flood);
	for (unsigned i = 0; i < scene_scaled(100); i++) {
		await_flood(flood);
		fd = ask(bound);
		turn = flood->stage.turns;
		STAGE_UNTIL(&flood->stage, flood->requests > i);
		CHECK(flood->stage.turns - turn <= TURNS_MOST);
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
	open_flood(&flood, NULL);
	http = http_library.new_server(flood.stage.base);
	bound = http_library.bind(http, "127.0.0.1", 0);
	if (bound)
		serve_http(&flood, http, bound);
	else
		print_message("no network at all\n");
	http_library.free_server(http);
	close_flood(&flood);
	dlclose(http_library.handle);
}

/* ---- Those who stand still ------------------------------------------------------------------ */

/* A stopped sender is not taken for dead, delays nobody, and goes on where it was. */
static void stopped_sender_delays_only_itself(void **state)
{
	struct flood flood;
	uint64_t stopped, other;

	(void)state;
	open_flood(&flood, NULL);
	scene_stop(flood.processes[0]);
	stage_look(&flood.stage, 200);
	stopped = flood.sink.next[0];
	other = flood.sink.next[1];
	STAGE_UNTIL(&flood.stage, flood.sink.next[1] > other + scene_scaled(10000));
	CHECK_EQUAL(flood.sink.next[0], stopped);
	CHECK_EQUAL(flood.receiver.calls[HEARD_HUNG_UP], 0);
	CHECK_EQUAL(kill(flood.processes[0], SIGCONT), 0);
	STAGE_UNTIL(&flood.stage, flood.sink.next[0] > stopped);
	close_flood(&flood);
}

/* Living senders, stopped or flooding, hold up no shutdown: it is complete within a few turns. */
static void living_senders_do_not_delay_a_shutdown(void **state)
{
	struct flood flood;
	uint64_t turn;

	(void)state;
	open_flood(&flood, NULL);
	scene_stop(flood.processes[0]);
	stage_turn(&flood.stage);
	turn = flood.stage.turns;
	CHECK_EQUAL(evchan_receiver_shutdown(flood.receiver.receiver), 0);
	STAGE_UNTIL(&flood.stage, flood.receiver.calls[HEARD_SHUT_DOWN]);
	CHECK(flood.stage.turns - turn <= 5);
	CHECK_EQUAL(flood.receiver.calls[HEARD_LEFT], FLOODS);
	CHECK_EQUAL(flood.receiver.left_reason, EVCHAN_LEFT_SHUTDOWN);
	CHECK_EQUAL(flood.receiver.calls[HEARD_HUNG_UP], 0);
	close_flood(&flood);
}

/* Connections that say nothing, or half a hello, keep nobody waiting. */
static void silent_connections_delay_nobody(void **state)
{
	struct hostile_peer peers[40];
	struct test_sender single = { 0 };
	struct flood flood;

	(void)state;
	open_flood(&flood, NULL);
	for (int i = 0; i < 40; i++) {
		peers[i] = (struct hostile_peer)HOSTILE_PEER_NONE;
		hostile_connect(&peers[i], scene_address());
		if (i % 2)
			hostile_say(&peers[i], "\x10", 1, NULL, 0);
	}
	/* 32 connections are accepted in one turn. */
	stage_look(&flood.stage, 2);
	open_single(&single);
	send_single(&flood, &single);
	for (int i = 0; i < 40; i++)
		hostile_close(&peers[i]);
	test_sender_free(&single);
	close_flood(&flood);
}

struct sleeper {
	int ready;
	int end;
};

static void sleeping_receiver(void *arg)
{
	struct sleeper *gates = arg;
	struct test_receiver receiver = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	scene_open_gate(gates->ready);
	stage_pass_gate(&stage, gates->end);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void count_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(unsigned *)arg;
}

/* The sender's loop goes on with other things. */
static void tick(struct stage *stage)
{
	static const struct timeval soon = { 0, 1000 };
	unsigned ticks = 0;
	struct event *event = event_new(stage->base, -1, EV_PERSIST, count_tick, &ticks);

	CHECK_EQUAL(event_add(event, &soon), 0);
	STAGE_UNTIL(stage, ticks == 20);
	event_free(event);
}

/* A stopped receiver blocks no sender: neither sending, nor making one, nor freeing. */
static void stopped_receiver_blocks_no_sender(void **state)
{
	struct sleeper gates = { scene_gate(), scene_gate() };
	struct test_sender connected = { 0 }, late = { 0 };
	struct stage stage;
	pid_t process;

	(void)state;
	process = scene_start(sleeping_receiver, &gates);
	scene_pass_gate(gates.ready);
	stage_open(&stage, NULL);
	test_sender_open(&connected, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, connected.calls[TOLD_CONNECTED]);
	scene_stop(process);
	CHECK(test_sender_fill(&connected, 1000) > 100);
	test_sender_open(&late, &stage, scene_address(), NULL);
	CHECK(test_sender_fill(&late, 1000) > 100);
	tick(&stage);
	CHECK_EQUAL(connected.calls[TOLD_WRITABLE] + late.calls[TOLD_WRITABLE], 0);
	CHECK_EQUAL(kill(process, SIGCONT), 0);
	STAGE_UNTIL(&stage, connected.calls[TOLD_WRITABLE] && late.calls[TOLD_WRITABLE]);
	scene_stop(process);
	test_sender_free(&connected);
	test_sender_free(&late);
	CHECK_EQUAL(kill(process, SIGCONT), 0);
	scene_open_gate(gates.end);
	scene_join(process);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(single_message_is_served_soon),
		SCENE_TEST(newcomer_is_served_soon),
		SCENE_TEST(turn_has_a_budget),
		SCENE_TEST(http_request_is_served_soon),
		SCENE_TEST(stopped_sender_delays_only_itself),
		SCENE_TEST(living_senders_do_not_delay_a_shutdown),
		SCENE_TEST(silent_connections_delay_nobody),
		SCENE_TEST(stopped_receiver_blocks_no_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
