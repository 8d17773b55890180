/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FLOOD_H
#define EVCHAN_TESTS_FLOOD_H

/*
 * A receiver under a flood: several processes send to it as fast as they can, and now and
 * then somebody else a single message, which must be served soon. Soon is counted in
 * turns of the loop.
 */

#include <sys/types.h>

#include "stream.h"

#define FLOOD_SENDERS 4u
#define FLOOD_TURNS_MOST 3u /* until something that has arrived is served */

struct flood {
	struct stage stage;
	struct test_receiver receiver;
	struct stream_sink sink;
	pid_t processes[FLOOD_SENDERS];
	uint64_t messages; /* of the flood */
	uint64_t singles;  /* others */
};

void flood_open(struct flood *flood, const struct evchan_receiver_options *options);
void flood_close(struct flood *flood);

/* Waits for a turn that is full of the flood's messages. */
void flood_await(struct flood *flood);

/* A sender with a loop of its own that never turns: its bell is all there is. */
void flood_open_single(struct test_sender *single);
/* Sends one message, which must be served soon. */
void flood_send_single(struct flood *flood, struct test_sender *single);

#endif
