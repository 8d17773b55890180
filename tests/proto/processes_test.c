/* SPDX-License-Identifier: MIT */
/*
 * Typed messages between processes: from several at once, to receivers that die and come again, between programs that were
 * built from different versions of a schema.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolution.pb-c.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#include <evchan/proto.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER 5u /* of the type, in all programs */

/* A receiving program, and what it has found; in memory that all processes share. */
struct reception {
	const ProtobufCMessageDescriptor *type;
	unsigned goal;      /* messages, after which it ends; ... */
	int32_t final;      /* ... or after the message with this number, if not 0; ... */
	unsigned last_lane; /* ... or after so many lanes have ended, if not 0 */
	unsigned left;
	int reached; /* gate, opened then */
	unsigned decoded;
	unsigned refused;
	int32_t last;  /* field 1 of the last */
	int32_t added; /* what the new version has */
	unsigned unknown_fields;
	char text[256];
	/* of this process */
	struct evchan_proto_receiver *receiving;
	int32_t next[8]; /* by the lane's label: numbers follow each other */
};

static int32_t number_of(const ProtobufCMessage *message)
{
	/* All types here begin with the same field. */
	return ((const Evchan__Evolution__Plain *)message)->a;
}

static void check_order(
		struct reception *reception, const struct evchan_proto_message *message)
{
	const char *label = evchan_lane_label(message->raw->lane);
	int32_t *next;

	if (!*label)
		return;
	next = &reception->next[atoi(label)];
	CHECK_EQUAL(number_of(message->message), *next);
	++*next;
}

static void on_message(const struct evchan_proto_message *message, void *arg)
{
	struct reception *reception = arg;

	reception->decoded++;
	reception->last = number_of(message->message);
	reception->unknown_fields = message->message->n_unknown_fields;
	if (message->message->descriptor == &evchan__evolution__added__descriptor)
		reception->added =
				((const Evchan__Evolution__Added *)message->message)->d;
	check_order(reception, message);
}

static void on_undecodable(const struct evchan_message *raw,
		const ProtobufCMessageDescriptor *type, int error, size_t offset,
		const char *text, void *arg)
{
	struct reception *reception = arg;

	(void)raw;
	(void)type;
	(void)offset;
	CHECK_EQUAL(error, -EPROTOTYPE);
	reception->refused++;
	strncpy(reception->text, text, sizeof(reception->text) - 1);
}

static void dispatch(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct reception *reception = receiver->arg;

	if (heard == HEARD_MESSAGE)
		(void)evchan_proto_dispatch(reception->receiving, message);
	if (heard == HEARD_LEFT) {
		evchan_proto_left(reception->receiving, lane);
		reception->left++;
	}
}

static bool is_over(const struct reception *reception)
{
	return reception->decoded + reception->refused >= reception->goal ||
			(reception->final && reception->last == reception->final) ||
			(reception->last_lane && reception->left == reception->last_lane);
}

/* Receives until it is over, and tells. */
static void receive(void *arg)
{
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;
	struct reception *reception = arg;
	struct test_receiver receiver = { .act = dispatch, .arg = reception };
	struct evchan_proto_types *types;
	struct stage stage;

	stage_open(&stage, NULL);
	callbacks.undecodable = on_undecodable;
	CHECK_EQUAL(evchan_proto_types_new(&types), 0);
	CHECK_EQUAL(evchan_proto_types_add(types, reception->type, NUMBER), 0);
	CHECK_EQUAL(evchan_proto_receiver_new(&reception->receiving, types, NULL,
				    &callbacks, reception),
			0);
	CHECK_EQUAL(evchan_proto_on(reception->receiving, reception->type, on_message,
				    reception),
			0);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, is_over(reception));
	scene_open_gate(reception->reached);
	test_receiver_free(&receiver);
	evchan_proto_receiver_free(reception->receiving);
	evchan_proto_types_free(types);
	stage_close(&stage);
}

static struct reception *plan_reception(
		const ProtobufCMessageDescriptor *type, unsigned goal)
{
	struct reception *reception = scene_share(sizeof(*reception));

	reception->type = type;
	reception->goal = goal;
	reception->reached = scene_gate();
	return reception;
}

/* ---- Sending ------------------------------------------------------------------------------ */

struct sending {
	struct stage stage;
	struct test_sender sender;
	struct evchan_proto_types *types;
	struct evchan_proto_sender *typed;
};

static void open_sending(struct sending *sending, const ProtobufCMessageDescriptor *type,
		const char *label)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(sending, 0, sizeof(*sending));
	options.flags = EVCHAN_SENDER_WAIT;
	options.label = label;
	options.reconnect_min_ms = options.reconnect_max_ms = 1;
	stage_open(&sending->stage, NULL);
	test_sender_open(&sending->sender, &sending->stage, scene_address(), &options);
	CHECK_EQUAL(evchan_proto_types_new(&sending->types), 0);
	CHECK_EQUAL(evchan_proto_types_add(sending->types, type, NUMBER), 0);
	CHECK_EQUAL(evchan_proto_sender_new(&sending->typed, sending->sender.sender,
				    sending->types),
			0);
}

