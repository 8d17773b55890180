/* SPDX-License-Identifier: MIT */
/*
 * evchan_bench_proto: decoding and packing of protobuf messages beside protobuf-c's own functions, in one process, on
 * private memory.
 *
 * Each figure is the median of rounds in which the two take turns, so that a slow phase of the machine hits both; so
 * is the ratio, of the ratios of the rounds. How often protobuf-c calls its allocator for a message is counted apart
 * from the rounds. evchan takes no memory at all then: tests/proto/mallocs_test.c.
 *
 * `frame, read` sums up every byte of the planes after decoding, as somebody who shows the frame would; protobuf-c
 * has copied them by then.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <evchan/proto.h>

#include "telemetry.pb-c.h"

#define ROUNDS_MAX 101
#define POINTS 100
#define WIDTH 3840
#define HEIGHT 2160

static unsigned rounds = 21;
static double seconds = 0.02; /* of one side in one round */
static volatile uint64_t sink;

struct sample {
	const char *name;
	const ProtobufCMessage *message;
	uint8_t *bytes;
	size_t size;
	bool reads_bytes;
	uint8_t *packed; /* room for it */
};

static struct evchan_proto_types *types;
static struct evchan_proto_arena *arena;

static void die(const char *what)
{
	fprintf(stderr, "evchan_bench_proto: %s\n", what);
	exit(1);
}

/* ---- What is measured ------------------------------------------------------------------ */

/* Reads all of the planes. */
static void read_planes(const ProtobufCMessage *message)
{
	const Evchan__Example__VideoFrame *frame =
			(const Evchan__Example__VideoFrame *)message;
	const ProtobufCBinaryData *planes[] = { &frame->y, &frame->u, &frame->v };
	uint64_t sum = 0, word;

	for (unsigned i = 0; i < 3; i++) {
		for (size_t at = 0; at + 8 <= planes[i]->len; at += 8) {
			memcpy(&word, planes[i]->data + at, 8);
			sum += word;
		}
	}
	sink += sum;
}

static void unpack_stock(const struct sample *sample)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(
			sample->message->descriptor, NULL, sample->size, sample->bytes);

	if (!message)
		die("protobuf-c cannot unpack");
	if (sample->reads_bytes)
		read_planes(message);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void decode_ours(const struct sample *sample)
{
	const ProtobufCMessage *message;

	evchan_proto_arena_reset(arena);
	if (evchan_proto_decode(&message, arena, types, sample->message->descriptor,
			    sample->bytes, sample->size, NULL, NULL) < 0)
		die("evchan cannot decode");
	if (sample->reads_bytes)
		read_planes(message);
}

static void pack_stock(const struct sample *sample)
{
	size_t size = protobuf_c_message_get_packed_size(sample->message);

	if (size > sample->size)
		die("it has grown");
	sink += protobuf_c_message_pack(sample->message, sample->packed);
}

/* As evchan_proto_send() does it: into a reservation that is larger than needed. */
static void pack_ours(const struct sample *sample)
{
	size_t size = sample->size + 64;

	if (evchan_proto_pack(sample->message, sample->packed, &size) < 0)
		die("evchan cannot pack");
	sink += size;
}

/* ---- Measuring ----------------------------------------------------------------------------- */

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

struct side {
	void (*run)(const struct sample *sample);
	unsigned batch; /* runs between looks at the clock, which cost as much as some */
	double ns[ROUNDS_MAX];
};

static void run_round(struct side *side, const struct sample *sample, unsigned round)
{
	double begin = now_ns(), end = begin + seconds * 1e9, now;
	double count = 0;

	do {
		for (unsigned i = 0; i < side->batch; i++)
			side->run(sample);
		count += side->batch;
		now = now_ns();
	} while (now < end);
	side->ns[round] = (now - begin) / count;
}

/* As many runs as take some microseconds. Also warms up. */
static void choose_batch(struct side *side, const struct sample *sample)
{
	double begin, end;

	side->batch = 1;
	side->run(sample);
	for (;;) {
		begin = now_ns();
		for (unsigned i = 0; i < side->batch; i++)
			side->run(sample);
		end = now_ns();
		if (end - begin > 10e3 || side->batch >= 1u << 16)
			return;
		side->batch *= 2;
	}
}

static int compare_doubles(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double median(double *values)
{
	qsort(values, rounds, sizeof(*values), compare_doubles);
	return values[rounds / 2];
}

static void *count_and_take(void *data, size_t size)
{
	++*(unsigned *)data;
	return malloc(size);
}

static void give(void *data, void *pointer)
{
	(void)data;
	free(pointer);
}

/* Allocations that protobuf-c makes to unpack a message. */
static unsigned count_allocations(const struct sample *sample)
{
	unsigned count = 0;
	ProtobufCAllocator allocator = { count_and_take, give, &count };

	protobuf_c_message_free_unpacked(
			protobuf_c_message_unpack(sample->message->descriptor, &allocator,
					sample->size, sample->bytes),
			&allocator);
	return count;
}

static void compare(const char *what, const struct sample *sample,
		void (*stock)(const struct sample *), void (*ours)(const struct sample *))
{
	struct side sides[2] = { { .run = stock }, { .run = ours } };
	double ratios[ROUNDS_MAX];

	for (unsigned i = 0; i < 2; i++)
		choose_batch(&sides[i], sample);
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < 2; i++)
			run_round(&sides[i], sample, round);
		ratios[round] = sides[0].ns[round] / sides[1].ns[round];
	}
	printf("%-7s %-21s %9zu %6u", what, sample->name, sample->size,
			count_allocations(sample));
	for (unsigned i = 0; i < 2; i++) {
		printf("  %10.1f", median(sides[i].ns));
		printf(" [%.1f %.1f]", sides[i].ns[0], sides[i].ns[rounds - 1]);
	}
	printf("  %8.2f", median(ratios));
	printf(" [%.2f %.2f]\n", ratios[0], ratios[rounds - 1]);
}

