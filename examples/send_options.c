/* SPDX-License-Identifier: MIT */

/*
 * The command line of evchan-send.
 */

#include "send_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

#define LABEL_MAX 63
#define CAPACITY_MAX ((uint64_t)1 << 30)
#define WAIT_SECONDS_MAX 1e9
/* A receiver that is there has this long to answer, however short the wait. */
#define WAIT_SECONDS_MIN 0.1

static const char help[] =
	"Usage: evchan-send [OPTION]... ADDRESS [FILE]...\n"
	"Sends each line of the files, or of standard input, as one message to the receiver at\n"
	"ADDRESS: a path of a socket, @NAME or fd:N. FILE '-' is standard input. The newline is not\n"
	"part of the message; an empty line is a message without bytes; a last line without newline\n"
	"counts.\n"
	"\n"
	"      --label NAME        what the receiver is to call this sender (63 bytes)\n"
	"      --capacity BYTES    size of the ring, rounded up to a power of two; suffixes K, M, G.\n"
	"                          Default 256K. A line can have 8 bytes less than the ring.\n"
	"                          Receivers refuse large ones, evchan-receive those above 64M\n"
	"      --wait[=SECONDS]    wait for a receiver (at most so long) if none is there, and for\n"
	"                          the next one if it goes away\n"
	"      --repeat N          send everything N times\n"
	"      --bell KIND         how to wake the receiver: eventfd or pipe\n"
	"      --stats             print counters to standard error at the end\n"
	"      --help, --version\n"
	"\n"
	"While the ring is full nothing is read. Ends with status 0 when the receiver has consumed\n"
	"all. Status 1: no receiver, or it went away before that; a line too long; another error.\n"
	"Status 2: a wrong command line. 130, 143: ended by SIGINT, SIGTERM.\n";

enum option_code {
	OPTION_LABEL = 256,
	OPTION_CAPACITY,
	OPTION_WAIT,
	OPTION_REPEAT,
	OPTION_BELL,
	OPTION_STATS,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "label", required_argument, NULL, OPTION_LABEL },
	{ "capacity", required_argument, NULL, OPTION_CAPACITY },
	{ "wait", optional_argument, NULL, OPTION_WAIT },
	{ "repeat", required_argument, NULL, OPTION_REPEAT },
	{ "bell", required_argument, NULL, OPTION_BELL },
	{ "stats", no_argument, NULL, OPTION_STATS },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void read_wait(struct send_options *options, const char *text)
{
	double seconds;
	char *end;

	options->waits = true;
	options->wait_text = text;
	if (!text)
		return;
	seconds = strtod(text, &end);
	/* strtod(3) also knows blanks, signs, exponents, hexadecimal digits and "nan". */
	if (end == text || *end || text[strspn(text, "0123456789.")] || seconds > WAIT_SECONDS_MAX)
		usage_error("--wait: '%s' is not a number of seconds", text);
	if (seconds < WAIT_SECONDS_MIN)
		seconds = WAIT_SECONDS_MIN;
	options->wait_time.tv_sec = (long)seconds;
	options->wait_time.tv_usec =
			(int)((seconds - (double)options->wait_time.tv_sec) * 1e6);
}

static void read_capacity(struct send_options *options, const char *text)
{
	options->sender.capacity = parse_size("--capacity", text);
	if (options->sender.capacity > CAPACITY_MAX)
		usage_error("--capacity: '%s' is more than 1G", text);
}

static void read_label(struct send_options *options, const char *text)
{
	if (strlen(text) > LABEL_MAX)
		usage_error("--label: it has more than %d bytes", LABEL_MAX);
	options->sender.label = text;
}

static void read_option(struct send_options *options, int code)
{
	switch (code) {
	case OPTION_LABEL:
		read_label(options, optarg);
		break;
	case OPTION_CAPACITY:
		read_capacity(options, optarg);
		break;
	case OPTION_WAIT:
		read_wait(options, optarg);
		break;
	case OPTION_REPEAT:
		options->repeat = parse_number("--repeat", optarg, 1, UINT64_MAX);
		break;
	case OPTION_BELL:
		options->sender.bell = parse_bell("--bell", optarg);
		break;
	case OPTION_STATS:
		options->with_stats = true;
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

static void read_files(struct send_options *options, char **files, int count)
{
	static char standard_input[] = "-";
	static char *only_standard_input[] = { standard_input };
	int dashes = 0;

	for (int i = 0; i < count; i++)
		dashes += strcmp(files[i], "-") == 0;
	if (dashes > 1)
		usage_error("standard input is named twice");
	options->files = count ? files : only_standard_input;
	options->file_count = count ? (size_t)count : 1;
}

void send_options_init(struct send_options *options, int argc, char **argv)
{
	int code;

	*options = (struct send_options){ .repeat = 1, .sender = EVCHAN_SENDER_OPTIONS_INIT };
	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(options, code);
	if (optind == argc)
		usage_error("no address");
	options->address = argv[optind];
	if (!*options->address)
		usage_error("the address is empty");
	read_files(options, argv + optind + 1, argc - optind - 1);
	/* A receiver that is gone is the end, unless another may be waited for. */
	options->sender.flags = options->waits ? EVCHAN_SENDER_WAIT : EVCHAN_SENDER_NO_RECONNECT;
}
