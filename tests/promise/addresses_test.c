/* SPDX-License-Identifier: MIT */
/*
 * Every kind of address, between processes: a path, an abstract name, a fresh private one
 * that is handed to children, and sockets that are handed in: listening ones, as systemd
 * does it, whose connections queue while no receiver runs, and connected ones.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile_peer.h"
#include "scene.h"
#include "stream.h"

#define MESSAGES 1000u

/* ---- Streams through an address ------------------------------------------ */

/* Starts a process that sends stream `id` to the address. */
static pid_t start_stream(struct stream_role *role, const char *address, uint32_t id)
{
	*role = (struct stream_role){ .address = address,
		.options.capacity = 4096,
		.stream = { .id = id, .count = MESSAGES, .most = 500 } };
	return scene_start(stream_role, role);
}

/* A sender's stream arrives whole, and then its goodbye. */
static void receive_stream(
		struct test_receiver *receiver, struct stage *stage, pid_t sender)
{
	const struct stream_sink *sink = receiver->arg;

	STAGE_UNTIL(stage, receiver->calls[HEARD_LEFT]);
	CHECK_EQUAL(sink->next[0], MESSAGES);
	CHECK_EQUAL(receiver->left_reason, EVCHAN_LEFT_CLOSED);
	CHECK_EQUAL(receiver->peer.pid, sender);
	CHECK_EQUAL(receiver->peer.uid, geteuid());
	scene_join(sender);
}

static void check_address(const char *address)
{
	struct stream_sink sink = { 0 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct stream_role role;
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, address, NULL);
	CHECK(*address == '\0' ||
			strcmp(evchan_receiver_address(receiver.receiver), address) == 0);
	receive_stream(&receiver, &stage,
			start_stream(&role, evchan_receiver_address(receiver.receiver),
					0));
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A path. */
static void path_works(void **state)
{
	char path[128];

	(void)state;
	strcpy(path, scene_path("socket"));
	check_address(path);
	CHECK_EQUAL(scene_count_files(), 0);
}

/* A path that is not absolute. */
static void relative_path_works(void **state)
{
	char folder[128], before[512];

	(void)state;
	CHECK(getcwd(before, sizeof(before)));
	strcpy(folder, scene_path("."));
	CHECK_EQUAL(chdir(folder), 0);
	check_address("socket");
	CHECK_EQUAL(chdir(before), 0);
}

/* An abstract name. */
static void abstract_name_works(void **state)
{
	(void)state;
	check_address(scene_address());
}

/* A fresh private one, which can be asked for, and is another each time. */
static void private_address_works(void **state)
{
	struct test_receiver receivers[2] = { 0 };

	(void)state;
	check_address("");
	test_receiver_open(&receivers[0], NULL, "", NULL);
	test_receiver_open(&receivers[1], NULL, "", NULL);
	CHECK(strcmp(evchan_receiver_address(receivers[0].receiver),
			      evchan_receiver_address(receivers[1].receiver)) != 0);
	test_receiver_free(&receivers[0]);
	test_receiver_free(&receivers[1]);
}

/* ---- Listening sockets that are handed in -------------------------------- */

/* The address of a descriptor. */
static void name_descriptor(char *address, size_t room, int fd)
{
	snprintf(address, room, "fd:%d", fd);
}

/* A listening socket that was made elsewhere serves like one of one's own. */
static void handed_in_listener_works(void **state)
{
	struct stream_sink sink = { 0 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct stream_role role;
	char address[32];
	struct stage stage;

	(void)state;
	name_descriptor(address, sizeof(address), hostile_listen(scene_address()));
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, address, NULL);
	receive_stream(&receiver, &stage, start_stream(&role, scene_address(), 0));
	test_receiver_free(&receiver);
	stage_close(&stage);
}

struct service {
	int listener;
	volatile uint64_t *received;
};

/* What systemd does in the child before it executes the service: the listener becomes
 * the first descriptor that is handed over. */
static void activate(const struct service *service)
{
	char pid[16];

	CHECK_EQUAL(dup2(service->listener, 3), 3);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "messages", 1);
}

static void serve(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	const struct service *service = receiver->arg;

	(void)lane;
	if (heard != HEARD_MESSAGE)
		return;
	stream_check(message, 0, *service->received);
	++*service->received;
}

static void activated_receiver(void *arg)
{
	struct service *service = arg;
	struct test_receiver receiver = { .act = serve, .arg = arg };
	struct stage stage;

	activate(service);
	stage_open(&stage, NULL);
	CHECK_EQUAL(test_receiver_try(&receiver, &stage, "systemd:others", NULL),
			-ENOENT);
	test_receiver_open(&receiver, &stage, "systemd:messages", NULL);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CLOSED);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void send_and_leave(void *arg)
{
	struct stream stream = { .count = *(uint64_t *)arg, .most = 100 };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_pending pending = EVCHAN_PENDING_INIT;
	struct test_sender sender = { 0 };

	options.label = "0";
	test_sender_open(&sender, NULL, scene_address(), &options);
	CHECK_EQUAL(stream_send(&stream, sender.sender, UINT64_MAX), 0);
	evchan_sender_get_pending(sender.sender, &pending);
	/* That is what says that it may go. */
	CHECK_EQUAL(pending.hello_sent, 1);
	CHECK_EQUAL(pending.connected, 0);
	test_sender_free(&sender);
}

