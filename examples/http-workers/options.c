/* SPDX-License-Identifier: MIT */

/*
 * The command line of http-workers.
 */

#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "program.h"

static const char help[] =
	"Usage: http-workers [OPTION]...\n"
	"An HTTP server of several processes, whose access records go through\n"
	"shared memory to one collector, which writes the log and serves the figures.\n"
	"\n"
	"      --host ADDRESS    listen there (127.0.0.1)\n"
	"      --port N          for requests (8080; 0: any that is free)\n"
	"      --status-port N   for /metrics and the status page (8081; 0: any)\n"
	"      --workers N       processes that answer requests (4)\n"
	"      --log FILE        access log, appended to (access.log)\n"
	"      --capacity BYTES  each worker's ring, with K, M or G (4M)\n"
	"      --patience S      how long a worker's end may take (10)\n"
	"      --help, --version\n"
	"\n"
	"Requests: / says who answers, /bytes/N is N bytes long, /sleep/MS takes\n"
	"that long.\n"
	"\n"
	"Workers never wait for the collector. A record that finds the ring full\n"
	"is dropped and counted: /metrics tells (http_workers_dropped_total), and\n"
	"so does the log, whose lines end with the number of records that the\n"
	"process had dropped by then and the request's id. A process that dies is\n"
	"started again.\n"
	"\n"
	"Prints one line when it listens, and one on standard error for each\n"
	"process that starts or ends. SIGINT or SIGTERM: all requests that have\n"
	"come are answered, all records are written, then the program ends with\n"
	"status 0; a second signal ends it at once. Status 1: something went\n"
	"wrong or was lost, 2: a wrong command line.\n";

enum option_code {
	OPTION_HOST = 256,
	OPTION_PORT,
	OPTION_STATUS_PORT,
	OPTION_WORKERS,
	OPTION_LOG,
	OPTION_CAPACITY,
	OPTION_PATIENCE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "host", required_argument, NULL, OPTION_HOST },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "status-port", required_argument, NULL, OPTION_STATUS_PORT },
	{ "workers", required_argument, NULL, OPTION_WORKERS },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "capacity", required_argument, NULL, OPTION_CAPACITY },
	{ "patience", required_argument, NULL, OPTION_PATIENCE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static _Noreturn void print_and_exit(int code)
{
	if (code == OPTION_HELP)
		fputs(help, stdout);
	else
		print_version();
	exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void read_option(struct options *options, int code)
{
	switch (code) {
	case OPTION_HOST:
		options->host = optarg;
		break;
	case OPTION_PORT:
		options->port = (uint16_t)parse_number("--port", optarg, 0, UINT16_MAX);
		break;
	case OPTION_STATUS_PORT:
		options->status_port = (uint16_t)parse_number(
				"--status-port", optarg, 0, UINT16_MAX);
		break;
	case OPTION_WORKERS:
		options->workers = (unsigned)parse_number(
				"--workers", optarg, 1, WORKERS_MAX);
		break;
	case OPTION_LOG:
		options->log_path = optarg;
		break;
	case OPTION_CAPACITY:
		options->capacity = parse_size("--capacity", optarg);
		break;
	case OPTION_PATIENCE:
		options->patience_s =
				(unsigned)parse_number("--patience", optarg, 0, 3600);
		break;
	case OPTION_HELP:
	case OPTION_VERSION:
		print_and_exit(code);
	default:
		exit(EXIT_USAGE);
	}
}

void options_read(struct options *options, int argc, char **argv)
{
	int code;

	*options = (struct options){
		.host = "127.0.0.1",
		.port = 8080,
		.status_port = 8081,
		.workers = 4,
		.log_path = "access.log",
		.capacity = 4 << 20,
		.patience_s = 10,
	};
	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(options, code);
	if (optind < argc)
		usage_error("what is '%s'?", argv[optind]);
}
