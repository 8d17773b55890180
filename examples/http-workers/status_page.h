/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_STATUS_PAGE_H
#define HTTP_WORKERS_STATUS_PAGE_H

#include "totals.h"

struct evbuffer;
struct evchan_receiver;

/* The same for people, in HTML. */
void status_page_write(struct evbuffer *text, const struct totals *totals,
		const struct evchan_receiver *receiver);

#endif