/* ---- Samples --------------------------------------------------------------------------------- */

static void finish(
		struct sample *sample, const char *name, const ProtobufCMessage *message)
{
	sample->name = name;
	sample->message = message;
	sample->size = protobuf_c_message_get_packed_size(message);
	sample->bytes = malloc(sample->size);
	sample->packed = malloc(sample->size + 64);
	if (!sample->bytes || !sample->packed)
		die("no memory");
	protobuf_c_message_pack(message, sample->bytes);
}

static void drop(struct sample *sample)
{
	free(sample->bytes);
	free(sample->packed);
}

static void make_log_record(struct sample *sample)
{
	static Evchan__Example__LogRecord record;
	static char source[] = "net/connection.c";
	static char text[] = "connection to backend 7 was closed by its peer";

	evchan__example__log_record__init(&record);
	record.time_us = UINT64_C(1764000000000000);
	record.severity = 4;
	record.pid = 31337;
	record.thread = 12;
	record.line = 482;
	record.code = -104;
	record.is_repeated = 1;
	record.duration_ms = 12.75;
	record.source = source;
	record.text = text;
	finish(sample, "log record", &record.base);
}

static void make_telemetry(struct sample *sample)
{
	static Evchan__Example__Telemetry telemetry;
	static Evchan__Example__Point points[POINTS], *list[POINTS];
	static double spectrum[64];
	static int32_t counts[64];
	static char instrument[] = "spectrometer-3", channel[] = "detector/left";

	evchan__example__telemetry__init(&telemetry);
	for (int i = 0; i < POINTS; i++) {
		evchan__example__point__init(&points[i]);
		points[i].time_us = UINT64_C(1764000000000000) + (uint64_t)i * 1000;
		points[i].channel = channel;
		points[i].value = 1.0 / (i + 1);
		points[i].quality = i % 7 - 3;
		list[i] = &points[i];
	}
	for (int i = 0; i < 64; i++) {
		spectrum[i] = i * 0.5;
		counts[i] = i * 100 - 3000;
	}
	telemetry.instrument = instrument;
	telemetry.number = 123456;
	telemetry.n_points = POINTS;
	telemetry.points = list;
	telemetry.n_spectrum = 64;
	telemetry.spectrum = spectrum;
	telemetry.n_counts = 64;
	telemetry.counts = counts;
	finish(sample, "telemetry", &telemetry.base);
}

static void make_frame(struct sample *sample, Evchan__Example__VideoFrame *frame,
		const char *name, size_t pixels)
{
	uint8_t *planes = calloc(1, pixels * 3 / 2);

	if (!planes)
		die("no memory");
	evchan__example__video_frame__init(frame);
	frame->number = 99;
	frame->width = WIDTH;
	frame->height = HEIGHT;
	frame->y = (ProtobufCBinaryData){ pixels, planes };
	frame->u = (ProtobufCBinaryData){ pixels / 4, planes + pixels };
	frame->v = (ProtobufCBinaryData){ pixels / 4, planes + pixels * 5 / 4 };
	finish(sample, name, &frame->base);
}

static void open_types(void)
{
	static const ProtobufCMessageDescriptor *const all[] = {
		&evchan__example__log_record__descriptor,
		&evchan__example__telemetry__descriptor,
		&evchan__example__video_frame__descriptor,
	};

	if (evchan_proto_types_new(&types) < 0 || evchan_proto_arena_new(&arena, 0) < 0)
		die("no memory");
	for (unsigned i = 0; i < 3; i++)
		if (evchan_proto_types_add(types, all[i], 0) < 0)
			die("a type is refused");
}

int main(int argc, char **argv)
{
	static Evchan__Example__VideoFrame frame, small_frame;
	struct sample record = { 0 }, telemetry = { 0 }, small = { 0 }, large = { 0 };

	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		rounds = 3;
		seconds = 0.005;
	}
	open_types();
	make_log_record(&record);
	make_telemetry(&telemetry);
	make_frame(&small, &small_frame, "frame, 48 KiB", 32768);
	make_frame(&large, &frame, "frame, 12.4 MB", (size_t)WIDTH * HEIGHT);
	printf("medians of %u rounds\n", rounds);
	printf("%-7s %-21s %9s %6s  %-30s  %-30s  %s\n", "", "message", "bytes", "allocs",
			"protobuf-c, ns [min max]", "evchan, ns [min max]",
			"times as fast [min max]");
	compare("decode", &record, unpack_stock, decode_ours);
	compare("decode", &telemetry, unpack_stock, decode_ours);
	compare("decode", &small, unpack_stock, decode_ours);
	compare("decode", &large, unpack_stock, decode_ours);
	small.reads_bytes = large.reads_bytes = true;
	large.name = "frame, 12.4 MB, read";
	compare("decode", &large, unpack_stock, decode_ours);
	compare("pack", &record, pack_stock, pack_ours);
	compare("pack", &telemetry, pack_stock, pack_ours);
	drop(&record);
	drop(&telemetry);
	drop(&small);
	drop(&large);
	free(small_frame.y.data);
	free(frame.y.data);
	evchan_proto_arena_free(arena);
	evchan_proto_types_free(types);
	return 0;
}