static void close_sending(struct sending *sending)
{
	evchan_proto_sender_free(sending->typed);
	test_sender_free(&sending->sender);
	evchan_proto_types_free(sending->types);
	stage_close(&sending->stage);
}

static void send_plain(struct sending *sending, int32_t number)
{
	Evchan__Evolution__Plain plain = EVCHAN__EVOLUTION__PLAIN__INIT;
	int r;

	plain.has_a = 1;
	plain.a = number;
	plain.b = (char[]){ "some text to go with it" };
	while ((r = evchan_proto_send(sending->typed, &plain.base, 0)) == -EAGAIN)
		stage_turn(&sending->stage);
	CHECK_EQUAL(r, 0);
}

/* Until what was sent has been received, so that the sender may go. */
static void drain(struct sending *sending)
{
	unsigned before = sending->sender.calls[TOLD_DRAINED];

	CHECK_EQUAL(evchan_sender_notify_drained(sending->sender.sender), 0);
	STAGE_UNTIL(&sending->stage, sending->sender.calls[TOLD_DRAINED] > before);
}

/* Until a receiver has ended. */
static void await_end(
		struct sending *sending, struct reception *reception, pid_t receiver)
{
	stage_pass_gate(&sending->stage, reception->reached);
	scene_join(receiver);
}

/* ---- Several senders -------------------------------------------------------------------------- */

#define SENDERS 3
#define PER_SENDER 2000u

static void send_many(void *arg)
{
	struct sending sending;
	unsigned count = scene_scaled(PER_SENDER);

	open_sending(&sending, &evchan__evolution__plain__descriptor, arg);
	for (unsigned i = 0; i < count; i++)
		send_plain(&sending, (int32_t)i);
	drain(&sending);
	close_sending(&sending);
}

/* Each sender's records arrive whole and in order. */
static void records_of_several_processes_arrive(void **state)
{
	static char labels[SENDERS][2] = { "0", "1", "2" };
	unsigned goal = SENDERS * scene_scaled(PER_SENDER);
	struct reception *reception =
			plan_reception(&evchan__evolution__plain__descriptor, goal);
	pid_t senders[SENDERS], receiver;

	(void)state;
	receiver = scene_start(receive, reception);
	for (unsigned i = 0; i < SENDERS; i++)
		senders[i] = scene_start(send_many, labels[i]);
	for (unsigned i = 0; i < SENDERS; i++)
		scene_join(senders[i]);
	scene_join(receiver);
	assert_int_equal(reception->decoded, goal);
	assert_int_equal(reception->refused, 0);
}

/* ---- Receivers that come again ------------------------------------------------------------------ */

/* Starts a receiver of this type, which must take the messages from `first` on. */
static struct reception *receive_next(struct sending *sending,
		const ProtobufCMessageDescriptor *type, int32_t first, unsigned count,
		pid_t *process)
{
	struct reception *reception = plan_reception(type, count);
	unsigned connected = sending->sender.calls[TOLD_CONNECTED];

	*process = scene_start(receive, reception);
	STAGE_UNTIL(&sending->stage, sending->sender.calls[TOLD_CONNECTED] > connected);
	for (unsigned i = 0; i < count; i++)
		send_plain(sending, first + (int32_t)i);
	stage_pass_gate(&sending->stage, reception->reached);
	return reception;
}

/* What a sender has told of its types once, every later receiver finds out, too. */
static void verdict_is_found_again(void **state)
{
	struct sending sending;
	struct reception *reception;
	pid_t process;

	(void)state;
	open_sending(&sending, &evchan__evolution__plain__descriptor, NULL);
	reception = receive_next(
			&sending, &evchan__evolution__plain__descriptor, 1, 5, &process);
	scene_join(process);
	assert_int_equal(reception->decoded, 5);
	assert_int_equal(reception->last, 5);
	/* Of another version, which does not fit: the note about the type is in the ring since its first message. */
	reception = receive_next(&sending, &evchan__evolution__requires__descriptor, 6, 3,
			&process);
	scene_join(process);
	assert_int_equal(reception->decoded, 0);
	assert_int_equal(reception->refused, 3);
	assert_non_null(strstr(reception->text,
			"Requires.must (9) is required here and unknown there"));
	/* And one that fits again. */
	reception = receive_next(
			&sending, &evchan__evolution__plain__descriptor, 9, 2, &process);
	scene_join(process);
	assert_int_equal(reception->decoded, 2);
	assert_int_equal(reception->last, 10);
	close_sending(&sending);
}

