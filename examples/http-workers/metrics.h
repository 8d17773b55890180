/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_METRICS_H
#define HTTP_WORKERS_METRICS_H

#include "totals.h"

struct evbuffer;
struct evchan_receiver;

/* The counters in Prometheus' text format. */
void metrics_write(struct evbuffer *text, const struct totals *totals,
		const struct evchan_receiver *receiver);

#endif
