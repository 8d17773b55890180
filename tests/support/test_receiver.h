/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_TEST_RECEIVER_H
#define EVCHAN_TESTS_TEST_RECEIVER_H

/*
 * A receiver that notes everything it hears, and can be made to do something in each
 * callback.
 */

#include <stdbool.h>

#include "stage.h"

enum heard {
	HEARD_MESSAGE,
	HEARD_JOINED,
	HEARD_HUNG_UP,
	HEARD_LEFT,
	HEARD_ERROR,
	HEARD_AUTHORIZE,
	HEARD_SHUT_DOWN,
	HEARD_KINDS,
};

/* All zero but for what `act` needs before it is opened. */
struct test_receiver {
	struct evchan_receiver *receiver; /* NULL: freed, and nothing may be heard */
	unsigned calls[HEARD_KINDS];
	/* of the last call that had one */
	struct evchan_lane *lane;
	struct evchan_peer peer;
	enum evchan_left_reason hung_up_reason;
	enum evchan_left_reason left_reason;
	int error;
	char text[512];
	/* What `authorize` answers; it is only asked if `asks` was set before opening. */
	bool asks;
	int answer;
	struct evchan_peer asking; /* who was last asked about */
	/* Called at the end of each callback, unless NULL; lane and message may be
	 * NULL. */
	void (*act)(struct test_receiver *test, enum heard heard,
			struct evchan_lane *lane, const struct evchan_message *message);
	void *arg; /* for `act` */
};

/* `stage` NULL: a receiver without a loop. try: 0 or the error of
 * evchan_receiver_new(). */
void test_receiver_open(struct test_receiver *test, struct stage *stage,
		const char *address, const struct evchan_receiver_options *options);
int test_receiver_try(struct test_receiver *test, struct stage *stage,
		const char *address, const struct evchan_receiver_options *options);
/* Any number of times. */
void test_receiver_free(struct test_receiver *test);

#endif
