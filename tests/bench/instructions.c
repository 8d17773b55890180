/* SPDX-License-Identifier: MIT */
/*
 * The path of a message, for callgrind to count its instructions: see instructions_test.sh.
 *
 * A sender and a receiver in one thread on one loop, so that nothing depends on who runs when. Instructions are
 * collected only between begin() and end(), and dumped under the name of what was done.
 */

#include <stdio.h>
#include <stdlib.h>

#include <valgrind/callgrind.h>

#include <event2/event.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

#define TYPE 1
#define SIZE 64
/* Few enough to be delivered in one turn. */
#define MESSAGES 256u
#define TURNS 16u

static struct event_base *base;
static struct evchan_receiver *receiver;
static struct evchan_sender *sender;
static unsigned received;

static void check(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "instructions: %s: %s\n", what, evchan_strerror(r));
	exit(1);
}

static void begin(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

static void end(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

/* What was collected since the last dump belongs to `what`, and was done so many times. */
static void dump(const char *what, unsigned times)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %u", what, times);
	CALLGRIND_DUMP_STATS_AT(text);
}

static void on_message(struct evchan_receiver *from, const struct evchan_message *message, void *arg)
{
	(void)from;
	(void)message;
	(void)arg;
	received++;
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void turn_until(unsigned count)
{
	while (received < count)
		event_base_loop(base, EVLOOP_ONCE);
	received = 0;
}

static void send_messages(unsigned count)
{
	static const unsigned char data[SIZE];

	for (unsigned i = 0; i < count; i++)
		check(evchan_send(sender, TYPE, data, sizeof(data), 0), "evchan_send");
}

static void open_channel(void)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_loop *loop = NULL;

	base = event_base_new();
	check(base ? evchan_libevent_loop_new(&loop, base) : -1, "a loop");
	callbacks.message = on_message;
	check(evchan_receiver_new(&receiver, loop, "", NULL, &callbacks, NULL), "a receiver");
	check(evchan_sender_new(&sender, loop, evchan_receiver_address(receiver), NULL, NULL,
			      NULL),
			"a sender");
	send_messages(1);
	turn_until(1);
	/* Whatever is left to do after the welcome. */
	for (unsigned i = 0; i < 4; i++)
		turn();
}

/* Many messages in one turn of the loop. */
static void bursts(void)
{
	for (unsigned i = 0; i < TURNS; i++) {
		begin();
		send_messages(MESSAGES);
		end();
		turn_until(MESSAGES);
	}
	dump("send-burst", TURNS * MESSAGES);
	for (unsigned i = 0; i < TURNS; i++) {
		send_messages(MESSAGES);
		begin();
		turn_until(MESSAGES);
		end();
	}
	dump("receive-burst", TURNS * MESSAGES);
}

/* One message at a time: each wakes a receiver that sleeps. */
static void lone(void)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		begin();
		send_messages(1);
		end();
		turn_until(1);
	}
	dump("send-lone", MESSAGES);
	for (unsigned i = 0; i < MESSAGES; i++) {
		send_messages(1);
		begin();
		turn_until(1);
		end();
	}
	dump("receive-lone", MESSAGES);
}

static void corked(void)
{
	for (unsigned i = 0; i < TURNS; i++) {
		begin();
		evchan_cork(sender);
		send_messages(MESSAGES);
		evchan_uncork(sender);
		end();
		turn_until(MESSAGES);
	}
	dump("send-corked", TURNS * MESSAGES);
}

int main(void)
{
	open_channel();
	bursts();
	lone();
	corked();
	return 0;
}
