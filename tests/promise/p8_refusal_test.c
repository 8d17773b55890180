/* SPDX-License-Identifier: MIT */
/*
 * P8, policy and limits: honest senders that may not join are refused with a reason that reaches both
 * sides; for want of room they are let in when there is some, for who they are never. A neighbour in
 * full flow notices nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "company.h"
#include "hostile_peer.h"
#include "scene.h"

#define NEIGHBOUR_CAPACITY 65536u /* see stream_start_endless() */
#define CAPACITY 65536u
#define NOBODY 65534u /* a user that is not this one */

/* ---- Want of room ------------------------------------------------------------------- */

static struct evchan_sender_options patient_options(void)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.capacity = CAPACITY;
	options.reconnect_min_ms = 1;
	options.reconnect_max_ms = 10;
	return options;
}

/* The first of two senders gets in; the second is refused with `error` until the first is gone. */
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

/* Connections that say nothing take up no more than their share, and end by themselves; who comes
 * later gets in when they have. */
static void silent_connections_are_limited(void **state)
{
	const struct evchan_sender_options patient = patient_options();
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct hostile_peer peers[100];
	struct test_sender sender = { 0 };
	struct company company = { 0 };
	struct control_refused refused;

	(void)state;
	options.hello_timeout_ms = 100;
	company_open(&company, NULL, &options);
	for (int i = 0; i < 100; i++) {
		peers[i] = (struct hostile_peer)HOSTILE_PEER_NONE;
		hostile_connect(&peers[i], scene_address());
	}
	CHECK_EQUAL(hostile_hear(&peers[99], &company.stage, &refused), CONTROL_REFUSED);
	CHECK_EQUAL(refused.refusal, CONTROL_REFUSE_UID_SENDERS);
	CHECK(!refused.final);
	test_sender_open(&sender, &company.stage, scene_address(), &patient);
	company_check(&company);
	STAGE_UNTIL(&company.stage, sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(hostile_hear(&peers[0], &company.stage, &refused), CONTROL_REFUSED);
	CHECK_EQUAL(refused.refusal, CONTROL_REFUSE_TIMEOUT);
	test_sender_free(&sender);
	for (int i = 0; i < 100; i++)
		hostile_close(&peers[i]);
	company_close(&company);
}

/* ---- For good ------------------------------------------------------------------------ */

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

/* ---- Other users ------------------------------------------------------------------------ */

/* What a process of another user meets. */
struct visitor {
	const char *address;
	uint32_t flags; /* enum evchan_sender_flags */
	int error;      /* of evchan_sender_new() */
	int refusal;    /* 0: it is welcome */
};

static void visit(void *arg)
{
	struct visitor *visitor = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	struct stage stage;

	scene_become(NOBODY);
	stage_open(&stage, NULL);
	options.flags = visitor->flags;
	CHECK_EQUAL(test_sender_try(&sender, &stage, visitor->address, &options), visitor->error);
	if (visitor->error == 0) {
		STAGE_UNTIL(&stage, sender.calls[TOLD_REFUSED] || sender.calls[TOLD_CONNECTED]);
		CHECK_EQUAL(sender.calls[TOLD_CONNECTED], visitor->refusal == 0);
		CHECK_EQUAL(sender.refusal, visitor->refusal);
		CHECK_EQUAL(sender.is_final, visitor->refusal != 0);
	}
	if (visitor->error == 0 && visitor->refusal == 0)
		CHECK_EQUAL(evchan_send(sender.sender, 0, "from afar", 9, 0), 0);
	test_sender_free(&sender);
	stage_close(&stage);
}

static void need_other_users(void)
{
	if (geteuid() != 0) {
		print_message("only root can become another user\n");
		skip();
	}
}

/* A visitor of scene_address() under these options; what becomes of it is `refusal`. */
static void check_visitor(const struct evchan_receiver_options *options, uint32_t flags, int refusal)
{
	struct visitor visitor = { scene_address(), flags, 0, refusal };
	struct company company = { 0 };
	char culprit[32];
	pid_t process;

	need_other_users();
	company_open(&company, NULL, options);
	process = scene_start(visit, &visitor);
	stage_join(&company.stage, process);
	if (refusal) {
		CHECK_EQUAL(company.receiver.error, refusal);
		snprintf(culprit, sizeof(culprit), "pid %ld uid %u", (long)process, NOBODY);
		CHECK(strstr(company.receiver.text, culprit));
	} else {
		STAGE_UNTIL(&company.stage, company.left);
		CHECK_EQUAL(company.messages, 1);
		CHECK_EQUAL(company.reason, EVCHAN_LEFT_CLOSED);
		CHECK_EQUAL(company.receiver.calls[HEARD_ERROR], 0);
	}
	company_close(&company);
}

/* Nobody but the receiver's own user is let in unless it says so. */
static void other_users_are_refused(void **state)
{
	(void)state;
	check_visitor(NULL, 0, -EACCES);
}

/* Users on the list are let in. */
static void listed_users_are_let_in(void **state)
{
	static const uid_t uids[] = { 0, NOBODY };
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.allow_uids = uids;
	options.allow_uid_count = 2;
	check_visitor(&options, 0, 0);
}

/* So are members of groups on the list, ... */
static void listed_groups_are_let_in(void **state)
{
	static const gid_t gids[] = { NOBODY };
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.allow_gids = gids;
	options.allow_gid_count = 1;
	check_visitor(&options, 0, 0);
}

/* ... and anybody, if anybody may. */
static void anybody_is_let_in_if_asked_for(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.flags = EVCHAN_RECEIVER_ANY_UID;
	check_visitor(&options, 0, 0);
}

/* Memory of others that is not allocated is refused, ... */
static void lazy_rings_of_other_users_are_refused(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.flags = EVCHAN_RECEIVER_ANY_UID;
	check_visitor(&options, EVCHAN_SENDER_LAZY, -EPERM);
}

/* ... unless the receiver does not mind. */
static void lazy_rings_are_let_in_if_asked_for(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.flags = EVCHAN_RECEIVER_ANY_UID | EVCHAN_RECEIVER_ALLOW_LAZY;
	check_visitor(&options, EVCHAN_SENDER_LAZY, 0);
}

/* A visitor of a path whose socket has these permissions. */
static void check_path(uint32_t mode, int error, int refusal)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct visitor visitor = { scene_path("socket"), 0, error, refusal };
	struct test_receiver receiver = { 0 };
	struct stage stage;

	need_other_users();
	CHECK_EQUAL(chmod(scene_path("."), 0755), 0);
	stage_open(&stage, NULL);
	options.socket_mode = mode;
	test_receiver_open(&receiver, &stage, visitor.address, &options);
	stage_join(&stage, scene_start(visit, &visitor));
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 0);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A path is closed to other users by its permissions, ... */
static void path_is_closed_to_other_users(void **state)
{
	(void)state;
	check_path(0, -EACCES, 0);
}

