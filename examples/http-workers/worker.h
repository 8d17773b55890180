/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_WORKER_H
#define HTTP_WORKERS_WORKER_H

#include <signal.h>

#include "options.h"
#include "sockets.h"

/* A worker's life, in a process of its own. `blocked` are the signals that wait until it is ready for
 * them. Returns the exit status. */
int worker_run(const struct options *options, const struct sockets *sockets,
		unsigned number, unsigned incarnation, const sigset_t *blocked);

#endif
