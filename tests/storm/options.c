/* SPDX-License-Identifier: MIT */
/*
 * The command line, and what follows from it. Everything that is not said is drawn from
 * the seed, so that one number tells a run: which receivers pull, copy, hold, and which
 * bells there are.
 */

#include "options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "process.h"
#include "random.h"

static const char help[] =
		"Usage: storm [OPTION]...\n"
		"Senders and receivers are killed at random, and started again, while\n"
		"numbered, checksummed messages flow. Ends with status 0 if nothing was\n"
		"lost, out of order, changed, or repeated beyond what is documented in\n"
		"docs/guarantees.md.\n"
		"\n"
		"  --seconds S          how long, at least (10)\n"
		"  --kills-senders N    in that time, or longer (20 a second)\n"
		"  --kills-receivers N  likewise (4 a second)\n"
		"  --messages N         to be delivered, at least (0)\n"
		"  --senders N          that live at a time (6)\n"
		"  --capacity LIST      of their rings, in turn (4k,64k,256k,1m)\n"
		"  --bell KIND          eventfd, pipe, socket or mixed (mixed)\n"
		"  --hold               half of the receivers hold some messages\n"
		"  --soak SECONDS       the receiver is never killed; its memory and\n"
		"                       descriptors are printed and must not grow\n"
		"  --seed N             of all that is random; it is printed\n"
		"  --help               this text\n";

enum option_code {
	OPTION_SECONDS = 256,
	OPTION_KILLS_SENDERS,
	OPTION_KILLS_RECEIVERS,
	OPTION_MESSAGES,
	OPTION_SENDERS,
	OPTION_CAPACITY,
	OPTION_BELL,
	OPTION_HOLD,
	OPTION_SOAK,
	OPTION_SEED,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "kills-senders", required_argument, NULL, OPTION_KILLS_SENDERS },
	{ "kills-receivers", required_argument, NULL, OPTION_KILLS_RECEIVERS },
	{ "messages", required_argument, NULL, OPTION_MESSAGES },
	{ "senders", required_argument, NULL, OPTION_SENDERS },
	{ "capacity", required_argument, NULL, OPTION_CAPACITY },
	{ "bell", required_argument, NULL, OPTION_BELL },
	{ "hold", no_argument, NULL, OPTION_HOLD },
	{ "soak", required_argument, NULL, OPTION_SOAK },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static void usage_error(const char *what, const char *text)
{
	fprintf(stderr, "storm: %s: %s (--help tells more)\n", what, text);
	exit(2);
}

/* A whole number, maybe with k or m behind it. `*end`: where it ends. */
static uint64_t read_number(const char *what, const char *text, const char **end)
{
	unsigned long long number;
	char *rest;

	if (!isdigit((unsigned char)*text))
		usage_error(what, text);
	number = strtoull(text, &rest, 10);
	if (*rest == 'k')
		number <<= 10;
	else if (*rest == 'm')
		number <<= 20;
	*end = rest + (*rest == 'k' || *rest == 'm');
	return number;
}

static uint64_t number_of(const char *what, const char *text, uint64_t most)
{
	const char *end;
	uint64_t number = read_number(what, text, &end);

	if (*end || number > most)
		usage_error(what, text);
	return number;
}

static double seconds_of(const char *what, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*end || !(seconds > 0 && seconds < 1e6))
		usage_error(what, text);
	return seconds;
}

static void read_capacities(struct storm_options *options, const char *text)
{
	const char *at = text;

	options->capacity_count = 0;
	do {
		if (options->capacity_count == CAPACITIES_MAX)
			usage_error("--capacity", text);
		options->capacities[options->capacity_count++] =
				read_number("--capacity", at, &at);
	} while (*at++ == ',');
	if (at[-1])
		usage_error("--capacity", text);
}

static enum storm_bell bell_of(const char *text)
{
	static const char *const names[] = { "mixed", "eventfd", "pipe", "socket" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum storm_bell)i;
	usage_error("--bell", text);
	return BELLS_MIXED;
}