/* A receiver that is killed loses nothing: the next one goes on. */
static void killed_receiver_is_replaced(void **state)
{
	struct reception *first =
			plan_reception(&evchan__evolution__plain__descriptor, UINT32_MAX);
	struct reception *second =
			plan_reception(&evchan__evolution__plain__descriptor, UINT32_MAX);
	volatile unsigned *decoded = &first->decoded;
	struct sending sending;
	int32_t number = 0;
	pid_t process;

	(void)state;
	open_sending(&sending, &evchan__evolution__plain__descriptor, NULL);
	process = scene_start(receive, first);
	while (*decoded < 50)
		send_plain(&sending, ++number);
	scene_kill(process);
	send_plain(&sending, ++number);
	second->final = number;
	process = scene_start(receive, second);
	await_end(&sending, second, process);
	/* What it had not given back when it was killed came twice. */
	assert_in_range(first->decoded + second->decoded, (unsigned)number,
			(unsigned)number + 300);
	assert_int_equal(second->refused, 0);
	close_sending(&sending);
}

/* ---- Versions --------------------------------------------------------------------------------------- */

static void send_some(struct sending *sending, const ProtobufCMessage *message)
{
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQUAL(evchan_proto_send(sending->typed, message, 0), 0);
	drain(sending);
}

/* A newer receiver sees the default of what an older sender does not know. */
static void older_sender_is_understood(void **state)
{
	struct reception *reception =
			plan_reception(&evchan__evolution__added__descriptor, 3);
	Evchan__Evolution__Plain plain = EVCHAN__EVOLUTION__PLAIN__INIT;
	struct sending sending;
	pid_t process;

	(void)state;
	plain.has_a = 1;
	plain.a = 12;
	process = scene_start(receive, reception);
	open_sending(&sending, &evchan__evolution__plain__descriptor, NULL);
	send_some(&sending, &plain.base);
	await_end(&sending, reception, process);
	close_sending(&sending);
	assert_int_equal(reception->decoded, 3);
	assert_int_equal(reception->last, 12);
	assert_int_equal(reception->added, 44);
}

/* An older receiver keeps what it does not know as an unknown field. */
static void newer_sender_is_understood(void **state)
{
	struct reception *reception =
			plan_reception(&evchan__evolution__plain__descriptor, 3);
	Evchan__Evolution__Added added = EVCHAN__EVOLUTION__ADDED__INIT;
	struct sending sending;
	pid_t process;

	(void)state;
	added.has_a = added.has_d = 1;
	added.a = 13;
	added.d = 5;
	process = scene_start(receive, reception);
	open_sending(&sending, &evchan__evolution__added__descriptor, NULL);
	send_some(&sending, &added.base);
	await_end(&sending, reception, process);
	close_sending(&sending);
	assert_int_equal(reception->decoded, 3);
	assert_int_equal(reception->last, 13);
	assert_int_equal(reception->unknown_fields, 1);
}

/* ---- Senders that die ----------------------------------------------------------------------------------- */

/* Sends two, begins a third, and dies. */
static void die_while_writing(void *arg)
{
	struct evchan_proto_writer writer;
	struct evchan_span span;
	struct sending sending;

	(void)arg;
	open_sending(&sending, &evchan__evolution__plain__descriptor, NULL);
	STAGE_UNTIL(&sending.stage, sending.sender.calls[TOLD_CONNECTED]);
	send_plain(&sending, 1);
	send_plain(&sending, 2);
	CHECK_EQUAL(evchan_proto_writer_begin(&writer, sending.typed,
				    &evchan__evolution__plain__descriptor, 100),
			0);
	CHECK_EQUAL(evchan_proto_writer_open(&span, &writer, 2, 50, 8), 0);
	memset(span.data, 'x', 50);
	kill(getpid(), SIGKILL);
}

/* What it had published arrives, what it was writing does not. */
static void dead_sender_leaves_whole_messages(void **state)
{
	struct reception *reception =
			plan_reception(&evchan__evolution__plain__descriptor, UINT32_MAX);
	pid_t receiver, sender;

	(void)state;
	reception->last_lane = 1;
	receiver = scene_start(receive, reception);
	sender = scene_start(die_while_writing, NULL);
	assert_int_equal(scene_wait(sender), -SIGKILL);
	scene_join(receiver);
	assert_int_equal(reception->decoded, 2);
	assert_int_equal(reception->last, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(records_of_several_processes_arrive),
		SCENE_TEST(verdict_is_found_again),
		SCENE_TEST(killed_receiver_is_replaced),
		SCENE_TEST(older_sender_is_understood),
		SCENE_TEST(newer_sender_is_understood),
		SCENE_TEST(dead_sender_leaves_whole_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
