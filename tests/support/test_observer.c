/* SPDX-License-Identifier: MIT */
/* Each callback checks that its observer has not been freed, and acts last. */

#include "test_observer.h"

#include <stdio.h>
#include <string.h>

static void shown(struct evchan_observer *observer, struct test_observer *test,
		enum shown what)
{
	CHECK(observer && observer == test->observer);
	test->calls[what]++;
	if (test->act)
		test->act(test, what);
}

static void show_lane(struct evchan_observer *observer,
		const struct evchan_observed_lane *lane, void *arg)
{
	struct test_observer *test = arg;

	CHECK(strlen(lane->label) < sizeof(test->label));
	memcpy(&test->lane, lane, sizeof(test->lane));
	test->stats = *lane->stats;
	strcpy(test->label, lane->label);
	test->lanes++;
	shown(observer, test, SHOWN_LANE);
}

static void show_snapshot(struct evchan_observer *observer,
		const struct evchan_receiver_stats *totals, void *arg)
{
	struct test_observer *test = arg;

	test->totals = *totals;
	shown(observer, test, SHOWN_SNAPSHOT);
}

static void show_end(
		struct evchan_observer *observer, int error, const char *text, void *arg)
{
	struct test_observer *test = arg;

	test->error = error;
	snprintf(test->text, sizeof(test->text), "%s", text);
	shown(observer, test, SHOWN_ENDED);
}

int test_observer_try(
		struct test_observer *test, struct stage *stage, const char *address)
{
	struct evchan_observer_callbacks callbacks = EVCHAN_OBSERVER_CALLBACKS_INIT;

	callbacks.lane = show_lane;
	callbacks.snapshot = show_snapshot;
	callbacks.ended = show_end;
	return evchan_observer_new(
			&test->observer, stage->loop, address, &callbacks, test);
}

void test_observer_open(
		struct test_observer *test, struct stage *stage, const char *address)
{
	CHECK_EQUAL(test_observer_try(test, stage, address), 0);
}

void test_observer_free(struct test_observer *test)
{
	struct evchan_observer *observer = test->observer;

	test->observer = NULL;
	evchan_observer_free(observer);
}

void test_observer_look(struct test_observer *test, struct stage *stage)
{
	unsigned before = test->calls[SHOWN_SNAPSHOT];

	test->lanes = 0;
	CHECK_EQUAL(evchan_observer_ask(test->observer), 0);
	STAGE_UNTIL(stage, test->calls[SHOWN_SNAPSHOT] > before);
}
