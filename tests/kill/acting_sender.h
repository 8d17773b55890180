/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_ACTING_SENDER_H
#define EVCHAN_TESTS_ACTING_SENDER_H

/*
 * The sender that is killed: a process that sends the stream VICTIM to scene_address().
 * What it will send while it is stepped is written beforehand, so that only the
 * library's instructions count.
 */

#include "killed_sender.h"

#define ACTOR_MESSAGES 12u

struct actor {
	struct stage stage;
	bool has_loop;
	struct test_sender sender;
	struct stream stream;
	/* the messages from stream.next on */
	unsigned char bytes[ACTOR_MESSAGES][VICTIM_MOST];
	size_t sizes[ACTOR_MESSAGES];
	unsigned used;
};

/* `has_loop`: the sender gets a stage, else it brings its own loop. */
void actor_init(struct actor *actor, bool has_loop);

/* Makes the sender, with these options but for the label. */
void actor_open(struct actor *actor, const struct evchan_sender_options *options);

/* Sends the next `count` messages of the stream. */
void actor_send_some(struct actor *actor, unsigned count);

/* Writes the next messages beforehand. */
void actor_load(struct actor *actor);
/* The next of these. */
const void *actor_bytes(const struct actor *actor);
size_t actor_size(const struct actor *actor);
uint32_t actor_type(const struct actor *actor);
/* It was sent. */
void actor_advance(struct actor *actor);
/* Sends it. */
void actor_send(struct actor *actor, unsigned flags);

#endif
