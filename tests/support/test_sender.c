/* SPDX-License-Identifier: MIT */
/*
 * Each callback checks that the sender it comes from has not been freed, notes what it
 * was told, and acts last: after that nothing is touched.
 */

#include "test_sender.h"

#include <errno.h>
#include <stdio.h>

static void told(struct evchan_sender *sender, struct test_sender *test, enum told what)
{
	CHECK(sender && sender == test->sender);
	test->calls[what]++;
	if (test->act)
		test->act(test, what);
}

static void hear_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	struct test_sender *test = arg;

	test->resumed = resumed;
	told(sender, test, TOLD_CONNECTED);
}

static void hear_writable(struct evchan_sender *sender, void *arg)
{
	told(sender, arg, TOLD_WRITABLE);
}

static void hear_drained(struct evchan_sender *sender, void *arg)
{
	told(sender, arg, TOLD_DRAINED);
}

static void hear_disconnected(struct evchan_sender *sender, int error, void *arg)
{
	struct test_sender *test = arg;

	test->disconnect_error = error;
	told(sender, test, TOLD_DISCONNECTED);
}

static void hear_refused(struct evchan_sender *sender, int error, const char *text,
		int final, void *arg)
{
	struct test_sender *test = arg;

	CHECK(error < 0 && *text);
	test->refusal = error;
	test->is_final = final;
	snprintf(test->text, sizeof(test->text), "%s", text);
	told(sender, test, TOLD_REFUSED);
}

int test_sender_try(struct test_sender *test, struct stage *stage, const char *address,
		const struct evchan_sender_options *options)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;

	callbacks.connected = hear_connected;
	callbacks.writable = hear_writable;
	callbacks.drained = hear_drained;
	callbacks.disconnected = hear_disconnected;
	callbacks.refused = hear_refused;
	return evchan_sender_new(&test->sender, stage ? stage->loop : NULL, address,
			options, &callbacks, test);
}

void test_sender_open(struct test_sender *test, struct stage *stage, const char *address,
		const struct evchan_sender_options *options)
{
	CHECK_EQUAL(test_sender_try(test, stage, address, options), 0);
}

void test_sender_free(struct test_sender *test)
{
	struct evchan_sender *sender = test->sender;

	test->sender = NULL;
	evchan_sender_free(sender);
}

unsigned test_sender_fill(struct test_sender *test, size_t size)
{
	static const char zeros[65536];
	unsigned sent = 0;
	int r;

	while ((r = evchan_send(test->sender, 0, zeros, size, 0)) == 0)
		sent++;
	CHECK_EQUAL(r, -EAGAIN);
	return sent;
}

uint64_t test_sender_unconsumed(struct test_sender *test)
{
	struct evchan_pending pending = EVCHAN_PENDING_INIT;

	evchan_sender_get_pending(test->sender, &pending);
	return pending.unconsumed_bytes;
}
