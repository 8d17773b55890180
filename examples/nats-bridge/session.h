/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_SESSION_H
#define EVCHAN_NATS_SESSION_H

/* One connection to NATS, from its beginning to its end. */

#include <nats/nats.h>

struct event_base;
struct mailbox;
struct nats_options;

struct session {
	natsConnection *connection;
	jsCtx *stream;                  /* JetStream on it */
	natsSubscription *subscription; /* NULL: from the channel to NATS */
};

/* What is needed to begin one. */
struct session_place {
	const struct nats_options *options;
	struct event_base *base;
	struct mailbox *mailbox;
	const char *url;
};

/* Before the first one, and before the event base is made. */
natsStatus session_library_init(void);

/*
 * Connects, and waits for it: not for the loop's thread, which must run meanwhile. On failure `*text` is one English
 * line from malloc(3), or NULL. When the connection ends, MAIL_CLOSED is posted, which may be before this returns.
 */
natsStatus session_open(
		struct session **session, char **text, const struct session_place *place);

/* Ends it; may wait, too. NULL is allowed. */
void session_close(struct session *session);

#endif
