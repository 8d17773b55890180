/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_GROWTH_H
#define EVCHAN_STORM_GROWTH_H

/*
 * Whether processes that live long grow: the veteran, a sender that outlives the
 * receivers; and in a soak the one receiver, while senders come and go.
 */

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "supervisor.h"

#define GROWTH_SAMPLES 4096u

struct growth_sample {
	uint64_t bytes; /* anonymous memory in RAM */
	unsigned descriptors;
};

struct growth {
	bool is_soak;
	uint64_t begun_at;
	uint64_t next_at;
	uint64_t interval;
	uint64_t next_print;
	unsigned count;
	struct growth_sample veteran[GROWTH_SAMPLES];
	struct growth_sample receiver[GROWTH_SAMPLES]; /* in a soak */
};

void growth_open(struct growth *growth, const struct storm_options *options);

/* Takes a sample if it is time. */
void growth_look(struct growth *growth, const struct supervisor *supervisor);

/* Prints what it has come to. Whether nobody has grown. */
bool growth_close(const struct growth *growth);

#endif
