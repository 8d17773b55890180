/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_REQUESTS_H
#define HTTP_WORKERS_REQUESTS_H

/* Answers requests, and makes a record of each. */

#include "handover.h"

struct event_base;
struct evhttp_request;
struct requests;

/* Both must outlive it. NULL: no memory. */
struct requests *requests_open(
		struct event_base *base, struct handover *handover, unsigned worker);

/* After evhttp_free(): the requests themselves are gone by then. NULL is allowed. */
void requests_close(struct requests *requests);

/* For evhttp_set_gencb(); `arg` is the struct requests. */
void requests_on_request(struct evhttp_request *request, void *arg);

/* From now on each answer ends its connection. `idle` is called, in a later turn of the loop, when all
 * requests that have come are answered. */
void requests_finish(struct requests *requests, void (*idle)(void *arg), void *arg);

#endif
