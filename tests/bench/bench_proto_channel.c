/* SPDX-License-Identifier: MIT */
/*
 * evchan_bench_proto_channel: log records from one process to another, each in a libevent loop, in several ways:
 *
 *	typed         evchan_proto_send() for each, and a typed callback
 *	typed-corked  the same in batches of 32, which are published together
 *	raw           evchan_send() of as many bytes, which are only counted: what the lane itself can do
 *	stock         protobuf-c's pack, a bufferevent on a UNIX stream socket, protobuf-c's unpack
 *	stock-tuned   the same as fast as it gets (bench_proto_stock.c)
 *
 *	--quick, --repeat ROUNDS, --seconds SECONDS, --ways NAME,...
 *
 * The ways take turns, round by round, so that a slow phase of the machine hits all of them. A round has new
 * processes and a new channel. Both ends are on CPUs of their own, and then both on one: the sum of what they cost.
 */

#include "bench_proto_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

#define ROUNDS_MAX 51

static unsigned rounds = 11;
static double seconds = 0.4;

/* ---- What is sent --------------------------------------------------------------------- */

Evchan__Example__LogRecord *channel_record(uint32_t number)
{
	static Evchan__Example__LogRecord record;
	static char source[] = "net/connection.c";
	static char text[] = "connection to backend 7 was closed by its peer";

	if (!record.base.descriptor) {
		evchan__example__log_record__init(&record);
		record.time_us = UINT64_C(1764000000000000);
		record.severity = 4;
		record.pid = 31337;
		record.thread = 12;
		record.code = -104;
		record.is_repeated = 1;
		record.duration_ms = 12.75;
		record.source = source;
		record.text = text;
	}
	record.time_us++;
	record.line = number;
	return &record;
}

void channel_read(struct channel_round *round, const Evchan__Example__LogRecord *record)
{
	if (record->line != (uint32_t)round->count)
		process_die("record %u instead of %u", record->line,
				(unsigned)round->count);
	round->sum += record->time_us + (unsigned char)record->text[0] + record->severity;
}

