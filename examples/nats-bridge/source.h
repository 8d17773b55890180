/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_SOURCE_H
#define EVCHAN_NATS_SOURCE_H

/* What the bridge knows of one lane: whose it is, and what its types are called. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <evchan/evchan.h>

#include "message_id.h"

#define TYPE_NAME_MAX 255

struct source_type {
	uint32_t type;
	bool is_described;
	char name[TYPE_NAME_MAX + 1]; /* its number, if it is not described */
	char signature[HASH_TEXT];
};

struct source {
	LIST_ENTRY(source) link;
	struct evchan_lane *lane;
	uint8_t id[16];
	uid_t uid;
	bool is_gone; /* its sender is */
	bool is_evicted;
	bool has_left; /* the lane stays valid while messages of it are held */
	size_t held;   /* messages */
	struct source_type *types;
	size_t type_count;
	size_t last_type;
};

/* Makes it the data of the lane. NULL: out of memory. */
struct source *source_new(struct evchan_lane *lane);
void source_free(struct source *source);

/* What this lane calls a type; valid until the next call. NULL: out of memory. */
const struct source_type *source_type(struct source *source, uint32_t type);

#endif
