/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_BRIDGE_H
#define EVCHAN_NATS_BRIDGE_H

/* What both directions have in common: a program on a loop, begun and ended by signals. */

#include <evchan/libevent.h>

#include "nats_options.h"

struct event_base;

struct bridge {
	struct nats_options options;
	struct event_base *base;
	struct evchan_loop *loop;
	const struct direction *direction;
	void *state; /* the direction's */
	struct event *signals[3];
	bool is_ending;
	int exit_status;
};

/* A direction is made before the loop runs, and freed after it. */
struct direction {
	/* Returns 0 or a negative errno of making the receiver or sender. */
	int (*init)(void **state, struct bridge *bridge);
	/* Begins to end in order; bridge_stop() when that is done. */
	void (*end)(void *state);
	void (*print_stats)(const void *state);
	/* Nothing of libnats runs any more. */
	void (*free)(void *state);
};

/* Leaves the loop. */
void bridge_stop(struct bridge *bridge, int exit_status);

#endif
