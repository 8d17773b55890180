/* SPDX-License-Identifier: MIT */
/*
 * What a process of this word size may ask for. Addresses are what 32 bits have least of:
 * a ring takes twice its capacity of them, so there its limit is 256 MiB, and 1 GiB
 * elsewhere. Only addresses are tried here: the rings' memory is not allocated.
 */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <evchan/evchan.h>

#include "../support/process.h"

#define MEBIBYTE ((uint64_t)1 << 20)
#define MOST ((sizeof(void *) > 4 ? 1024 : 256) * MEBIBYTE)

static int make_sender(struct evchan_sender **sender, uint64_t capacity)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.flags = EVCHAN_SENDER_WAIT | EVCHAN_SENDER_LAZY;
	options.capacity = capacity;
	return evchan_sender_new(
			sender, NULL, "@evchan-nobody-is-here", &options, NULL, NULL);
}

/* The largest ring can be had, and both pictures of its data are there. */
static void largest_ring_can_be_had(void)
{
	struct evchan_sender *sender = NULL;
	struct evchan_span span;
	size_t most = MOST - 8;
	unsigned char *bytes;

	CHILD_CHECK(make_sender(&sender, MOST) == 0);
	CHILD_CHECK(evchan_sender_message_max(sender) == most);
	CHILD_CHECK(evchan_reserve(&span, sender, most, most) == 0);
	bytes = span.data;
	bytes[0] = 1;
	bytes[most - 1] = 2;
	CHILD_CHECK(evchan_commit(sender, 1, 64, 0) == 0);
	/* It goes on behind the end. */
	CHILD_CHECK(evchan_reserve(&span, sender, most - 72, SIZE_MAX) == 0);
	CHILD_CHECK(span.size == most - 72);
	bytes = span.data;
	bytes[most - 73] = 3;
	evchan_sender_free(sender);
}

/* A larger one is refused, not rounded down. */
static void larger_ring_is_refused(void)
{
	static const uint64_t capacities[] = { MOST + 1, 2 * MOST, (uint64_t)1 << 32,
		((uint64_t)1 << 32) + 4096, (uint64_t)1 << 63, UINT64_MAX };
	struct evchan_sender *sender = NULL;

	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++)
		CHILD_CHECK(make_sender(&sender, capacities[i]) == -EINVAL);
	CHILD_CHECK(!sender);
}

/* No size of a message overflows. */
static void absurd_messages_are_refused(void)
{
	static const size_t sizes[] = { 4096 - 7, 4096, SIZE_MAX / 2, SIZE_MAX - 8,
		SIZE_MAX - 7, SIZE_MAX };
	struct evchan_sender *sender = NULL;
	struct iovec pieces[2] = { { NULL, SIZE_MAX }, { NULL, 16 } };
	struct evchan_span span;

	CHILD_CHECK(make_sender(&sender, 4096) == 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHILD_CHECK(evchan_send(sender, 1, "", sizes[i], 0) == -EMSGSIZE);
		CHILD_CHECK(evchan_reserve(&span, sender, sizes[i], sizes[i]) ==
				-EMSGSIZE);
	}
	CHILD_CHECK(evchan_sendv(sender, 1, pieces, 2, 0) == -EMSGSIZE);
	CHILD_CHECK(evchan_send(sender, 1, "", 0, 0) == 0);
	evchan_sender_free(sender);
}

int main(void)
{
	alarm(60);
	largest_ring_can_be_had();
	larger_ring_is_refused();
	absurd_messages_are_refused();
	return 0;
}