static void read_option(struct storm_options *options, int code)
{
	switch (code) {
	case OPTION_SECONDS:
		options->seconds = seconds_of("--seconds", optarg);
		break;
	case OPTION_KILLS_SENDERS:
		options->kills_senders = (unsigned)number_of(
				"--kills-senders", optarg, KILLS_MOST);
		break;
	case OPTION_KILLS_RECEIVERS:
		options->kills_receivers = (unsigned)number_of(
				"--kills-receivers", optarg, KILLS_MOST);
		break;
	case OPTION_MESSAGES:
		options->messages = number_of("--messages", optarg, UINT64_MAX);
		break;
	case OPTION_SENDERS:
		options->senders = (unsigned)number_of("--senders", optarg, SENDERS_MAX);
		break;
	case OPTION_CAPACITY:
		read_capacities(options, optarg);
		break;
	case OPTION_BELL:
		options->bell = bell_of(optarg);
		break;
	case OPTION_HOLD:
		options->hold = true;
		break;
	case OPTION_SOAK:
		options->seconds = seconds_of("--soak", optarg);
		options->is_soak = true;
		break;
	case OPTION_SEED:
		options->seed = number_of("--seed", optarg, UINT64_MAX);
		break;
	case OPTION_HELP:
		fputs(help, stdout);
		exit(0);
	default:
		exit(2);
	}
}

void options_read(struct storm_options *options, int argc, char **argv)
{
	uint32_t seed = 0;
	int code;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		process_die("no random numbers");
	*options = (struct storm_options){
		.seed = seed,
		.seconds = 10,
		.kills_senders = UINT32_MAX,
		.kills_receivers = UINT32_MAX,
		.senders = 6,
		.capacities = { 4096, 65536, 262144, 1048576 },
		.capacity_count = 4,
	};
	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(options, code);
	if (optind < argc)
		usage_error("not an option", argv[optind]);
	if (options->senders == 0)
		usage_error("--senders", "0");
	if (options->kills_senders == UINT32_MAX)
		options->kills_senders =
				(unsigned)(options->seconds * 20) / process_slowdown();
	if (options->kills_receivers == UINT32_MAX)
		options->kills_receivers =
				(unsigned)(options->seconds * 4) / process_slowdown();
	if (options->is_soak)
		options->kills_receivers = 0;
}

/* ---- What follows from it -------------------------------------------------------- */

struct evchan_sender_options options_of_sender(
		const struct storm_options *options, unsigned slot)
{
	struct evchan_sender_options sender = EVCHAN_SENDER_OPTIONS_INIT;

	sender.flags = EVCHAN_SENDER_WAIT;
	sender.capacity = options->capacities[slot % options->capacity_count];
	/* The others reconnect as senders do by default. */
	if (slot % 2) {
		sender.reconnect_min_ms = 1;
		sender.reconnect_max_ms = 20;
	}
	if (options->bell == BELLS_SOCKET ||
			(options->bell == BELLS_MIXED && slot % 4 == 3))
		sender.bell = EVCHAN_BELL_SOCKET;
	return sender;
}

struct receiver_traits options_of_receiver(
		const struct storm_options *options, uint32_t generation)
{
	struct random random = random_of(options->seed, UINT64_C(1) << 32 | generation);
	struct receiver_traits traits = { .options = EVCHAN_RECEIVER_OPTIONS_INIT };
	bool is_pipe = random_below(&random, 3) == 0;

	traits.pulls = random_below(&random, 5) == 0;
	traits.holds = options->hold && random_below(&random, 2) == 0;
	if (random_below(&random, 4) == 0)
		traits.options.flags |= EVCHAN_RECEIVER_COPY;
	if (options->bell == BELLS_PIPE || (options->bell == BELLS_MIXED && is_pipe))
		traits.options.bell = EVCHAN_BELL_PIPE;
	else if (options->bell == BELLS_EVENTFD)
		traits.options.bell = EVCHAN_BELL_EVENTFD;
	return traits;
}
