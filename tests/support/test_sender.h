/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_TEST_SENDER_H
#define EVCHAN_TESTS_TEST_SENDER_H

/*
 * A sender that notes everything it is told, and can be made to do something in each
 * callback.
 */

#include "stage.h"

enum told {
	TOLD_CONNECTED,
	TOLD_WRITABLE,
	TOLD_DRAINED,
	TOLD_DISCONNECTED,
	TOLD_REFUSED,
	TOLD_KINDS,
};

/* All zero but for what `act` needs before it is opened. */
struct test_sender {
	struct evchan_sender *sender; /* NULL: freed, and nothing may be told */
	unsigned calls[TOLD_KINDS];
	int resumed;          /* of the last `connected` */
	int disconnect_error; /* of the last `disconnected` */
	int refusal;          /* of the last `refused`: its error, */
	int is_final;         /* whether it was the last word, */
	char text[512];       /* and why */
	/* Called at the end of each callback, unless NULL. */
	void (*act)(struct test_sender *test, enum told told);
	void *arg; /* for `act` */
};

/* `stage` NULL: a sender without a loop. try: 0 or the error of evchan_sender_new(). */
void test_sender_open(struct test_sender *test, struct stage *stage, const char *address,
		const struct evchan_sender_options *options);
int test_sender_try(struct test_sender *test, struct stage *stage, const char *address,
		const struct evchan_sender_options *options);
/* Any number of times. */
void test_sender_free(struct test_sender *test);

/* Sends messages of `size` zero bytes until one is refused for want of room. Returns
 * how many were not. */
unsigned test_sender_fill(struct test_sender *test, size_t size);

/* Bytes of the ring that are not released yet. */
uint64_t test_sender_unconsumed(struct test_sender *test);

#endif