bool channel_count(struct channel_round *round)
{
	uint64_t now, count = ++round->count;

	/* The clock costs as much as a record. */
	if (count % 256)
		return false;
	now = process_now_ns();
	if (!round->begin_count) {
		if (round->begin_ns == 0)
			round->begin_ns = now;
		if ((double)(now - round->begin_ns) < round->seconds * 0.25e9)
			return false;
		round->begin_ns = now;
		round->begin_count = count;
	}
	if ((double)(now - round->begin_ns) < round->seconds * 1e9)
		return false;
	round->rate = (double)(count - round->begin_count) * 1e9 /
			(double)(now - round->begin_ns);
	return true;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static const struct way {
	const char *name;
	void (*send)(struct channel_round *round);
	void (*receive)(struct channel_round *round);
} ways[] = {
	{ "typed", channel_send_typed, channel_receive_typed },
	{ "typed-corked", channel_send_batches, channel_receive_typed },
	{ "raw", channel_send_raw, channel_receive_raw },
	{ "stock", channel_send_stock, channel_receive_stock },
	{ "stock-tuned", channel_send_tuned, channel_receive_tuned },
};
#define WAY_COUNT (sizeof(ways) / sizeof(ways[0]))

struct task {
	const struct way *way;
	enum placement placement;
	struct channel_round *round;
};

static void run_receiver(void *arg)
{
	struct task *task = arg;

	process_pin(task->placement, 0);
	close(task->round->fds[1]);
	task->way->receive(task->round);
	task->round->receiver_ns = process_cpu_ns(getpid());
}

static void run_sender(void *arg)
{
	struct task *task = arg;

	process_pin(task->placement, 1);
	close(task->round->fds[0]);
	task->way->send(task->round);
}

/* What is measured in a round. */
enum figure {
	RATE,         /* million records per second */
	SENDER_CPU,   /* ns for a record */
	RECEIVER_CPU, /* the same */
	BOTH_CPU,
	FIGURE_COUNT
};

static void run_round(const struct way *way, enum placement placement,
		double figures[FIGURE_COUNT])
{
	static unsigned number;
	struct channel_round *round = mmap(NULL, sizeof(*round), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct task task = { way, placement, round };
	pid_t receiver, sender;
	double count;

	if (round == MAP_FAILED ||
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
					round->fds) < 0)
		process_die("no memory, or no sockets");
	snprintf(round->address, sizeof(round->address), "@evchan-bench-proto-%ld-%u",
			(long)getpid(), number++);
	round->seconds = seconds;
	receiver = process_start(run_receiver, &task);
	while (!atomic_load(&round->is_open) && !process_has_ended(receiver))
		process_sleep(0.0002);
	sender = process_start(run_sender, &task);
	if (!process_wait(receiver, 60))
		process_die("%s: a round does not end", way->name);
	count = (double)round->count;
	figures[RATE] = round->rate / 1e6;
	figures[SENDER_CPU] = (double)process_cpu_ns(sender) / count;
	figures[RECEIVER_CPU] = (double)round->receiver_ns / count;
	figures[BOTH_CPU] = figures[SENDER_CPU] + figures[RECEIVER_CPU];
	process_kill(sender);
	close(round->fds[0]);
	close(round->fds[1]);
	munmap(round, sizeof(*round));
}

static bool is_wanted[WAY_COUNT];

/* ---- Results --------------------------------------------------------------------------------- */

struct results {
	double figures[WAY_COUNT][ROUNDS_MAX][FIGURE_COUNT];
};

static int compare_doubles(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

/* Of the first `rounds` values, which are put in order. */
static double median(double *values)
{
	qsort(values, rounds, sizeof(*values), compare_doubles);
	return values[rounds / 2];
}

static double median_of(const struct results *results, unsigned way, enum figure figure)
{
	double values[ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++)
		values[i] = results->figures[way][i][figure];
	return median(values);
}

/* How many times better the first way is. */
static void print_ratio(const struct results *results, enum figure figure, unsigned one,
		unsigned other)
{
	double ratios[ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++) {
		double a = results->figures[one][i][figure];
		double b = results->figures[other][i][figure];

		ratios[i] = figure == RATE ? a / b : b / a;
	}
	printf("  %6.2f", median(ratios));
	printf(" [%5.2f %5.2f]", ratios[0], ratios[rounds - 1]);
}

static void print_results(const struct results *results)
{
	printf("  %-13s %11s %10s %12s %9s\n", "", "million/s", "sender ns",
			"receiver ns", "both ns");
	for (unsigned way = 0; way < WAY_COUNT; way++) {
		if (!is_wanted[way])
			continue;
		printf("  %-13s %11.2f %10.1f %12.1f %9.1f\n", ways[way].name,
				median_of(results, way, RATE),
				median_of(results, way, SENDER_CPU),
				median_of(results, way, RECEIVER_CPU),
				median_of(results, way, BOTH_CPU));
	}
	/* Against what is typed. */
	for (unsigned one = 0; one < 2; one++) {
		for (unsigned other = 2; other < WAY_COUNT; other++) {
			if (!is_wanted[one] || !is_wanted[other])
				continue;
			printf("  %-12s / %-11s  rate", ways[one].name, ways[other].name);
			print_ratio(results, RATE, one, other);
			printf("  CPU");
			print_ratio(results, BOTH_CPU, one, other);
			printf("\n");
		}
	}
}

static void compare_ways(enum placement placement)
{
	static struct results results;

	for (unsigned round = 0; round < rounds; round++)
		for (unsigned way = 0; way < WAY_COUNT; way++)
			if (is_wanted[way])
				run_round(&ways[way], placement,
						results.figures[way][round]);
	printf("%s\n", placement_name(placement));
	print_results(&results);
}

/* ---- Options --------------------------------------------------------------------------------- */

static void want_only(const char *list)
{
	for (unsigned way = 0; way < WAY_COUNT; way++) {
		size_t length = strlen(ways[way].name);
		const char *at = list;

		is_wanted[way] = false;
		while (at && !is_wanted[way]) {
			is_wanted[way] = strncmp(at, ways[way].name, length) == 0 &&
					(at[length] == ',' || at[length] == '\0');
			at = strchr(at, ',');
			at = at ? at + 1 : NULL;
		}
	}
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];

		if (strcmp(name, "--quick") == 0) {
			rounds = 1;
			seconds = 0.02;
			continue;
		}
		if (++i == argc)
			process_die("%s: not an option, or it has no value", name);
		if (strcmp(name, "--repeat") == 0)
			rounds = (unsigned)atoi(argv[i]);
		else if (strcmp(name, "--seconds") == 0)
			seconds = atof(argv[i]);
		else if (strcmp(name, "--ways") == 0)
			want_only(argv[i]);
		else
			process_die("%s: no such option", name);
	}
	if (rounds == 0 || rounds > ROUNDS_MAX || !(seconds > 0))
		process_die("out of range: --repeat 1 to %d, --seconds more than 0",
				ROUNDS_MAX);
}

int main(int argc, char **argv)
{
	for (unsigned way = 0; way < WAY_COUNT; way++)
		is_wanted[way] = true;
	read_options(argc, argv);
	printf("log records of %zu bytes: medians of %u rounds of %.2f s, ratios [min "
	       "max]\n",
			protobuf_c_message_get_packed_size(&channel_record(1000)->base),
			rounds, seconds);
	compare_ways(PLACEMENT_APART);
	compare_ways(PLACEMENT_TOGETHER);
	return 0;
}
