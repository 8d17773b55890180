/* SPDX-License-Identifier: MIT */
/*
 * The command line. --quick only sets other defaults, so that it can be combined with
 * everything.
 */

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "payload.h"
#include "report.h"

/* tests/bench/run --help explains them, with the defaults. */
static const char usage[] =
		"Usage: evchan_bench [options]\n"
		"\n"
		"  --quick               fewer sizes and senders, short rounds\n"
		"  --only REGEX          only figures whose name matches\n"
		"  --peers LIST          only these transports: evchan,bufferevent\n"
		"  --list                print the names of all figures\n"
		"  --repeat N            rounds per figure\n"
		"  --seconds S           measured in each round\n"
		"  --sizes LIST          bytes per message: 64,1024\n"
		"  --senders LIST        sending processes: 1,4\n"
		"  --rates LIST          messages per second, where the rate is fixed\n"
		"  --idle LIST           connections that are idle: 1,1000\n"
		"  --active LIST         senders among the largest number of these\n"
		"  --placement WHERE     free, apart or together\n"
		"  --capacity BYTES      of a ring\n"
		"  --json FILE           write all figures and their samples, every few\n"
		"                        seconds\n"
		"  --count TRANSPORT     one round, of the first size and number of\n"
		"                        senders; prints how many messages came\n"
		"  --add NAME=VALUE      a figure measured elsewhere, to print\n"
		"  --command TEXT        what was typed, for the facts\n";

#define IDLE_MAX 4000

/* As much as other transports get for their buffers: few large messages would fit into
 * what is plenty for small ones. */
#define LARGE_SIZE_MIN 16384
#define SMALL_CAPACITY (1u << 20)
#define LARGE_CAPACITY (1u << 22)

enum {
	OPTION_QUICK = 256,
	OPTION_ONLY,
	OPTION_PEERS,
	OPTION_LIST,
	OPTION_REPEAT,
	OPTION_SECONDS,
	OPTION_SIZES,
	OPTION_SENDERS,
	OPTION_RATES,
	OPTION_IDLE,
	OPTION_ACTIVE,
	OPTION_PLACEMENT,
	OPTION_CAPACITY,
	OPTION_JSON,
	OPTION_COUNT,
	OPTION_ADD,
	OPTION_COMMAND,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "quick", no_argument, NULL, OPTION_QUICK },
	{ "only", required_argument, NULL, OPTION_ONLY },
	{ "peers", required_argument, NULL, OPTION_PEERS },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "repeat", required_argument, NULL, OPTION_REPEAT },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "sizes", required_argument, NULL, OPTION_SIZES },
	{ "senders", required_argument, NULL, OPTION_SENDERS },
	{ "rates", required_argument, NULL, OPTION_RATES },
	{ "idle", required_argument, NULL, OPTION_IDLE },
	{ "active", required_argument, NULL, OPTION_ACTIVE },
	{ "placement", required_argument, NULL, OPTION_PLACEMENT },
	{ "capacity", required_argument, NULL, OPTION_CAPACITY },
	{ "json", required_argument, NULL, OPTION_JSON },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "add", required_argument, NULL, OPTION_ADD },
	{ "command", required_argument, NULL, OPTION_COMMAND },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static uint64_t read_number(
		const char *text, uint64_t min, uint64_t max, const char **rest)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || *text == '-' || errno || value < min || value > max ||
			(*end && !(rest && *end == ',')))
		process_die("not a number from %llu to %llu: %s", (unsigned long long)min,
				(unsigned long long)max, text);
	if (rest)
		*rest = *end ? end + 1 : end;
	return value;
}

static void read_list(
		struct number_list *list, const char *text, uint64_t min, uint64_t max)
{
	list->count = 0;
	list->is_asked_for = true;
	do {
		if (list->count == OPTIONS_LIST_MAX)
			process_die("too long a list");
		list->values[list->count++] = read_number(text, min, max, &text);
	} while (*text);
}

static void read_sizes(struct number_list *sizes, const char *text)
{
	read_list(sizes, text, PAYLOAD_SIZE_MIN, 1 << 28);
	for (unsigned i = 0; i < sizes->count; i++)
		if (sizes->values[i] % 8)
			process_die("sizes are multiples of 8");
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* What more connections take is compared with what the fewest take. */
static void sort(struct number_list *list)
{
	qsort(list->values, list->count, sizeof(list->values[0]), compare);
}

static double read_seconds(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds > 0 && seconds <= 3600))
		process_die("not a number of seconds: %s", text);
	return seconds;
}

