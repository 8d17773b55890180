/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_SUPERVISOR_H
#define HTTP_WORKERS_SUPERVISOR_H

/* Starts the collector and the workers, again and again, until it is told to end. */

#include "options.h"
#include "sockets.h"

/* Returns the exit status. In a child process it does not return at all. */
int supervise(const struct options *options, const struct sockets *sockets);

#endif
