/* SPDX-License-Identifier: MIT */

/*
 * http-workers: an HTTP server of several processes and one that keeps its books.
 *
 *	supervisor ─┬─ collector   evchan receiver: access log, /metrics, status page
 *	            ├─ worker 0    evhttp server and evchan sender
 *	            └─ worker 1    ...
 *
 * Read worker.c and collector.c for how evchan is used, handover.c for what a worker does when the collector is
 * slow or gone, and access_log.c for how a log loses nothing and repeats nothing though its
 * writer is killed. README.md beside this file shows a run.
 */

#include <stdio.h>
#include <stdlib.h>

#include "options.h"
#include "program.h"
#include "sockets.h"
#include "supervisor.h"

int main(int argc, char **argv)
{
	static char name[] = "http-workers";
	struct sockets sockets;
	struct options options;

	program_init(name, argv);
	options_read(&options, argc, argv);
	sockets_open(&sockets, &options);
	printf("http-workers: requests on %s port %u, status on port %u, channel %s\n",
			options.host, (unsigned)sockets.http_port,
			(unsigned)sockets.status_port, sockets.channel_address);
	return supervise(&options, &sockets);
}
