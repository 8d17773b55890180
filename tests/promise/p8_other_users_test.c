/* SPDX-License-Identifier: MIT */
/*
 * P8 between users: who may send to whom, as the kernel says who they are. Needs root, to
 * become somebody else.
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
#include "available.h"
#include "scene.h"
#include "sender.h"

#define NOBODY 65534u /* a user that is not this one */

/* ---- Other users --------------------------------------------------------- */

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
	CHECK_EQUAL(test_sender_try(&sender, &stage, visitor->address, &options),
			visitor->error);
	if (visitor->error == 0) {
		STAGE_UNTIL(&stage,
				sender.calls[TOLD_REFUSED] ||
						sender.calls[TOLD_CONNECTED]);
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

static void need_seals(void)
{
	if (!has_seals()) {
		print_message("without seals, users share no memory\n");
		skip();
	}
}

/* A visitor of scene_address() under these options; what becomes of it is `refusal`. */
static void check_visitor(const struct evchan_receiver_options *options, uint32_t flags,
		int refusal)
{
	struct visitor visitor = { scene_address(), flags, 0, refusal };
	struct company company = { 0 };
	char culprit[32];
	pid_t process;

	need_other_users();
	/* Memory that is not sealed is taken from the own user only. */
	if (!refusal && !has_seals())
		visitor.refusal = refusal = -EPERM;
	company_open(&company, NULL, options);
	process = scene_start(visit, &visitor);
	stage_join(&company.stage, process);
	if (refusal) {
		CHECK_EQUAL(company.receiver.error, refusal);
		snprintf(culprit, sizeof(culprit), "pid %ld uid %u", (long)process,
				NOBODY);
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

/* ---- Bells --------------------------------------------------------------- */

/* Asks for a pipe. The bell it gets instead is its exit status. */
static void ask_for_a_pipe(void *arg)
{
	const uid_t *uid = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	struct stage stage;
	int bell;

	if (*uid)
		scene_become(*uid);
	stage_open(&stage, NULL);
	options.bell = EVCHAN_BELL_PIPE;
	test_sender_open(&sender, &stage, scene_address(), &options);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	bell = (int)sender.sender->bell;
	test_sender_free(&sender);
	stage_close(&stage);
	if (bell != BELL_PIPE)
		_exit(10 + bell);
}

static int bell_instead_of_a_pipe(uid_t uid)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct stage stage;
	pid_t process;

	stage_open(&stage, "poll");
	options.flags = EVCHAN_RECEIVER_ANY_UID;
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	process = scene_start(ask_for_a_pipe, &uid);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	test_receiver_free(&receiver);
	stage_close(&stage);
	return scene_wait(process);
}

/* A pipe, whose writer can make its reader wait, is made for the own user's senders only,
 * whatever the loop can. */
static void senders_pipe_is_for_the_own_user(void **state)
{
	(void)state;
	need_other_users();
	CHECK_EQUAL(bell_instead_of_a_pipe(0), 0);
	need_seals();
	CHECK_EQUAL(bell_instead_of_a_pipe(NOBODY),
			10 + (has_eventfd_for(false) ? BELL_EVENTFD : BELL_SOCKET));
}

/* ---- Memory -------------------------------------------------------------- */

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

/* ---- Receivers of other users -------------------------------------------- */

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

/* A ring is handed to nobody but the own user and root, unless others are named: an
 * impostor who takes the address sees neither ring nor hello. */
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
	need_seals();
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
		SCENE_TEST(other_users_are_refused),
		SCENE_TEST(listed_users_are_let_in),
		SCENE_TEST(listed_groups_are_let_in),
		SCENE_TEST(anybody_is_let_in_if_asked_for),
		SCENE_TEST(senders_pipe_is_for_the_own_user),
		SCENE_TEST(lazy_rings_of_other_users_are_refused),
		SCENE_TEST(lazy_rings_are_let_in_if_asked_for),
		SCENE_TEST(path_is_closed_to_other_users),
		SCENE_TEST(permissions_alone_let_nobody_in),
		SCENE_TEST(rings_are_not_handed_to_other_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
