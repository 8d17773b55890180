/* SPDX-License-Identifier: MIT */
/*
 * evchan-telemetry-send: typed records to evchan-telemetry-receive.
 *
 *	evchan-telemetry-send [--count N] [--label NAME] ADDRESS
 *
 * Sends N log records (default 100000) and, after every hundredth, what an instrument has measured meanwhile. While
 * the lane is full it does nothing; at the end it waits until all is consumed. Each message is packed straight into the ring: no
 * buffer, no malloc.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/proto.h>

#include "program.h"
#include "telemetry.pb-c.h"

#define POINTS 20
#define RECORDS_PER_TURN 1000

struct program {
	struct event_base *base;
	struct event *next_turn;
	struct evchan_sender *sender;
	struct evchan_proto_sender *typed;
	uint64_t count;
	uint64_t sent;
	bool owes_telemetry; /* after the last record */
	int exit_status;
};

static int send_telemetry(struct program *program)
{
	static char name[] = "thermometer", channel[] = "inside";
	Evchan__Example__Telemetry telemetry;
	Evchan__Example__Point points[POINTS], *list[POINTS];

	evchan__example__telemetry__init(&telemetry);
	for (unsigned i = 0; i < POINTS; i++) {
		evchan__example__point__init(&points[i]);
		points[i].time_us = program->sent * 1000 + i;
		points[i].channel = channel;
		points[i].value = 20.0 + i / 10.0;
		list[i] = &points[i];
	}
	telemetry.instrument = name;
	telemetry.number = program->sent / 100;
	telemetry.n_points = POINTS;
	telemetry.points = list;
	return evchan_proto_send(program->typed, &telemetry.base, 0);
}

static int send_record(struct program *program)
{
	static char source[] = "example.c";
	Evchan__Example__LogRecord record;
	char text[64];

	snprintf(text, sizeof(text), "request %llu was answered", (unsigned long long)program->sent);
	evchan__example__log_record__init(&record);
	record.time_us = program->sent;
	record.severity = 6;
	record.source = source;
	record.text = text;
	return evchan_proto_send(program->typed, &record.base, 0);
}

/* Whatever is next. */
static int send_next(struct program *program)
{
	int r;

	if (program->owes_telemetry) {
		r = send_telemetry(program);
		program->owes_telemetry = r < 0;
		return r;
	}
	r = send_record(program);
	if (r == 0)
		program->owes_telemetry = ++program->sent % 100 == 0;
	return r;
}

static void send_some(struct program *program)
{
	static const struct timeval at_once;
	int r = 0;

	for (unsigned i = 0; i < RECORDS_PER_TURN && r == 0; i++) {
		if (program->sent == program->count && !program->owes_telemetry) {
			evchan_sender_notify_drained(program->sender);
			return;
		}
		r = send_next(program);
	}
	if (r == 0) {
		event_add(program->next_turn, &at_once);
	} else if (r != -EAGAIN) { /* full: on_writable() goes on */
		complain("%s", evchan_strerror(r));
		program->exit_status = EXIT_FAILURE;
		event_base_loopbreak(program->base);
	}
}

static void on_next_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_some(arg);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	send_some(arg);
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	struct program *program = arg;

	(void)sender;
	event_base_loopbreak(program->base);
}

static void on_refused(struct evchan_sender *sender, int error, const char *text, int final, void *arg)
{
	struct program *program = arg;

	(void)sender;
	(void)error;
	complain("refused: %s", text);
	if (!final)
		return;
	program->exit_status = EXIT_FAILURE;
	event_base_loopbreak(program->base);
}

static struct evchan_proto_types *make_types(void)
{
	struct evchan_proto_types *types;

	if (evchan_proto_types_new(&types) < 0 ||
			evchan_proto_types_add(types, &evchan__example__log_record__descriptor, 0) < 0 ||
			evchan_proto_types_add(types, &evchan__example__telemetry__descriptor, 0) < 0)
		usage_error("out of memory");
	return types;
}

static const char *read_arguments(struct program *program, struct evchan_sender_options *options, int argc,
		char **argv)
{
	static const struct option known[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "label", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int code;

	program->count = 100000;
	while ((code = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (code) {
		case 'c':
			program->count = parse_number("--count", optarg, 0, UINT64_MAX);
			break;
		case 'l':
			options->label = optarg;
			break;
		case 'h':
			puts("Usage: evchan-telemetry-send [--count N] [--label NAME] ADDRESS\n"
			     "Sends N typed log records (100000), and telemetry after each hundredth.");
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind + 1 != argc)
		usage_error("exactly one address is needed");
	return argv[optind];
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-telemetry-send";
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct program program = { 0 };
	struct evchan_proto_types *types;
	struct evchan_loop *loop;
	const char *address;
	int r;

	program_init(name, argv);
	address = read_arguments(&program, &options, argc, argv);
	options.flags = EVCHAN_SENDER_WAIT;
	callbacks.writable = on_writable;
	callbacks.drained = on_drained;
	callbacks.refused = on_refused;
	types = make_types();
	program.base = event_base_new();
	program.next_turn = program.base ? evtimer_new(program.base, on_next_turn, &program) : NULL;
	if (!program.next_turn || evchan_libevent_loop_new(&loop, program.base) < 0)
		usage_error("no event base");
	r = evchan_sender_new(&program.sender, loop, address, &options, &callbacks, &program);
	if (r == 0)
		r = evchan_proto_sender_new(&program.typed, program.sender, types);
	if (r < 0) {
		complain("%s: %s", address, evchan_strerror(r));
		return EXIT_FAILURE;
	}
	send_some(&program);
	event_base_dispatch(program.base);
	evchan_proto_sender_free(program.typed);
	evchan_sender_free(program.sender);
	evchan_proto_types_free(types);
	evchan_libevent_loop_free(loop);
	event_free(program.next_turn);
	event_base_free(program.base);
	return program.exit_status;
}
