/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_GUEST_H
#define EVCHAN_CORE_GUEST_H

/*
 * A connection that has not been admitted: it has been charged to its uid, and has a few seconds to say
 * a whole hello.
 */

#include <stdbool.h>
#include <stdint.h>

#include "admission.h"
#include "control_socket.h"
#include "list.h"

struct evchan_receiver;

struct guest {
	struct evchan_receiver *receiver;
	struct list link;          /* in receiver->guests */
	struct control_socket control;
	struct evchan_watch *watch;
	struct evchan_peer peer;
	bool is_handed_in;         /* credentials come with the hello, not from the socket */
	bool is_waiting;           /* for descriptors or memory: its time stands still */
	unsigned round;            /* receiver->accept_round in which it was looked at last, waiting */
	bool has_hello;            /* it was taken, and waits here: the sender is gone, all it had published is left */
	bool is_checked;           /* the hello, and charged as a sender's */
	bool is_observer;          /* it has said so */
	struct control_hello hello;
	struct control_arrival arrival;
	struct admission_charge charge;
	uint64_t deadline;         /* clock_milliseconds() */
};

/*
 * Takes over a connected socket that is in descriptor.h's table. A connection that may not even say hello is refused
 * here and closed: that is success. One that was accepted is listened to at once, one that was handed in on the loop's next
 * turn.
 * Callback, unless handed in: error, authorize, joined, and what a turn calls.
 * Errors: -ENOMEM and others of the loop; an accepted descriptor is then closed, a handed-in one the caller's.
 */
int guest_new(struct evchan_receiver *receiver, int fd, bool is_handed_in);

/* Reads what the guest has to say. Whether it is still a guest: its hello is not whole yet, or waits for
 * descriptors or memory; otherwise it is gone. Callback: error, authorize, joined, and what a turn calls. */
bool guest_look(struct guest *guest);

/* Its time is over: one last look, then the connection is closed. */
void guest_expire(struct guest *guest);

/* Refuses it because the receiver is ending. Callback: error. */
void guest_show_out(struct guest *guest);

/* Closes the connection without a word. */
void guest_free(struct guest *guest, bool in_child);

#endif
