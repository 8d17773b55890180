/* SPDX-License-Identifier: MIT */
/*
 * P8, policy and limits: honest senders that may not join are refused with a reason that
 * reaches both sides; for want of room they are let in when there is some, for who they
 * are never. A neighbour in full flow notices nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "company.h"
#include "hostile_peer.h"
#include "scene.h"

#define NEIGHBOUR_CAPACITY 65536u /* see stream_start_endless() */
#define CAPACITY 65536u

/* ---- Want of room -------------------------------------------------------- */

static struct evchan_sender_options patient_options(void)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.capacity = CAPACITY;
	options.reconnect_min_ms = 1;
	options.reconnect_max_ms = 10;
	return options;
}

/* The first of two senders gets in; the second is refused with `error` until the first
 * is gone. */
static void check_second_waits(const struct evchan_receiver_options *options, int error)
{
	const struct evchan_sender_options patient = patient_options();
	struct test_sender first = { 0 }, second = { 0 };
	struct company company = { 0 };

	company_open(&company, NULL, options);
	test_sender_open(&first, &company.stage, scene_address(), &patient);
	STAGE_UNTIL(&company.stage, first.calls[TOLD_CONNECTED]);
	test_sender_open(&second, &company.stage, scene_address(), &patient);
	CHECK_EQUAL(evchan_send(second.sender, 0, "sent meanwhile", 14, 0), 0);
	STAGE_UNTIL(&company.stage, second.calls[TOLD_REFUSED] > 2);
	CHECK_EQUAL(second.refusal, error);
	CHECK(!second.is_final && *second.text);
	CHECK_EQUAL(company.receiver.error, error);
	CHECK_EQUAL(company.joined, 1);
	company_check(&company);
	test_sender_free(&first);
	STAGE_UNTIL(&company.stage, company.messages && second.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(second.resumed, 0);
	test_sender_free(&second);
	company_close(&company);
}

/* Too many senders. */
static void too_many_senders_are_refused(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.max_senders = 2;
	check_second_waits(&options, -EUSERS);
}

/* Too many of one user. */
static void too_many_senders_of_a_user_are_refused(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.max_senders_per_uid = 2;
	check_second_waits(&options, -EUSERS);
}

/* Too much memory. */
static void too_much_memory_is_refused(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.max_total_bytes = NEIGHBOUR_CAPACITY + CAPACITY + CAPACITY / 2;
	check_second_waits(&options, -ENOBUFS);
}

/* Too much of one user. */
static void too_much_memory_of_a_user_is_refused(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.max_uid_bytes = NEIGHBOUR_CAPACITY + CAPACITY + CAPACITY / 2;
	check_second_waits(&options, -EDQUOT);
}

/* Connections that say nothing take up no more than their share, and keep nobody out: the oldest gives way to whoever
 * comes, and the others end by themselves. */
static void silent_connections_are_limited(void **state)
{
	const struct evchan_sender_options patient = patient_options();
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct hostile_peer peers[100];
	struct test_sender sender = { 0 };
	struct company company = { 0 };
	struct control_refused refused;

	(void)state;
	options.hello_timeout_ms = 500 * scene_slowdown();
	company_open(&company, NULL, &options);
	for (int i = 0; i < 100; i++) {
		peers[i] = (struct hostile_peer)HOSTILE_PEER_NONE;
		hostile_connect(&peers[i], scene_address());
	}
	/* Behind all of them in the queue. */
	test_sender_open(&sender, &company.stage, scene_address(), &patient);
	STAGE_UNTIL(&company.stage, sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(sender.calls[TOLD_REFUSED], 0);
	CHECK_EQUAL(hostile_hear(&peers[0], &company.stage, &refused), CONTROL_REFUSED);
	CHECK_EQUAL(refused.refusal, CONTROL_REFUSE_UID_SENDERS);
	CHECK(!refused.final);
	company_check(&company);
	CHECK_EQUAL(hostile_hear(&peers[99], &company.stage, &refused), CONTROL_REFUSED);
	CHECK_EQUAL(refused.refusal, CONTROL_REFUSE_TIMEOUT);
	test_sender_free(&sender);
	for (int i = 0; i < 100; i++)
		hostile_close(&peers[i]);
	company_close(&company);
}

/* ---- For good ------------------------------------------------------------ */

/* A sender is refused for good, with this error; its sends fail from then on. */
static void check_refused_for_good(struct company *company,
		const struct evchan_sender_options *options, int error)
{
	struct test_sender sender = { 0 };

	test_sender_open(&sender, &company->stage, scene_address(), options);
	CHECK_EQUAL(evchan_send(sender.sender, 0, "too early to know", 17, 0), 0);
	STAGE_UNTIL(&company->stage, sender.calls[TOLD_REFUSED]);
	CHECK_EQUAL(sender.refusal, error);
	CHECK(sender.is_final && *sender.text);
	CHECK_EQUAL(company->receiver.error, error);
	CHECK_EQUAL(company->joined, 0);
	CHECK_EQUAL(evchan_send(sender.sender, 0, NULL, 0, 0), -EPIPE);
	CHECK_EQUAL(evchan_sender_notify_drained(sender.sender), -EPIPE);
	stage_look(&company->stage, 20);
	CHECK_EQUAL(sender.calls[TOLD_REFUSED], 1);
	CHECK_EQUAL(test_sender_unconsumed(&sender), 32);
	company_check(company);
	test_sender_free(&sender);
}

/* A ring larger than this receiver takes. */
static void too_large_a_ring_is_refused(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_sender_options large = EVCHAN_SENDER_OPTIONS_INIT;
	struct company company = { 0 };

	(void)state;
	options.max_lane_bytes = NEIGHBOUR_CAPACITY;
	large.capacity = 2 * NEIGHBOUR_CAPACITY;
	company_open(&company, NULL, &options);
	check_refused_for_good(&company, &large, -EFBIG);
	company_close(&company);
}

/* Whom the application does not want. It is shown who asks. */
static void application_may_refuse(void **state)
{
	struct company company = { .receiver.asks = true };

	(void)state;
	company_open(&company, NULL, NULL);
	company.receiver.answer = -EPERM;
	check_refused_for_good(&company, NULL, -EACCES);
	CHECK_EQUAL(company.receiver.calls[HEARD_AUTHORIZE], 2);
	CHECK_EQUAL(company.receiver.asking.pid, getpid());
	CHECK_EQUAL(company.receiver.asking.uid, geteuid());
	CHECK_EQUAL(company.receiver.asking.gid, getegid());
	company_close(&company);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(too_many_senders_are_refused),
		SCENE_TEST(too_many_senders_of_a_user_are_refused),
		SCENE_TEST(too_much_memory_is_refused),
		SCENE_TEST(too_much_memory_of_a_user_is_refused),
		SCENE_TEST(silent_connections_are_limited),
		SCENE_TEST(too_large_a_ring_is_refused),
		SCENE_TEST(application_may_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
