/* SPDX-License-Identifier: MIT */
/*
 * Socket activation as systemd does it: the listening socket outlives its receivers,
 * which find it in LISTEN_FDS. While none runs, connections queue in it, with their
 * rings and what is published in them. Nothing is lost, however the receivers end:
 * neither of senders that live, nor of those that have come and gone while nobody was
 * there.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "book.h"
#include "hostile_peer.h"
#include "scene.h"
#include "stream.h"

#define FIRST_ACTIVATED 3 /* SD_LISTEN_FDS_START */
#define STAYING 3u        /* senders that live until all they sent is consumed */
#define VISITS 200u       /* messages of one that does not */
#define WINDOW 64u        /* messages that may be repeated: the release rule's batch */

struct service {
	int listener;
	struct book *book;
	uint32_t id;
	uint64_t enough; /* entries in the book, and ... */
	unsigned leave;  /* ... senders that left, and then: */
	int reached;     /* gate: opened */
	int end;         /* gate: shut down */
};

/* ---- Receivers ----------------------------------------------------------- */

/* What systemd does in the process before it executes the service. */
static void activate(const struct service *service)
{
	char pid[16];

	CHECK_EQUAL(dup2(service->listener, FIRST_ACTIVATED), FIRST_ACTIVATED);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "messages", 1);
}

static void service_hears(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct service *service = receiver->arg;

	(void)lane;
	CHECK(heard != HEARD_ERROR);
	if (heard == HEARD_MESSAGE)
		book_write(service->book, service->id, message);
	if (service->enough && service->book->count >= service->enough &&
			receiver->calls[HEARD_LEFT] >= service->leave) {
		service->enough = 0;
		scene_open_gate(service->reached);
	}
}

static void serve(void *arg)
{
	struct service *service = arg;
	struct test_receiver receiver = { .act = service_hears, .arg = arg };
	struct stage stage;

	activate(service);
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, "systemd:messages", NULL);
	stage_pass_gate(&stage, service->end);
	CHECK_EQUAL(evchan_receiver_shutdown(receiver.receiver), 0);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_SHUT_DOWN]);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- Senders ------------------------------------------------------------- */

static pid_t start_staying(uint32_t id, uint64_t count)
{
	static struct stream_role roles[STAYING];

	roles[id] = (struct stream_role){ .address = scene_address() };
	roles[id].options.capacity = UINT64_C(4096) << 2 * id;
	roles[id].options.reconnect_min_ms = 1;
	roles[id].options.reconnect_max_ms = 20;
	roles[id].stream = (struct stream){ .id = id, .count = count, .most = 1000 };
	return scene_start(stream_role, &roles[id]);
}

/* Sends and goes. The hello is in the queue by then, and says that it may. */
static void visit(void *arg)
{
	struct stream stream = { .id = *(uint32_t *)arg, .count = VISITS, .most = 100 };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_pending pending = EVCHAN_PENDING_INIT;
	struct test_sender sender = { 0 };
	char label[16];

	snprintf(label, sizeof(label), "%u", stream.id);
	options.label = label;
	test_sender_open(&sender, NULL, scene_address(), &options);
	CHECK_EQUAL(stream_send(&stream, sender.sender, UINT64_MAX), 0);
	evchan_sender_get_pending(sender.sender, &pending);
	CHECK_EQUAL(pending.hello_sent, 1);
	CHECK_EQUAL(pending.connected, 0);
	test_sender_free(&sender);
}

/* ---- The test ------------------------------------------------------------ */

/* Receivers come and are killed; while none is there, somebody visits. */
static void kill_services(struct service *service, unsigned kills)
{
	uint32_t visitor = STAYING;
	pid_t process;

	srandom(3);
	for (service->id = 0; service->id < kills; service->id++, visitor++) {
		scene_join(scene_start(visit, &visitor));
		service->leave = 1;
		service->enough = service->book->count + 1 +
				(uint64_t)random() % scene_scaled(3000);
		process = scene_start(serve, service);
		scene_pass_gate(service->reached);
		scene_kill(process);
	}
	scene_join(scene_start(visit, &visitor));
}

/* Whether receivers are killed or shut down: what queued while there was none is served
 * by the next, and the living go on where they were. */
static void nothing_is_lost_across_activations(void **state)
{
	const uint64_t count = scene_scaled(60000);
	const unsigned kills = 8;
	struct service service = { .listener = hostile_listen(scene_address()),
		.reached = scene_gate(),
		.end = scene_gate() };
	pid_t senders[STAYING], process;

	(void)state;
	service.book = book_new(
			STAYING * (count + kills * WINDOW) + (kills + 2) * VISITS);
	for (uint32_t i = 0; i < STAYING; i++)
		senders[i] = start_staying(i, count);
	kill_services(&service, kills);
	service.enough = service.book->count + 1;
	process = scene_start(serve, &service);
	scene_pass_gate(service.reached);
	scene_open_gate(service.end);
	scene_join(process);
	service.id++;
	service.enough = 0;
	process = scene_start(serve, &service);
	for (uint32_t i = 0; i < STAYING; i++) {
		scene_join(senders[i]);
		(void)book_read(service.book, i, count, WINDOW);
	}
	scene_open_gate(service.end);
	scene_join(process);
	for (uint32_t i = 0; i <= kills; i++)
		CHECK_EQUAL(book_read(service.book, STAYING + i, VISITS, 0).repeats, 0);
	close(service.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(nothing_is_lost_across_activations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
