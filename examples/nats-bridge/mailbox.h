/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_MAILBOX_H
#define EVCHAN_NATS_MAILBOX_H

/* What other threads have to say to the loop's thread. */

#include <pthread.h>
#include <stddef.h>

#include <nats/nats.h>

struct event;
struct event_base;

enum mail_kind {
	MAIL_OPENED, /* pointer: a struct session */
	MAIL_FAILED, /* it could not be opened: text */
	MAIL_ENDED,  /* the old session is gone, and no other was asked for */
	MAIL_CLOSED, /* pointer: the natsConnection that has ended, only to be compared */
	MAIL_ACK,    /* pointer: a natsMsg that was published; status, code, text */
	MAIL_ARRIVED, /* pointer: a natsMsg of the subscription */
};

struct mail {
	enum mail_kind kind;
	natsStatus status;
	int code; /* of JetStream; of a good acknowledgement: 1 if it knew the message */
	void *pointer; /* the reader's from now on */
	char *text;    /* freed by the mailbox after delivery; NULL: none */
};

struct mailbox {
	pthread_mutex_t mutex;
	struct event *event;
	struct mail *letters; /* under the mutex, as the next two */
	size_t count;
	size_t room;
	struct mail *spare; /* the loop's: what it has read, to be filled again */
	size_t spare_room;
	void (*deliver)(const struct mail *mail, void *arg);
	void *arg;
};

/* `deliver` is called in the loop's thread, once for each letter, in order. Returns 0 or -ENOMEM. */
int mailbox_init(struct mailbox *mailbox, struct event_base *base,
		void (*deliver)(const struct mail *mail, void *arg), void *arg);

/* Nobody may post any more. What is there is delivered first. */
void mailbox_deinit(struct mailbox *mailbox);

/* Any thread. `mail` is copied; its text must come from malloc(3). */
void mailbox_post(struct mailbox *mailbox, const struct mail *mail);

#endif
