/* SPDX-License-Identifier: MIT */
/*
 * evchan_bench_proto_channel: log records from one process to another, each in a libevent loop, in several ways:
 *
 *	typed   evchan_proto_send(), and a typed callback
 *	raw     evchan_send() of as many bytes, which are only counted: what the lane itself can do
 *	stock   protobuf-c's pack, a bufferevent on a UNIX stream socket, protobuf-c's unpack (bench_proto_stock.c); and
 *	        stock-tuned
 *
 * The ways take turns, round by round, so that a slow phase of the machine hits all of them. A round has new
 * processes and a new channel. Both ends are on CPUs of their own, and then both on one: the sum of what they cost.
 */

#include "bench_proto_channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/proto.h>

#include "process.h"

#define ROUNDS_MAX 51
#define CAPACITY (1u << 20)
#define RAW_TYPE 1u

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

/* ---- evchan ---------------------------------------------------------------------------------- */

struct evchan_end {
	struct channel_round *round;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_proto_types *types; /* NULL: raw */
	struct evchan_sender *sender;
	struct evchan_proto_sender *typed_sender;
	struct evchan_proto_receiver *typed_receiver;
	uint8_t raw[256];
	size_t raw_size;
	uint32_t number;
};

static void must(int r, const char *what)
{
	if (r < 0)
		process_die("%s: %s", what, evchan_strerror(r));
}

static void open_evchan(
		struct evchan_end *end, struct channel_round *round, bool is_typed)
{
	memset(end, 0, sizeof(*end));
	end->round = round;
	end->base = event_base_new();
	if (!end->base)
		process_die("no event base");
	must(evchan_libevent_loop_new(&end->loop, end->base), "loop");
	if (!is_typed)
		return;
	must(evchan_proto_types_new(&end->types), "types");
	must(evchan_proto_types_add(
			     end->types, &evchan__example__log_record__descriptor, 0),
			"type");
}

static void close_evchan(struct evchan_end *end)
{
	evchan_proto_types_free(end->types);
	evchan_libevent_loop_free(end->loop);
	event_base_free(end->base);
}

/* All that the ring takes. */
static void fill_ring(struct evchan_end *end)
{
	int r = 0;

	while (r == 0) {
		if (end->types)
			r = evchan_proto_send(end->typed_sender,
					&channel_record(end->number)->base, 0);
		else
			r = evchan_send(end->sender, RAW_TYPE, end->raw, end->raw_size,
					0);
		if (r == 0)
			end->number++;
	}
	if (r != -EAGAIN)
		must(r, "send");
}

static void on_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	(void)sender;
	(void)resumed;
	fill_ring(arg);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	fill_ring(arg);
}

static void on_disconnected(struct evchan_sender *sender, int error, void *arg)
{
	struct evchan_end *end = arg;

	(void)sender;
	(void)error;
	event_base_loopbreak(end->base);
}

static void send_evchan(struct channel_round *round, bool is_typed)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_end end;

	open_evchan(&end, round, is_typed);
	end.raw_size = protobuf_c_message_pack(&channel_record(1000)->base, end.raw);
	options.capacity = CAPACITY;
	callbacks.connected = on_connected;
	callbacks.writable = on_writable;
	callbacks.disconnected = on_disconnected;
	must(evchan_sender_new(&end.sender, end.loop, round->address, &options,
			     &callbacks, &end),
			"sender");
	if (is_typed)
		must(evchan_proto_sender_new(&end.typed_sender, end.sender, end.types),
				"typed sender");
	event_base_dispatch(end.base);
	evchan_proto_sender_free(end.typed_sender);
	evchan_sender_free(end.sender);
	close_evchan(&end);
}

static void on_record(const struct evchan_proto_message *message, void *arg)
{
	struct evchan_end *end = arg;

	channel_read(end->round, (const Evchan__Example__LogRecord *)message->message);
	if (channel_count(end->round))
		event_base_loopbreak(end->base);
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct evchan_end *end = arg;
	const uint8_t *bytes = message->data;

	(void)receiver;
	if (end->types) {
		must(evchan_proto_dispatch(end->typed_receiver, message), "dispatch");
		return;
	}
	end->round->sum += bytes[0] + bytes[message->size - 1];
	if (channel_count(end->round))
		event_base_loopbreak(end->base);
}

