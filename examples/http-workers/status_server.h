/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_STATUS_SERVER_H
#define HTTP_WORKERS_STATUS_SERVER_H

/* The collector's own HTTP server: /metrics and /. */

#include "totals.h"

struct event_base;
struct evchan_receiver;
struct status_server;

/* On a listening socket, which it takes over. The others must outlive it. NULL: it cannot be had. */
struct status_server *status_server_open(struct event_base *base, int socket,
		const struct evchan_receiver *receiver, const struct totals *totals);

/* NULL is allowed. */
void status_server_close(struct status_server *server);

#endif
