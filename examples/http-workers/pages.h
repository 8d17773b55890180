/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_PAGES_H
#define HTTP_WORKERS_PAGES_H

/* What there is to see at which path. */

#include <stdint.h>

struct evbuffer;

struct page {
	unsigned status;
	uint32_t sleep_ms; /* how long the answer takes */
};

/* Writes the body, if `target` (as the client has sent it) is answered with 200. */
struct page page_make(struct evbuffer *body, const char *target, unsigned worker);

#endif
