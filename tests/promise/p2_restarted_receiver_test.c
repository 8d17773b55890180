/* SPDX-License-Identifier: MIT */
/*
 * P2, for receivers: one that is killed at any moment loses nothing while its senders
 * live. They hand their rings to the next receiver on the same path, which goes on at the
 * oldest unreleased message.
 *
 * Receivers are processes that keep a book (book.h) of what they got; it shows that
 * nothing is lost, and that no more is repeated than the release rule allows.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sched.h>
#include <string.h>

#include "book.h"
#include "scene.h"
#include "stream.h"

#define SENDERS 4u
#define PATIENT (SENDERS - 1) /* the stream of the sender without a loop */
#define WINDOW 64u /* messages that may be repeated: the release rule's batch */

/* ---- Receivers ----------------------------------------------------------- */

enum ending {
	FREE,
	FREE_IN_CALLBACK,
	SHUT_DOWN
};

struct receiver_role {
	const char *address;
	struct book *book;
	uint32_t id;
	enum ending ending;
	int end;     /* gate: end now */
	int reached; /* gate: opened when the book has `enough` entries */
	uint64_t enough;
	uint64_t hold; /* the message with this number is held; BOOK_NO_NUMBER: none */
	const struct evchan_message *held;
	uint64_t hang_up_after; /* FREE_IN_CALLBACK: in the callback of this number */
};

static void receiver_acts(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct receiver_role *role = receiver->arg;

	(void)lane;
	CHECK(heard != HEARD_ERROR);
	if (heard != HEARD_MESSAGE)
		return;
	book_write(role->book, role->id, message);
	if (role->book->count == role->enough)
		scene_open_gate(role->reached);
	/* It goes on until it is killed, but does not keep the killer from doing so. */
	if (role->enough && role->book->count >= role->enough)
		sched_yield();
	if (message->type == role->hold)
		CHECK_EQUAL(evchan_message_hold(&role->held, message), 0);
	if (role->ending == FREE_IN_CALLBACK && message->type == role->hang_up_after)
		test_receiver_free(receiver);
}

static void receiver_plays(void *arg)
{
	struct receiver_role *role = arg;
	struct test_receiver receiver = { .act = receiver_acts, .arg = role };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, role->address, NULL);
	if (role->ending == FREE_IN_CALLBACK)
		STAGE_UNTIL(&stage, !receiver.receiver);
	else
		stage_pass_gate(&stage, role->end);
	if (role->ending == SHUT_DOWN) {
		CHECK_EQUAL(evchan_receiver_shutdown(receiver.receiver), 0);
		STAGE_UNTIL(&stage, receiver.calls[HEARD_SHUT_DOWN]);
		CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_SHUTDOWN);
		CHECK_EQUAL(receiver.calls[HEARD_LEFT], receiver.calls[HEARD_JOINED]);
	}
	test_receiver_free(&receiver);
	evchan_message_release(role->held);
	stage_close(&stage);
}

/* ---- Senders ------------------------------------------------------------- */

static struct evchan_sender_options sender_options(uint32_t stream)
{
	static const char *const labels[SENDERS] = { "0", "1", "2", "3" };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.flags = EVCHAN_SENDER_WAIT;
	options.label = labels[stream];
	options.reconnect_min_ms = 1;
	options.reconnect_max_ms = 20;
	return options;
}

/* One stream on the test's own loop, in a ring that has room for all of it. */
struct flow {
	struct test_sender sender;
	struct stream stream;
};

/* Sends the stream's messages up to `count`. */
static void flow_send(struct flow *flow, uint64_t count)
{
	flow->stream.count = count;
	CHECK_EQUAL(stream_send(&flow->stream, flow->sender.sender, UINT64_MAX), 0);
	flow->sender.calls[TOLD_DRAINED] = 0;
	CHECK_EQUAL(evchan_sender_notify_drained(flow->sender.sender), 0);
}

