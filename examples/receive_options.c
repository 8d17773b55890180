/* SPDX-License-Identifier: MIT */

/*
 * The command line of evchan-receive.
 */

#include "receive_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "program.h"

/* No pause longer than a day. */
#define SLOW_USEC_MAX (UINT64_C(24) * 3600 * 1000000)

static const char help[] =
	"Usage: evchan-receive [OPTION]... ADDRESS\n"
	"Prints the messages of all senders that connect to ADDRESS, one line each:\n"
	"    received \"TEXT\"\n"
	"with C escapes: \\n \\t \\\" \\\\, and \\OOO for other bytes that cannot be printed.\n"
	"UTF-8 is printed as it is. ADDRESS is a path of a socket, @NAME, fd:N or systemd:[NAME].\n"
	"\n"
	"      --raw             print the bytes of each message and a newline instead\n"
	"      --label           print the sender's label (escaped) and a tab first\n"
	"      --quiet           print nothing for each message\n"
	"      --count N         end after N messages; later ones stay for the next receiver\n"
	"      --slow USEC       take a pause of USEC microseconds after each message\n"
	"      --zero-copy       print straight from the sender's memory (the default)\n"
	"      --copy            copy each message before it is looked at\n"
	"      --max-senders N   refuse further senders while N are connected\n"
	"      --allow-uid UID   let this user send, 'any': all; may be repeated. Without it\n"
	"                        only the user of this process may\n"
	"      --bell KIND       how senders wake this process: eventfd or pipe\n"
	"      --wake-interval MS  while messages flow, wake up about once in MS milliseconds\n"
	"                        (at most 1000) instead of for each; they come that much later\n"
	"      --stats           print counters to standard error at the end\n"
	"      --help, --version\n"
	"\n"
	"A message is given back to its sender only after its line was written, so nothing is lost\n"
	"if this program is killed; the next receiver may print the last lines again. While standard\n"
	"output does not take more, the program waits and receives nothing.\n"
	"\n"
	"SIGINT or SIGTERM ends the program when all that senders who are gone have left is printed,\n"
	"with status 0; a second one ends it at once, with status 130 or 143. Status 1: an error,\n"
	"2: a wrong command line.\n"
	"\n"
	"Counters: messages and their bytes; lanes, that is senders that joined; wakeups of this\n"
	"process; turns of the loop that served lanes; how often a lane was full; lanes that left.\n";

enum option_code {
	OPTION_RAW = 256,
	OPTION_LABEL,
	OPTION_QUIET,
	OPTION_COUNT,
	OPTION_SLOW,
	OPTION_ZERO_COPY,
	OPTION_COPY,
	OPTION_MAX_SENDERS,
	OPTION_ALLOW_UID,
	OPTION_BELL,
	OPTION_WAKE_INTERVAL,
	OPTION_STATS,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "raw", no_argument, NULL, OPTION_RAW },
	{ "label", no_argument, NULL, OPTION_LABEL },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "slow", required_argument, NULL, OPTION_SLOW },
	{ "zero-copy", no_argument, NULL, OPTION_ZERO_COPY },
	{ "copy", no_argument, NULL, OPTION_COPY },
	{ "max-senders", required_argument, NULL, OPTION_MAX_SENDERS },
	{ "allow-uid", required_argument, NULL, OPTION_ALLOW_UID },
	{ "bell", required_argument, NULL, OPTION_BELL },
	{ "wake-interval", required_argument, NULL, OPTION_WAKE_INTERVAL },
	{ "stats", no_argument, NULL, OPTION_STATS },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void read_option(struct receive_options *options, int code)
{
	switch (code) {
	case OPTION_RAW:
		options->is_raw = true;
		break;
	case OPTION_LABEL:
		options->with_label = true;
		break;
	case OPTION_QUIET:
		options->is_quiet = true;
		break;
	case OPTION_COUNT:
		options->count = parse_number("--count", optarg, 1, UINT64_MAX);
		break;
	case OPTION_SLOW:
		options->slow_usec = parse_number("--slow", optarg, 0, SLOW_USEC_MAX);
		break;
	case OPTION_ZERO_COPY:
		options->receiver.flags &= ~(uint32_t)EVCHAN_RECEIVER_COPY;
		break;
	case OPTION_COPY:
		options->receiver.flags |= EVCHAN_RECEIVER_COPY;
		break;
	case OPTION_MAX_SENDERS:
		options->receiver.max_senders =
				(uint32_t)parse_number("--max-senders", optarg, 1, UINT32_MAX);
		break;
	case OPTION_ALLOW_UID:
		allow_uid(&options->receiver, &options->allow_uids, optarg);
		break;
	case OPTION_BELL:
		options->receiver.bell = parse_bell("--bell", optarg);
		break;
	case OPTION_WAKE_INTERVAL:
		options->receiver.wake_interval_ms =
				(uint32_t)parse_number("--wake-interval", optarg, 0, 1000);
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

void receive_options_init(struct receive_options *options, int argc, char **argv)
{
	int code;

	*options = (struct receive_options){ .receiver = EVCHAN_RECEIVER_OPTIONS_INIT };
	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(options, code);
	if (optind != argc - 1)
		usage_error(optind < argc ? "more than one address" : "no address");
	options->address = argv[optind];
	/* To the library this is a fresh address, which nobody would get to know. */
	if (!*options->address)
		usage_error("the address is empty");
}

void receive_options_deinit(struct receive_options *options)
{
	free(options->allow_uids);
}