static void receive_evchan(struct channel_round *round, bool is_typed)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver *receiver;
	struct evchan_end end;

	open_evchan(&end, round, is_typed);
	if (is_typed) {
		must(evchan_proto_receiver_new(
				     &end.typed_receiver, end.types, NULL, NULL, &end),
				"typed receiver");
		must(evchan_proto_on(end.typed_receiver,
				     &evchan__example__log_record__descriptor, on_record,
				     &end),
				"callback");
	}
	callbacks.message = on_message;
	must(evchan_receiver_new(
			     &receiver, end.loop, round->address, NULL, &callbacks, &end),
			"receiver");
	atomic_store(&round->is_open, true);
	event_base_dispatch(end.base);
	evchan_receiver_free(receiver);
	evchan_proto_receiver_free(end.typed_receiver);
	close_evchan(&end);
}

static void send_typed(struct channel_round *round)
{
	send_evchan(round, true);
}

static void receive_typed(struct channel_round *round)
{
	receive_evchan(round, true);
}

static void send_raw(struct channel_round *round)
{
	send_evchan(round, false);
}

static void receive_raw(struct channel_round *round)
{
	receive_evchan(round, false);
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static const struct way {
	const char *name;
	void (*send)(struct channel_round *round);
	void (*receive)(struct channel_round *round);
} ways[] = {
	{ "typed", send_typed, receive_typed },
	{ "raw", send_raw, receive_raw },
	{ "stock", channel_send_stock, channel_receive_stock },
	{ "stock-tuned", channel_send_tuned, channel_receive_tuned },
};
enum {
	TYPED,
	RAW,
	STOCK,
	TUNED,
	WAY_COUNT
};

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

struct figures {
	double rate;   /* records per second */
	double cpu_ns; /* of both processes, for a record */
};

static struct figures run_round(const struct way *way, enum placement placement)
{
	static unsigned number;
	struct channel_round *round = mmap(NULL, sizeof(*round), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct task task = { way, placement, round };
	pid_t receiver, sender;
	struct figures figures;

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
	figures.rate = round->rate;
	figures.cpu_ns = (double)(round->receiver_ns + process_cpu_ns(sender)) /
			(double)round->count;
	process_kill(sender);
	close(round->fds[0]);
	close(round->fds[1]);
	munmap(round, sizeof(*round));
	return figures;
}

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

static void print_values(const char *name, double *values, const char *unit)
{
	printf("  %-26s %9.2f", name, median(values));
	printf(" [%.2f %.2f] %s\n", values[0], values[rounds - 1], unit);
}

static void print_ratios(const char *name, const double *ones, const double *others)
{
	double ratios[ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++)
		ratios[i] = ones[i] / others[i];
	print_values(name, ratios, "times");
}

static void compare_ways(enum placement placement)
{
	double rates[WAY_COUNT][ROUNDS_MAX], costs[WAY_COUNT][ROUNDS_MAX];

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < WAY_COUNT; i++) {
			struct figures figures = run_round(&ways[i], placement);

			rates[i][round] = figures.rate / 1e6;
			costs[i][round] = figures.cpu_ns;
		}
	}
	printf("%s\n", placement_name(placement));
	print_ratios("rate: typed / raw", rates[TYPED], rates[RAW]);
	print_ratios("rate: typed / stock", rates[TYPED], rates[STOCK]);
	print_ratios("rate: typed / stock-tuned", rates[TYPED], rates[TUNED]);
	print_ratios("CPU: stock / typed", costs[STOCK], costs[TYPED]);
	print_ratios("CPU: stock-tuned / typed", costs[TUNED], costs[TYPED]);
	for (unsigned i = 0; i < WAY_COUNT; i++) {
		print_values(ways[i].name, rates[i], "million/s");
		print_values("", costs[i], "ns of CPU time each");
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		rounds = 1;
		seconds = 0.02;
	}
	printf("log records of %zu bytes: median [min max] of %u rounds of %.2f s\n",
			protobuf_c_message_get_packed_size(&channel_record(1000)->base),
			rounds, seconds);
	compare_ways(PLACEMENT_APART);
	compare_ways(PLACEMENT_TOGETHER);
	return 0;
}
