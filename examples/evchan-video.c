/* SPDX-License-Identifier: MIT */
/*
 * evchan-video: 4K frames (YUV 4:2:0, 12.4 MB) from one process to another, written and read where they lie.
 *
 *	evchan-video receive ADDRESS
 *	evchan-video send ADDRESS [FRAMES]
 *
 * The sender opens the three planes in the ring and lets its "camera" fill them; the receiver sums up every byte of them in the
 * ring. At the end both say how many frames per second that were, and the receiver how many bytes of planes it found anywhere
 * else than in the ring, which is to be none.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/proto.h>

#include "program.h"
#include "telemetry.pb-c.h"

#define WIDTH 3840
#define HEIGHT 2160
#define PIXELS ((size_t)WIDTH * HEIGHT)
#define FRAME_MAX (PIXELS * 3 / 2 + 4096)
/* Two frames at least: one is written while the other is read. */
#define CAPACITY ((uint64_t)64 << 20)

/* Numbers of the fields in telemetry.proto. */
enum { FIELD_Y = 4, FIELD_U = 5, FIELD_V = 6 };

struct program {
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_proto_types *types;
	struct evchan_sender *sender;
	struct evchan_proto_sender *typed_sender;
	struct evchan_proto_receiver *typed_receiver;
	uint64_t count;
	uint64_t frames;
	uint64_t sum;
	uint64_t copied; /* bytes of planes */
	double begin;
	int exit_status;
};

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void say_rate(const struct program *program, const char *what)
{
	double seconds = now_seconds() - program->begin;

	printf("%s %" PRIu64 " frames in %.2f s: %.1f frames/s, %.2f GB/s", what, program->frames, seconds,
			(double)program->frames / seconds,
			(double)program->frames * (double)PIXELS * 1.5 / 1e9 / seconds);
}

/* ---- Sending ---------------------------------------------------------------------------- */

/* Stands for a camera, or a decoder: it writes wherever it is told to. */
static void film(void *plane, size_t size, uint64_t number)
{
	memset(plane, (int)(number & 0xff), size);
}

static int write_plane(struct program *program, struct evchan_proto_writer *writer, uint32_t field,
		size_t size)
{
	struct evchan_span plane;
	int r;

	/* Aligned as vector instructions like it, in both processes. */
	r = evchan_proto_writer_open(&plane, writer, field, size, 64);
	if (r < 0)
		return r;
	film(plane.data, size, program->frames);
	return evchan_proto_writer_close(writer, size);
}

static int write_frame(struct program *program, struct evchan_proto_writer *writer)
{
	Evchan__Example__VideoFrame frame = EVCHAN__EXAMPLE__VIDEO_FRAME__INIT;
	int r;

	frame.number = program->frames;
	frame.width = WIDTH;
	frame.height = HEIGHT;
	r = evchan_proto_writer_fields(writer, &frame.base);
	if (r == 0)
		r = write_plane(program, writer, FIELD_Y, PIXELS);
	if (r == 0)
		r = write_plane(program, writer, FIELD_U, PIXELS / 4);
	if (r == 0)
		r = write_plane(program, writer, FIELD_V, PIXELS / 4);
	return r == 0 ? evchan_proto_writer_commit(writer, 0) : r;
}

static int send_frame(struct program *program)
{
	struct evchan_proto_writer writer;
	int r;

	r = evchan_proto_writer_begin(&writer, program->typed_sender,
			&evchan__example__video_frame__descriptor, FRAME_MAX);
	if (r < 0)
		return r;
	r = write_frame(program, &writer);
	if (r < 0)
		evchan_proto_writer_abort(&writer);
	return r;
}

static void send_frames(struct program *program)
{
	int r = 0;

	while (program->frames < program->count && r == 0) {
		r = send_frame(program);
		if (r == 0)
			program->frames++;
	}
	if (r == 0) {
		evchan_sender_notify_drained(program->sender);
	} else if (r != -EAGAIN) {
		complain("%s", evchan_strerror(r));
		program->exit_status = EXIT_FAILURE;
		event_base_loopbreak(program->base);
	}
}

static void on_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	struct program *program = arg;

	(void)sender;
	if (resumed)
		return;
	program->begin = now_seconds();
	send_frames(program);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	send_frames(arg);
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	struct program *program = arg;

	(void)sender;
	say_rate(program, "sent");
	printf("\n");
	event_base_loopbreak(program->base);
}

static void on_refused(struct evchan_sender *sender, int error, const char *text, int final, void *arg)
{
	struct program *program = arg;

	(void)sender;
	(void)error;
	complain("refused: %s", text);
	program->exit_status = EXIT_FAILURE;
	if (final)
		event_base_loopbreak(program->base);
}

