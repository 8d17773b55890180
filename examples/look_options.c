/* SPDX-License-Identifier: MIT */

/*
 * The command lines of evchan-top and evchan-stat. Both know the same options, less those that make no sense for one
 * of them: each has a table of its own, and one reader does for both.
 */

#include "look_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/evchan.h>

#include "program.h"
#include "snapshot.h"

#define INTERVAL_MIN 0.1
#define SECONDS_MAX 3600.0

#define EXIT_STATUSES \
	"Exit status: 1 an error, 2 a wrong command line, 3 no receiver is there, 4 it " \
	"refuses to be\n" \
	"observed, 5 it does not answer in time.\n"
#define WHO_MAY \
	"The receiver lets those look who may also send to it. It tells its own user " \
	"and root of all\n" \
	"lanes, others of their own. It takes a few observers at once and gives them " \
	"little of its time.\n"

static const char help_of_top[] =
		"Usage: evchan-top [OPTION]... ADDRESS\n"
		"Shows what the receiver at ADDRESS is doing, lane by lane, again and "
                "again. ADDRESS is a path\n"
		"of a socket, @NAME or fd:N.\n"
		"\n"
		"      --interval SECONDS  time between two looks, from 0.1 on (1)\n"
		"      --sort KEY          messages, bytes, fill, peak, full, wakeups, "
                "held, age, pid, uid,\n"
		"                          label or lane (messages)\n"
		"      --reverse           the other way round\n"
		"      --once              two looks, one table, and the end\n"
		"      --json              one JSON object a line instead of a table\n"
		"      --timeout SECONDS   with --once: how long to wait for an answer "
                "(5)\n"
		"      --help, --version\n"
		"\n"
		"Columns: number, process and user of the lane; messages and 10^6 bytes "
                "of payload a second;\n"
		"how full the ring is, and was at most; sends refused for want of room; "
                "times a second that its\n"
		"bell woke the receiver; messages held; time since it joined; state (O "
                "open, D sender gone, E\n"
		"ended, H held; p paused, r taken over from an earlier receiver, ! rang "
                "too often); label.\n"
		"\n"
		"Keys: s and S sort by the next key or the one before, r turns the order "
                "round, q ends.\n"
		"Without a terminal tables follow each other. A receiver that goes away "
                "is waited for.\n"
		"\n" WHO_MAY "\n" EXIT_STATUSES;

static const char help_of_stat[] =
		"Usage: evchan-stat [OPTION]... ADDRESS\n"
		"Prints the counters of the receiver at ADDRESS: a line of NAME=VALUE "
                "for each lane, and one that\n"
		"begins with 'total'. ADDRESS is a path of a socket, @NAME or fd:N.\n"
		"\n"
		"      --json              one JSON object instead\n"
		"      --totals            only the last line\n"
		"      --interval SECONDS  look twice, so long apart, and print what "
                "came in a second, too\n"
		"      --timeout SECONDS   how long to wait for an answer (5)\n"
		"      --help, --version\n"
		"\n"
		"Sizes are in bytes, ages in milliseconds. 'label' is the last of a "
                "line, escaped as a C string.\n"
		"\n" WHO_MAY "\n" EXIT_STATUSES;

enum option_code {
	OPTION_INTERVAL = 256,
	OPTION_SORT,
	OPTION_REVERSE,
	OPTION_ONCE,
	OPTION_JSON,
	OPTION_TOTALS,
	OPTION_TIMEOUT,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options_of_top[] = {
	{ "interval", required_argument, NULL, OPTION_INTERVAL },
	{ "sort", required_argument, NULL, OPTION_SORT },
	{ "reverse", no_argument, NULL, OPTION_REVERSE },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const struct option options_of_stat[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "totals", no_argument, NULL, OPTION_TOTALS },
	{ "interval", required_argument, NULL, OPTION_INTERVAL },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Milliseconds, or usage_error(). */
static uint32_t parse_seconds(const char *option, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	/* strtod(3) also knows blanks, signs, exponents, hexadecimal digits and "nan". */
	if (!*text || *end || text[strspn(text, "0123456789.")])
		usage_error("%s: '%s' is not a number of seconds", option, text);
	if (!(seconds >= INTERVAL_MIN && seconds <= SECONDS_MAX))
		usage_error("%s: '%s' is not between %.1f and %.0f", option, text,
				INTERVAL_MIN, SECONDS_MAX);
	return (uint32_t)(seconds * 1000);
}

static void read_key(struct look_options *options, const char *name)
{
	options->key = sort_key_find(name);
	if (options->key < 0)
		usage_error("--sort: there is no key '%s'", name);
}

static void read_option(struct look_options *options, int code, const char *help)
{
	switch (code) {
	case OPTION_INTERVAL:
		options->interval_ms = parse_seconds("--interval", optarg);
		break;
	case OPTION_SORT:
		read_key(options, optarg);
		break;
	case OPTION_REVERSE:
		options->reversed = true;
		break;
	case OPTION_ONCE:
		options->once = true;
		break;
	case OPTION_JSON:
		options->as_json = true;
		break;
	case OPTION_TOTALS:
		options->only_totals = true;
		break;
	case OPTION_TIMEOUT:
		options->timeout_ms = parse_seconds("--timeout", optarg);
		break;
	case OPTION_HELP:
		fputs(help, stdout);
		exit(EXIT_SUCCESS);
	case OPTION_VERSION:
		print_version();
		exit(EXIT_SUCCESS);
	default:
		/* getopt_long() has said what is wrong. */
		exit(EXIT_USAGE);
	}
}

static void read_options(struct look_options *options, int argc, char **argv,
		const struct option *known, const char *help)
{
	int code;

	while ((code = getopt_long(argc, argv, "", known, NULL)) != -1)
		read_option(options, code, help);
	if (optind != argc - 1)
		usage_error(optind < argc ? "more than one address" : "no address");
	options->address = argv[optind];
	if (!*options->address)
		usage_error("the address is empty");
}

void look_options_of_top(struct look_options *options, int argc, char **argv)
{
	*options = (struct look_options){ .interval_ms = 1000, .timeout_ms = 5000 };
	read_options(options, argc, argv, options_of_top, help_of_top);
}

void look_options_of_stat(struct look_options *options, int argc, char **argv)
{
	*options = (struct look_options){ .once = true, .timeout_ms = 5000 };
	read_options(options, argc, argv, options_of_stat, help_of_stat);
}

int look_failed(const struct look_options *options, int error, const char *text)
{
	complain("%s: %s", options->address, text);
	switch (error) {
	case 0:
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ESHUTDOWN:
		return EXIT_NOBODY;
	case -EACCES:
	case -EUSERS:
		return EXIT_REFUSED;
	case -ETIMEDOUT:
		return EXIT_TOO_LATE;
	default:
		return EXIT_FAILURE;
	}
}
