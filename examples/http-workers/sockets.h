/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_SOCKETS_H
#define HTTP_WORKERS_SOCKETS_H

/* What the supervisor listens on for its children. */

#include <stdint.h>

#include "options.h"

struct sockets {
	int http;    /* requests: for the workers */
	int status;  /* /metrics: for the collector */
	int channel; /* evchan's, for the collector */
	uint16_t http_port;
	uint16_t status_port;
	char channel_address[64]; /* where senders find the collector */
};

/* Ends the program with a message if it cannot be done. */
void sockets_open(struct sockets *sockets, const struct options *options);

#endif
