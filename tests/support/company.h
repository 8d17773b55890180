/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_COMPANY_H
#define EVCHAN_TESTS_COMPANY_H

/*
 * A receiver with one honest sender in full flow, a process of its own, that must never
 * notice what strangers do to the receiver; and notes of what becomes of the strangers.
 */

#include <sys/types.h>

#include "stream.h"

#define COMPANY_NEIGHBOUR 7u /* the honest sender's stream */

struct company {
	struct stage stage;
	struct test_receiver receiver;
	struct stream_sink sink;
	pid_t neighbour;
	/* of strangers: lanes with another label */
	unsigned joined, hung_up, left, messages;
	struct evchan_lane *lane; /* of the last that joined */
	enum evchan_left_reason reason;
	/* Called after each callback that concerns a stranger, unless NULL. */
	void (*act)(struct company *company, enum heard heard, struct evchan_lane *lane,
			const struct evchan_message *message);
	void *arg; /* for `act` */
};

/* The receiver is at scene_address(), on the default backend if NULL. */
void company_open(struct company *company, const char *backend,
		const struct evchan_receiver_options *options);

/* Waits for more messages of the neighbour. */
void company_check(struct company *company);

void company_close(struct company *company);

#endif