/* While no receiver runs, connections queue at a socket that outlives them all; a
 * sender may even be gone when the first one is started. */
static void connections_queue_while_no_receiver_runs(void **state)
{
	struct service service = { hostile_listen(scene_address()),
		scene_share(sizeof(uint64_t)) };
	uint64_t count = MESSAGES;

	(void)state;
	scene_join(scene_start(send_and_leave, &count));
	scene_join(scene_start(activated_receiver, &service));
	CHECK_EQUAL(*service.received, MESSAGES);
	close(service.listener);
}

/* ---- Connected sockets that are handed in -------------------------------- */

static void make_pair(int ends[2])
{
	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

/* A connected socket is a receiver's only lane. The sender is who says hello, not who
 * made the pair. */
static void connected_socket_is_the_only_lane(void **state)
{
	struct stream_sink sink = { 0 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	char own_address[32], child_address[32];
	struct stream_role role;
	struct stage stage;
	pid_t sender;
	int ends[2];

	(void)state;
	make_pair(ends);
	name_descriptor(own_address, sizeof(own_address), ends[0]);
	name_descriptor(child_address, sizeof(child_address), ends[1]);
	sender = start_stream(&role, child_address, 0);
	close(ends[1]);
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, own_address, NULL);
	receive_stream(&receiver, &stage, sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* Connected sockets can be adopted by a receiver that listens, too. */
static void adopted_sockets_are_lanes_like_others(void **state)
{
	struct stream_sink sink = { 0 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct stream_role roles[4];
	char addresses[3][32];
	pid_t senders[4];
	struct stage stage;
	int ends[2];

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	for (uint32_t i = 0; i < 3; i++) {
		make_pair(ends);
		name_descriptor(addresses[i], sizeof(addresses[i]), ends[1]);
		senders[i] = start_stream(&roles[i], addresses[i], i);
		close(ends[1]);
		CHECK_EQUAL(evchan_receiver_adopt(receiver.receiver, ends[0]), 0);
	}
	senders[3] = start_stream(&roles[3], scene_address(), 3);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == 4);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_EQUAL(sink.next[i], MESSAGES);
		scene_join(senders[i]);
	}
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* What is no connected UNIX stream socket is not taken over, and stays as it is. */
static void other_descriptors_are_not_taken(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	char address[32];
	int ends[2];

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
	CHECK_EQUAL(evchan_receiver_adopt(receiver.receiver, ends[0]), -ENOTSOCK);
	CHECK_EQUAL(evchan_receiver_adopt(receiver.receiver, -1), -EBADF);
	name_descriptor(address, sizeof(address), ends[0]);
	CHECK_EQUAL(test_sender_try(&sender, &stage, address, NULL), -ENOTSOCK);
	CHECK_EQUAL(close(ends[0]), 0);
	CHECK_EQUAL(close(ends[1]), 0);
	CHECK_EQUAL(test_sender_try(&sender, &stage, "fd:1000000", NULL), -EBADF);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A sender on a handed-in socket has nowhere to reconnect to: its receiver's end is
 * its own. */
static void handed_in_sender_ends_with_its_receiver(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	char address[32];
	struct stage stage;
	int ends[2];

	(void)state;
	make_pair(ends);
	stage_open(&stage, NULL);
	name_descriptor(address, sizeof(address), ends[0]);
	test_receiver_open(&receiver, &stage, address, NULL);
	name_descriptor(address, sizeof(address), ends[1]);
	test_sender_open(&sender, &stage, address, NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	test_receiver_free(&receiver);
	STAGE_UNTIL(&stage, sender.calls[TOLD_REFUSED]);
	CHECK_EQUAL(sender.calls[TOLD_DISCONNECTED], 1);
	CHECK_EQUAL(sender.disconnect_error, 0);
	CHECK(sender.is_final);
	CHECK_EQUAL(evchan_send(sender.sender, 0, NULL, 0, 0), -EPIPE);
	test_sender_free(&sender);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(path_works),
		SCENE_TEST(relative_path_works),
		SCENE_TEST(abstract_name_works),
		SCENE_TEST(private_address_works),
		SCENE_TEST(handed_in_listener_works),
		SCENE_TEST(connections_queue_while_no_receiver_runs),
		SCENE_TEST(connected_socket_is_the_only_lane),
		SCENE_TEST(adopted_sockets_are_lanes_like_others),
		SCENE_TEST(other_descriptors_are_not_taken),
		SCENE_TEST(handed_in_sender_ends_with_its_receiver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
