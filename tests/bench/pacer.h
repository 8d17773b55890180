/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_PACER_H
#define EVCHAN_BENCH_PACER_H

/*
 * Messages at a fixed rate. A process of its own, the metronome, says through an
 * eventfd when messages are due, as another source of work would in a real program. In
 * a sender's libevent loop that is an event like any other; a sender without a loop
 * waits for it by reading. Either way the sender sleeps between two messages. The timer
 * is the metronome's, because waking up by a timer costs more on a virtual machine than
 * all that is to be measured.
 *
 * What is left of the pacing at the sender is measured too: see the transport `pacing`.
 */

#include <stdbool.h>

#include <event2/event.h>

#include "payload.h"

/* Makes the descriptor that one sender and the metronome share. */
int pacer_make(void);

/* The metronome: runs until it is killed. */
void pacer_tick(int fd, double rate);

struct pacer {
	struct event *event;
	void (*due)(void *arg, unsigned messages);
	void *arg;
};

/* Calls due(arg, n) in the loop whenever n messages are due. */
void pacer_start(struct pacer *pacer, struct event_base *base, int fd,
		void (*due)(void *arg, unsigned messages), void *arg);
void pacer_stop(struct pacer *pacer);

/* For senders without a loop. */
struct pace {
	int fd; /* negative: no rate */
	unsigned due;
};

/* Waits until the next message is due, and stamps it. Whether there is a rate. */
bool pace_next(struct pace *pace, struct payload *payload);

#endif