static enum placement read_placement(const char *text)
{
	for (enum placement i = PLACEMENT_FREE; i <= PLACEMENT_TOGETHER; i++)
		if (strcmp(text, placement_name(i)) == 0)
			return i;
	process_die("no such placement: %s", text);
}

static uint64_t read_capacity(const char *text)
{
	uint64_t capacity = read_number(text, 4096, 1 << 30, NULL);

	if (capacity & (capacity - 1))
		process_die("a capacity is a power of two");
	return capacity;
}

static void set_filter(struct options *options, const char *text)
{
	if (regcomp(&options->filter, text, REG_EXTENDED | REG_NOSUB) != 0)
		process_die("not a regular expression: %s", text);
	options->has_filter = true;
}

static void set_defaults(struct options *options, bool quick)
{
	options->repeat = quick ? 2 : 7;
	options->seconds = quick ? 0.06 : 0.2;
	options->warm_up = quick ? 0.02 : 0.06;
	read_sizes(&options->sizes,
			quick ? "64,1024,16384"
			      : "16,64,256,1024,16384,1048576,12441600");
	read_list(&options->senders, quick ? "1,4" : "1,4,16,64", 1, BOARD_SENDERS_MAX);
	read_list(&options->rates, quick ? "1000,100000" : "1000,10000,100000", 1,
			1000000);
	read_list(&options->idle, quick ? "1,100" : "1,100,1000", 1, IDLE_MAX);
	read_list(&options->active, quick ? "1" : "1,10,100", 1, BOARD_SENDERS_MAX);
	options->sizes.is_asked_for = false;
	options->senders.is_asked_for = false;
}

static void add(struct options *options, const char *text)
{
	if (options->added_count == OPTIONS_LIST_MAX || !strchr(text, '='))
		process_die("cannot add: %s", text);
	options->added[options->added_count++] = text;
}

static void read_option(struct options *options, int option, const char *value)
{
	switch (option) {
	case OPTION_QUICK:
		break;
	case OPTION_ONLY:
		set_filter(options, value);
		break;
	case OPTION_PEERS:
		options->peers = optarg;
		break;
	case OPTION_LIST:
		options->lists = true;
		break;
	case OPTION_REPEAT:
		options->repeat =
				(unsigned)read_number(value, 1, REPORT_REPEATS_MAX, NULL);
		break;
	case OPTION_SECONDS:
		options->seconds = read_seconds(value);
		break;
	case OPTION_SIZES:
		read_sizes(&options->sizes, value);
		break;
	case OPTION_SENDERS:
		read_list(&options->senders, value, 1, BOARD_SENDERS_MAX);
		break;
	case OPTION_RATES:
		read_list(&options->rates, value, 1, 1000000);
		break;
	case OPTION_IDLE:
		read_list(&options->idle, value, 1, IDLE_MAX);
		sort(&options->idle);
		break;
	case OPTION_ACTIVE:
		read_list(&options->active, value, 1, BOARD_SENDERS_MAX);
		break;
	case OPTION_PLACEMENT:
		options->is_pinned = true;
		options->placement = read_placement(value);
		break;
	case OPTION_CAPACITY:
		options->capacity = read_capacity(value);
		break;
	case OPTION_JSON:
		options->json = value;
		break;
	case OPTION_COUNT:
		options->count = value;
		break;
	case OPTION_COMMAND:
		options->command = value;
		break;
	case OPTION_ADD:
		add(options, value);
		break;
	case OPTION_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

/* --quick is looked for first: options before it on the line stand against its defaults
 * too. */
static bool is_quick(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--quick") == 0)
			return true;
	return false;
}

void options_read(struct options *options, int argc, char **argv)
{
	int option;

	memset(options, 0, sizeof(*options));
	set_defaults(options, is_quick(argc, argv));
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(options, option, optarg);
	if (optind < argc)
		process_die("what is %s?", argv[optind]);
	if (options->is_pinned && options->placement == PLACEMENT_APART &&
			process_cpu_count() < 2)
		process_die("there is only one CPU: nothing can run apart");
}

uint64_t options_capacity(const struct options *options, size_t size)
{
	if (options->capacity)
		return options->capacity;
	return size < LARGE_SIZE_MIN ? SMALL_CAPACITY : LARGE_CAPACITY;
}

bool options_want_peer(const struct options *options, const char *name)
{
	const char *at = options->peers;
	size_t length = strlen(name);

	if (!at)
		return true;
	while (*at) {
		size_t part = strcspn(at, ",");

		if (part == length && memcmp(at, name, length) == 0)
			return true;
		at += part + (at[part] == ',');
	}
	return false;
}

bool options_want(const struct options *options, const char *name)
{
	return !options->has_filter || regexec(&options->filter, name, 0, NULL, 0) == 0;
}