static void open_flow(struct flow *flow, struct stage *stage, const char *address,
		uint64_t count)
{
	struct evchan_sender_options options = sender_options(0);

	flow->stream.most = 1000;
	test_sender_open(&flow->sender, stage, address, &options);
	flow_send(flow, count);
}

struct patient_role {
	const char *address;
	uint64_t count;
};

/* A process that sends with the calls that wait. */
static void patient_sender(void *arg)
{
	struct patient_role *role = arg;
	struct evchan_sender_options options = sender_options(PATIENT);
	struct stream stream = { .id = PATIENT, .count = role->count, .most = 1000 };
	struct test_sender sender = { 0 };
	unsigned char bytes[1000];
	size_t size;

	test_sender_open(&sender, NULL, role->address, &options);
	for (; stream.next < stream.count; stream.next++) {
		size = stream_write(&stream, bytes);
		CHECK_EQUAL(evchan_send_wait(sender.sender, (uint32_t)stream.next, bytes,
					    size, 0, -1),
				0);
	}
	CHECK_EQUAL(evchan_drain_wait(sender.sender, -1), 0);
	test_sender_free(&sender);
}

/* ---- Killed -------------------------------------------------------------- */

static pid_t start_stream(struct stream_role *role, const char *address, uint32_t id,
		uint64_t count)
{
	*role = (struct stream_role){ .address = address, .options = sender_options(id) };
	role->options.capacity = UINT64_C(4096) << 2 * id;
	role->stream = (struct stream){ .id = id, .count = count, .most = 1000 };
	return scene_start(stream_role, role);
}

/* Starts receivers one after the other and kills each in full flow. Returns how many. */
static unsigned kill_receivers(struct receiver_role *role, uint64_t total, unsigned most)
{
	unsigned killed;
	pid_t process;

	srandom(2);
	for (killed = 0; killed < most && role->book->count < total / 2; killed++) {
		role->id = killed;
		role->enough = role->book->count + 1 +
				(uint64_t)random() % scene_scaled(3000);
		process = scene_start(receiver_plays, role);
		scene_pass_gate(role->reached);
		scene_kill(process);
	}
	return killed;
}

/* Whatever receivers were killed, the union of what they got is complete, in order,
 * and repeats little. */
static void killed_receivers_lose_nothing(void **state)
{
	const uint64_t count = scene_scaled(100000);
	const unsigned kills = 30;
	char address[128];
	struct receiver_role role = { .address = address,
		.hold = BOOK_NO_NUMBER,
		.end = scene_gate(),
		.reached = scene_gate() };
	struct patient_role patient = { address, count };
	struct stream_role streams[PATIENT];
	pid_t senders[SENDERS], last;
	uint64_t repeats = 0;

	(void)state;
	strcpy(address, scene_path("socket"));
	role.book = book_new(SENDERS * (count + kills * WINDOW));
	for (uint32_t i = 0; i < PATIENT; i++)
		senders[i] = start_stream(&streams[i], address, i, count);
	senders[PATIENT] = scene_start(patient_sender, &patient);
	role.id = kill_receivers(&role, SENDERS * count, kills);
	CHECK(role.id > 2);
	role.enough = 0;
	last = scene_start(receiver_plays, &role);
	for (uint32_t i = 0; i < SENDERS; i++) {
		scene_join(senders[i]);
		repeats += book_read(role.book, i, count, WINDOW).repeats;
	}
	scene_open_gate(role.end);
	scene_join(last);
	print_message("%u receivers killed, %lu of %lu messages repeated\n", role.id,
			(unsigned long)repeats, (unsigned long)(SENDERS * count));
}

/* ---- Ended in order ------------------------------------------------------ */

struct succession {
	struct stage stage;
	struct flow flow;
	struct receiver_role role;
	char address[128];
};

