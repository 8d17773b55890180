/* SPDX-License-Identifier: MIT */
/*
 * P8 between users, for observers: who may not send may not look either, and of other
 * users' lanes nobody but the receiver's user and root is told. Needs root, to become somebody else.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "available.h"
#include "company.h"
#include "scene.h"
#include "test_observer.h"

#define NOBODY 65534u /* a user that is not this one */

/* What an observer of another user meets. */
struct visitor {
	int refusal;   /* 0: it is welcome, */
	unsigned sees; /* and sees so many lanes */
	bool sends;    /* it has a lane of its own */
};

static void visit(void *arg)
{
	const struct visitor *visitor = arg;
	struct test_observer observer = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	scene_become(NOBODY);
	stage_open(&stage, NULL);
	if (visitor->sends) {
		test_sender_open(&sender, &stage, scene_address(), NULL);
		STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	}
	test_observer_open(&observer, &stage, scene_address());
	if (visitor->refusal) {
		STAGE_UNTIL(&stage, observer.calls[SHOWN_ENDED]);
		CHECK_EQUAL(observer.error, visitor->refusal);
	} else {
		test_observer_look(&observer, &stage);
		CHECK_EQUAL(observer.lanes, visitor->sees);
		CHECK_EQUAL(observer.totals.lanes, 1 + visitor->sees);
		if (visitor->sees)
			CHECK_EQUAL(observer.lane.peer.uid, NOBODY);
	}
	test_observer_free(&observer);
	test_sender_free(&sender);
	stage_close(&stage);
}

static void check_visitor(
		const struct evchan_receiver_options *options, struct visitor visitor)
{
	struct company company = { 0 };
	char culprit[32];
	pid_t process;

	if (geteuid() != 0) {
		print_message("only root can become another user\n");
		skip();
	}
	company_open(&company, NULL, options);
	process = scene_start(visit, &visitor);
	stage_join(&company.stage, process);
	if (visitor.refusal) {
		CHECK_EQUAL(company.receiver.error, visitor.refusal);
		snprintf(culprit, sizeof(culprit), "pid %ld uid %u", (long)process,
				NOBODY);
		CHECK(strstr(company.receiver.text, culprit));
	}
	company_check(&company);
	company_close(&company);
}

static void who_may_not_send_may_not_look(void **state)
{
	(void)state;
	check_visitor(NULL, (struct visitor){ .refusal = -EACCES });
}

static void others_lanes_are_not_told(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	options.flags = EVCHAN_RECEIVER_ANY_UID;
	check_visitor(&options, (struct visitor){ .sees = 0 });
}

static void own_lanes_are_told(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	(void)state;
	if (!has_seals()) {
		print_message("without seals, users share no memory\n");
		skip();
	}
	options.flags = EVCHAN_RECEIVER_ANY_UID;
	check_visitor(&options, (struct visitor){ .sees = 1, .sends = true });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(who_may_not_send_may_not_look),
		SCENE_TEST(others_lanes_are_not_told),
		SCENE_TEST(own_lanes_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