/* ... and opening it does not let them in. */
static void permissions_alone_let_nobody_in(void **state)
{
	(void)state;
	check_path(0666, 0, -EACCES);
}

/* ---- Receivers of other users -------------------------------------------------------------- */

struct host {
	int ready;
	int end;
};

/* A receiver of another user, at the same address. */
static void host(void *arg)
{
	struct host *host = arg;
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct stage stage;

	scene_become(NOBODY);
	stage_open(&stage, NULL);
	options.flags = EVCHAN_RECEIVER_ANY_UID;
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	scene_open_gate(host->ready);
	stage_pass_gate(&stage, host->end);
	/* One sender found it trustworthy. */
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == 1);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 1);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void check_distrust(struct stage *stage)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };

	CHECK_EQUAL(test_sender_try(&sender, stage, scene_address(), &options), -EACCES);
	options.flags = EVCHAN_SENDER_WAIT;
	options.reconnect_max_ms = 5;
	test_sender_open(&sender, stage, scene_address(), &options);
	stage_look(stage, 2);
	STAGE_UNTIL(stage, sender.calls[TOLD_REFUSED]);
	CHECK_EQUAL(sender.refusal, -EACCES);
	CHECK_EQUAL(sender.is_final, 0);
	CHECK_EQUAL(sender.calls[TOLD_CONNECTED], 0);
	test_sender_free(&sender);
}

/* A ring is handed to nobody but the own user and root, unless others are named: an impostor who takes
 * the address sees neither ring nor hello. */
static void rings_are_not_handed_to_other_users(void **state)
{
	static const uid_t trusted[] = { NOBODY };
	struct host gates = { scene_gate(), scene_gate() };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	struct stage stage;
	pid_t process;

	(void)state;
	need_other_users();
	process = scene_start(host, &gates);
	scene_pass_gate(gates.ready);
	stage_open(&stage, NULL);
	check_distrust(&stage);
	options.receiver_uids = trusted;
	options.receiver_uid_count = 1;
	test_sender_open(&sender, &stage, scene_address(), &options);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	test_sender_free(&sender);
	scene_open_gate(gates.end);
	scene_join(process);
	stage_close(&stage);
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
		SCENE_TEST(other_users_are_refused),
		SCENE_TEST(listed_users_are_let_in),
		SCENE_TEST(listed_groups_are_let_in),
		SCENE_TEST(anybody_is_let_in_if_asked_for),
		SCENE_TEST(lazy_rings_of_other_users_are_refused),
		SCENE_TEST(lazy_rings_are_let_in_if_asked_for),
		SCENE_TEST(path_is_closed_to_other_users),
		SCENE_TEST(permissions_alone_let_nobody_in),
		SCENE_TEST(rings_are_not_handed_to_other_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