/* A first receiver that has got all but the end of a stream, and ends in this way. */
static void open_succession(struct succession *this, enum ending ending, uint64_t hold)
{
	memset(this, 0, sizeof(*this));
	strcpy(this->address, scene_path("socket"));
	this->role = (struct receiver_role){ .address = this->address,
		.hold = hold,
		.ending = ending,
		.end = scene_gate(),
		.hang_up_after = 60 };
	this->role.book = book_new(1000);
	stage_open(&this->stage, NULL);
	open_flow(&this->flow, &this->stage, this->address, 100);
}

/* The second receiver gets the rest. Returns the reading of the whole. */
static struct book_reading close_succession(struct succession *this, uint64_t count)
{
	struct book_reading reading;
	pid_t second;

	this->role.id = 1;
	this->role.hold = BOOK_NO_NUMBER;
	this->role.ending = FREE;
	second = scene_start(receiver_plays, &this->role);
	flow_send(&this->flow, count);
	STAGE_UNTIL(&this->stage, this->flow.sender.calls[TOLD_DRAINED]);
	CHECK_EQUAL(this->flow.sender.calls[TOLD_CONNECTED], 2);
	CHECK_EQUAL(this->flow.sender.resumed, 1);
	reading = book_read(this->role.book, 0, count, WINDOW);
	test_sender_free(&this->flow.sender);
	scene_open_gate(this->role.end);
	scene_join(second);
	stage_close(&this->stage);
	return reading;
}

/* The first receiver: until its book has `count` entries and its sender hears of its
 * end. */
static void play_first(struct succession *this, uint64_t count)
{
	struct test_sender *sender = &this->flow.sender;
	pid_t first = scene_start(receiver_plays, &this->role);

	STAGE_UNTIL(&this->stage, sender->calls[TOLD_CONNECTED]);
	/* What was released shows in the sender's count, which nobody tells about. */
	while (this->role.book->count < count)
		stage_look(&this->stage, 1);
	scene_open_gate(this->role.end);
	STAGE_UNTIL(&this->stage, sender->calls[TOLD_DISCONNECTED]);
	CHECK_EQUAL(sender->disconnect_error, 0);
	scene_join(first);
}

static void check_planned_restart(enum ending ending)
{
	struct succession this;
	struct book_reading reading;

	open_succession(&this, ending, BOOK_NO_NUMBER);
	play_first(&this, 100);
	reading = close_succession(&this, 200);
	CHECK_EQUAL(reading.repeats, 0);
	CHECK_EQUAL(reading.resumed_at, 100);
}

/* A receiver that is freed and started again repeats nothing. */
static void freed_receiver_repeats_nothing(void **state)
{
	(void)state;
	check_planned_restart(FREE);
}

/* Neither does one that was shut down first. */
static void shut_down_receiver_repeats_nothing(void **state)
{
	(void)state;
	check_planned_restart(SHUT_DOWN);
}

/* A message whose callback frees the receiver counts as delivered; the next one is the
 * first of the next receiver. */
static void message_that_ends_its_receiver_is_delivered(void **state)
{
	struct succession this;
	struct book_reading reading;

	(void)state;
	open_succession(&this, FREE_IN_CALLBACK, BOOK_NO_NUMBER);
	play_first(&this, 61);
	scene_pass_gate(this.role.end);
	reading = close_succession(&this, 200);
	CHECK_EQUAL(reading.repeats, 0);
	CHECK_EQUAL(reading.resumed_at, 61);
}

/* A held message and all after it come again: the oldest hold is where the next receiver
 * begins. */
static void held_message_is_repeated(void **state)
{
	struct succession this;
	struct book_reading reading;

	(void)state;
	open_succession(&this, FREE, 70);
	play_first(&this, 100);
	reading = close_succession(&this, 200);
	CHECK_EQUAL(reading.resumed_at, 70);
	CHECK_EQUAL(reading.repeats, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(killed_receivers_lose_nothing),
		SCENE_TEST(freed_receiver_repeats_nothing),
		SCENE_TEST(shut_down_receiver_repeats_nothing),
		SCENE_TEST(message_that_ends_its_receiver_is_delivered),
		SCENE_TEST(held_message_is_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