static int run_sender(struct program *program, const char *address)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	int r;

	options.capacity = CAPACITY;
	options.flags = EVCHAN_SENDER_WAIT;
	callbacks.connected = on_connected;
	callbacks.writable = on_writable;
	callbacks.drained = on_drained;
	callbacks.refused = on_refused;
	r = evchan_sender_new(&program->sender, program->loop, address, &options, &callbacks, program);
	if (r < 0)
		return r;
	r = evchan_proto_sender_new(&program->typed_sender, program->sender, program->types);
	if (r == 0)
		event_base_dispatch(program->base);
	evchan_proto_sender_free(program->typed_sender);
	evchan_sender_free(program->sender);
	return r;
}

/* ---- Receiving ------------------------------------------------------------------------- */

/* Whether a plane is where the message is. */
static bool is_in_place(const ProtobufCBinaryData *plane, const struct evchan_message *raw)
{
	uintptr_t start = (uintptr_t)raw->data, at = (uintptr_t)plane->data;

	return at >= start && at + plane->len <= start + raw->size;
}

/* Stands for an encoder, or a screen: it reads every byte. */
static void show(struct program *program, const ProtobufCBinaryData *plane,
		const struct evchan_message *raw)
{
	uint64_t sum = 0, word;

	if (!is_in_place(plane, raw))
		program->copied += plane->len;
	for (size_t at = 0; at + sizeof(word) <= plane->len; at += sizeof(word)) {
		memcpy(&word, plane->data + at, sizeof(word));
		sum += word;
	}
	program->sum += sum;
}

static void on_frame(const struct evchan_proto_message *message, void *arg)
{
	const Evchan__Example__VideoFrame *frame =
			(const Evchan__Example__VideoFrame *)message->message;
	struct program *program = arg;

	if (program->frames++ == 0)
		program->begin = now_seconds();
	show(program, &frame->y, message->raw);
	show(program, &frame->u, message->raw);
	show(program, &frame->v, message->raw);
}

static void on_message(struct evchan_receiver *receiver, const struct evchan_message *raw, void *arg)
{
	struct program *program = arg;

	(void)receiver;
	(void)evchan_proto_dispatch(program->typed_receiver, raw);
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct program *program = arg;

	(void)receiver;
	(void)reason;
	evchan_proto_left(program->typed_receiver, lane);
	say_rate(program, "received");
	printf(", %" PRIu64 " bytes copied\n", program->copied);
	event_base_loopbreak(program->base);
}

static int run_receiver(struct program *program, const char *address)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver *receiver;
	int r;

	callbacks.message = on_message;
	callbacks.left = on_left;
	r = evchan_proto_receiver_new(&program->typed_receiver, program->types, NULL, NULL, program);
	if (r < 0)
		return r;
	(void)evchan_proto_on(program->typed_receiver, &evchan__example__video_frame__descriptor,
			on_frame, program);
	r = evchan_receiver_new(&receiver, program->loop, address, NULL, &callbacks, program);
	if (r == 0) {
		event_base_dispatch(program->base);
		evchan_receiver_free(receiver);
	}
	evchan_proto_receiver_free(program->typed_receiver);
	return r;
}

/* ---- Both ------------------------------------------------------------------------------- */

static int open_program(struct program *program)
{
	int r;

	program->base = event_base_new();
	if (!program->base)
		return -ENOMEM;
	r = evchan_libevent_loop_new(&program->loop, program->base);
	if (r == 0)
		r = evchan_proto_types_new(&program->types);
	if (r == 0)
		r = evchan_proto_types_add(program->types, &evchan__example__video_frame__descriptor, 0);
	return r;
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-video";
	struct program program = { .count = 200 };
	int r;

	program_init(name, argv);
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		puts("Usage: evchan-video receive ADDRESS\n"
		     "       evchan-video send ADDRESS [FRAMES]\n"
		     "Sends 4K frames (200) that are written and read in the ring.");
		return EXIT_SUCCESS;
	}
	if (argc < 3 || argc > 4 || (strcmp(argv[1], "send") != 0 && strcmp(argv[1], "receive") != 0))
		usage_error("'send' or 'receive', and an address");
	if (argc == 4)
		program.count = parse_number("FRAMES", argv[3], 1, UINT64_MAX);
	r = open_program(&program);
	if (r == 0)
		r = strcmp(argv[1], "send") == 0 ? run_sender(&program, argv[2])
						 : run_receiver(&program, argv[2]);
	if (r < 0) {
		complain("%s: %s", argv[2], evchan_strerror(r));
		program.exit_status = EXIT_FAILURE;
	}
	evchan_proto_types_free(program.types);
	evchan_libevent_loop_free(program.loop);
	event_base_free(program.base);
	return program.exit_status;
}
