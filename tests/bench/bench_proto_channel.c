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
 * and then frames of 12.4 MB (4K, YUV 4:2:0) in a protobuf message, every byte of which is written before, and read after:
 *
 *	frame-in-place   evchan_proto_writer: written in the ring, read in the ring
 *	frame-packed     evchan_proto_send(): written elsewhere, copied once, read in the ring
 *	frame-lane       the same lane, with protobuf-c's pack into it and unpack out of it
 *	frame-socket     protobuf-c's pack, a bufferevent on a UNIX stream socket, protobuf-c's unpack
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
	if (count % round->clock_every)
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

/* What is sent. The ways of ours come first, and are compared with the others. */
static const struct group {
	const char *unit;
	double unit_per_second;
	unsigned first, our_count, count; /* among the ways */
	unsigned clock_every;
} groups[] = {
	{ "million/s", 1e6, 0, 2, 5, 256 },
	{ "frames/s", 1, 5, 2, 4, 1 },
};

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
	{ "frame-in-place", frame_send_in_place, frame_receive_in_place },
	{ "frame-packed", frame_send_packed, frame_receive_in_place },
	{ "frame-lane", frame_send_stock_packed, frame_receive_stock_unpacked },
	{ "frame-socket", frame_send_socket, frame_receive_socket },
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
	RATE,         /* messages per second */
	SENDER_CPU,   /* ns for a message */
	RECEIVER_CPU, /* the same */
	BOTH_CPU,
	FIGURE_COUNT
};

static void run_round(const struct group *group, const struct way *way,
		enum placement placement, double figures[FIGURE_COUNT])
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
	round->clock_every = group->clock_every;
	receiver = process_start(run_receiver, &task);
	while (!atomic_load(&round->is_open) && !process_has_ended(receiver))
		process_sleep(0.0002);
	sender = process_start(run_sender, &task);
	if (!process_wait(receiver, 60))
		process_die("%s: a round does not end", way->name);
	count = (double)round->count;
	figures[RATE] = round->rate;
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

static void print_results(const struct results *results, const struct group *group)
{
	unsigned others = group->first + group->our_count;
	unsigned end = group->first + group->count;

	printf("  %-14s %11s %12s %12s %12s\n", "", group->unit, "sender ns",
			"receiver ns", "both ns");
	for (unsigned way = group->first; way < end; way++) {
		if (!is_wanted[way])
			continue;
		printf("  %-14s %11.2f %12.1f %12.1f %12.1f\n", ways[way].name,
				median_of(results, way, RATE) / group->unit_per_second,
				median_of(results, way, SENDER_CPU),
				median_of(results, way, RECEIVER_CPU),
				median_of(results, way, BOTH_CPU));
	}
	for (unsigned one = group->first; one < others; one++) {
		for (unsigned other = others; other < end; other++) {
			if (!is_wanted[one] || !is_wanted[other])
				continue;
			printf("  %-14s / %-12s  rate", ways[one].name, ways[other].name);
			print_ratio(results, RATE, one, other);
			printf("  CPU");
			print_ratio(results, BOTH_CPU, one, other);
			printf("\n");
		}
	}
}

static bool group_is_wanted(const struct group *group)
{
	for (unsigned i = 0; i < group->count; i++)
		if (is_wanted[group->first + i])
			return true;
	return false;
}

static void compare_ways(const struct group *group, enum placement placement)
{
	static struct results results;

	for (unsigned round = 0; round < rounds; round++)
		for (unsigned way = group->first; way < group->first + group->count;
				way++)
			if (is_wanted[way])
				run_round(group, &ways[way], placement,
						results.figures[way][round]);
	printf("%s\n", placement_name(placement));
	print_results(&results, group);
}

static void compare_group(const struct group *group, const char *what, size_t bytes)
{
	if (!group_is_wanted(group))
		return;
	printf("%s of %zu bytes: medians of %u rounds of %.2f s, ratios [min max]\n",
			what, bytes, rounds, seconds);
	compare_ways(group, PLACEMENT_APART);
	compare_ways(group, PLACEMENT_TOGETHER);
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
	compare_group(&groups[0], "log records",
			protobuf_c_message_get_packed_size(&channel_record(1000)->base));
	compare_group(&groups[1], "frames", FRAME_BYTES);
	return 0;
}
