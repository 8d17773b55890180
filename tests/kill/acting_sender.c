/* SPDX-License-Identifier: MIT */
/*
 * A sender's part, as far as all of them have it in common.
 */

#include "acting_sender.h"

#include <errno.h>

#include "scene.h"

void actor_init(struct actor *actor, bool has_loop)
{
	*actor = (struct actor){ .has_loop = has_loop };
	actor->stream = (struct stream){
		.id = VICTIM, .count = UINT64_MAX, .most = VICTIM_MOST
	};
	if (has_loop)
		stage_open(&actor->stage, NULL);
}

void actor_open(struct actor *actor, const struct evchan_sender_options *options)
{
	struct evchan_sender_options own = *options;

	own.size = sizeof(own);
	own.label = VICTIM_LABEL;
	test_sender_open(&actor->sender, actor->has_loop ? &actor->stage : NULL,
			scene_address(), &own);
}

void actor_send_some(struct actor *actor, unsigned count)
{
	if (count)
		CHECK_EQUAL(stream_send(&actor->stream, actor->sender.sender, count),
				-EINPROGRESS);
}

void actor_load(struct actor *actor)
{
	struct stream stream = actor->stream;

	for (unsigned i = 0; i < ACTOR_MESSAGES; i++, stream.next++)
		actor->sizes[i] = stream_write(&stream, actor->bytes[i]);
	actor->used = 0;
}

const void *actor_bytes(const struct actor *actor)
{
	return actor->bytes[actor->used];
}

size_t actor_size(const struct actor *actor)
{
	return actor->sizes[actor->used];
}

uint32_t actor_type(const struct actor *actor)
{
	return (uint32_t)actor->stream.next & 0xffffff;
}

void actor_advance(struct actor *actor)
{
	actor->stream.next++;
	actor->used++;
}

void actor_send(struct actor *actor, unsigned flags)
{
	CHECK_EQUAL(evchan_send(actor->sender.sender, actor_type(actor),
				    actor_bytes(actor), actor_size(actor), flags),
			0);
	actor_advance(actor);
}
