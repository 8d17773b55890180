/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_LINK_H
#define EVCHAN_NATS_LINK_H

/* The link to NATS: sessions that come and go. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <nats/nats.h>

#include "mailbox.h"

struct event;
struct event_base;
struct nats_options;
struct session;

/* All are called in the loop's thread. */
struct nats_link_callbacks {
	void (*opened)(void *arg);
	/* What was published and not acknowledged must be published again. */
	void (*closed)(void *arg);
	/* `message` is the callee's. */
	void (*acked)(natsMsg *message, const struct mail *mail, void *arg);
	void (*arrived)(natsMsg *message, void *arg);
	/* After nats_link_end(): nothing is left. */
	void (*ended)(void *arg);
};

struct nats_link {
	const struct nats_options *options;
	struct event_base *base;
	const struct nats_link_callbacks *callbacks;
	void *arg;
	struct mailbox mailbox;
	struct session *session; /* NULL: there is none */
	struct event *retry_timer;
	unsigned delay_ms; /* before the next attempt */
	size_t next_server;
	bool is_ending;
	bool has_complained; /* since the last session */
	bool has_worker;     /* a thread that opens or closes */
	pthread_t worker;
	struct session *to_close; /* for the worker */
	bool to_open;             /* likewise */
	const char *url;          /* likewise */
	uint64_t connects;
	uint64_t losses;
};

/* Begins to connect. Returns 0 or -ENOMEM. */
int nats_link_init(struct nats_link *link, struct event_base *base,
		const struct nats_options *options,
		const struct nats_link_callbacks *callbacks, void *arg);
void nats_link_deinit(struct nats_link *link);

/* NULL while there is no connection. */
jsCtx *nats_link_stream(const struct nats_link *link);
natsConnection *nats_link_connection(const struct nats_link *link);

/* Gives the session up, as one that does not work, and tries the next server. `closed` is called before it returns. */
void nats_link_give_up(struct nats_link *link);

/* Ends it; `ended` follows later. */
void nats_link_end(struct nats_link *link);

#endif
