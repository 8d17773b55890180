/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_TEST_OBSERVER_H
#define EVCHAN_TESTS_TEST_OBSERVER_H

/*
 * An observer that notes everything it is told, and can be made to do something in each
 * callback.
 */

#include <evchan/observe.h>

#include "stage.h"

enum shown {
	SHOWN_LANE,
	SHOWN_SNAPSHOT,
	SHOWN_ENDED,
	SHOWN_KINDS,
};

/* All zero but for what `act` needs before it is opened. */
struct test_observer {
	struct evchan_observer *observer; /* NULL: freed, and nothing may be told */
	unsigned calls[SHOWN_KINDS];
	unsigned lanes; /* of the snapshot under way, or of the last one */
	/* of the last lane */
	struct evchan_observed_lane lane;
	struct evchan_lane_stats stats;
	char label[64];
	struct evchan_receiver_stats totals; /* of the last snapshot */
	int error;                           /* of the end, and why */
	char text[512];
	/* Called at the end of each callback, unless NULL. */
	void (*act)(struct test_observer *test, enum shown shown);
	void *arg; /* for `act` */
};

/* try: 0 or the error of evchan_observer_new(). */
void test_observer_open(
		struct test_observer *test, struct stage *stage, const char *address);
int test_observer_try(
		struct test_observer *test, struct stage *stage, const char *address);
/* Any number of times. */
void test_observer_free(struct test_observer *test);

/* Asks, and waits for the whole snapshot. */
void test_observer_look(struct test_observer *test, struct stage *stage);

#endif
