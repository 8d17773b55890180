/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_COLLECTOR_H
#define HTTP_WORKERS_COLLECTOR_H

#include <signal.h>

#include "options.h"
#include "sockets.h"

/* The collector's life, in a process of its own. `blocked` are the signals that wait until it is ready for
 * them. Returns the exit status. */
int collector_run(const struct options *options, const struct sockets *sockets,
		unsigned incarnation, const sigset_t *blocked);

#endif
