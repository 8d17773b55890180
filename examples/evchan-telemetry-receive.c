/* SPDX-License-Identifier: MIT */
/*
 * evchan-telemetry-receive: typed records from any number of processes.
 *
 *	evchan-telemetry-receive [--senders N] [--verbose] ADDRESS
 *
 * One callback for each type. Ends after N senders (default 1) have come and gone, and then says what came from each. The strings it
 * gets are copies that live until the callback returns.
 */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/proto.h>

#include "program.h"
#include "telemetry.pb-c.h"

struct program {
	struct event_base *base;
	struct evchan_proto_receiver *typed;
	uint64_t senders; /* to go */
	bool is_verbose;
};

/* What has come from one sender: the data of its lane. */
struct source {
	uint64_t records;
	uint64_t telemetries;
	uint64_t points;
	double sum;
	uint64_t undecodable;
};

static struct source *source_of(const struct evchan_message *raw)
{
	return evchan_lane_data(raw->lane);
}

static void on_record(const struct evchan_proto_message *message, void *arg)
{
	const Evchan__Example__LogRecord *record =
			(const Evchan__Example__LogRecord *)message->message;
	const struct program *program = arg;

	source_of(message->raw)->records++;
	if (program->is_verbose)
		printf("%s: <%" PRIu32 "> %s: %s\n", evchan_lane_label(message->raw->lane),
				record->severity, record->source, record->text);
}

static void on_telemetry(const struct evchan_proto_message *message, void *arg)
{
	const Evchan__Example__Telemetry *telemetry =
			(const Evchan__Example__Telemetry *)message->message;
	struct source *source = source_of(message->raw);

	(void)arg;
	source->telemetries++;
	source->points += telemetry->n_points;
	for (size_t i = 0; i < telemetry->n_points; i++)
		source->sum += telemetry->points[i]->value;
}

static void on_undecodable(const struct evchan_message *raw, const ProtobufCMessageDescriptor *type,
		int error, size_t offset, const char *text, void *arg)
{
	(void)type;
	(void)error;
	(void)offset;
	(void)arg;
	source_of(raw)->undecodable++;
	complain("%s", text);
}

static void on_message(struct evchan_receiver *receiver, const struct evchan_message *raw, void *arg)
{
	struct program *program = arg;

	(void)receiver;
	(void)evchan_proto_dispatch(program->typed, raw);
}

static void on_joined(struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	struct source *source = calloc(1, sizeof(*source));

	(void)receiver;
	(void)arg;
	if (!source)
		abort();
	evchan_lane_set_data(lane, source);
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct source *source = evchan_lane_data(lane);
	struct program *program = arg;

	(void)receiver;
	printf("%s (pid %ld): %" PRIu64 " records, %" PRIu64 " telemetries of %" PRIu64
	       " points, mean %.2f%s\n",
			evchan_lane_label(lane), (long)evchan_lane_peer(lane).pid, source->records,
			source->telemetries, source->points,
			source->points ? source->sum / (double)source->points : 0.0,
			reason == EVCHAN_LEFT_CLOSED ? "" : ", cut off");
	free(source);
	evchan_proto_left(program->typed, lane);
	if (--program->senders == 0)
		event_base_loopbreak(program->base);
}

static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane, int error,
		const char *text, void *arg)
{
	(void)receiver;
	(void)lane;
	(void)error;
	(void)arg;
	complain("%s", text);
}

static void open_types(struct program *program)
{
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;
	struct evchan_proto_types *types;

	callbacks.undecodable = on_undecodable;
	if (evchan_proto_types_new(&types) < 0 ||
			evchan_proto_types_add(types, &evchan__example__log_record__descriptor, 0) < 0 ||
			evchan_proto_types_add(types, &evchan__example__telemetry__descriptor, 0) < 0 ||
			evchan_proto_receiver_new(&program->typed, types, NULL, &callbacks, program) < 0)
		usage_error("out of memory");
	(void)evchan_proto_on(program->typed, &evchan__example__log_record__descriptor, on_record,
			program);
	(void)evchan_proto_on(program->typed, &evchan__example__telemetry__descriptor, on_telemetry,
			program);
	/* The receiver keeps it. */
	evchan_proto_types_free(types);
}

static const char *read_arguments(struct program *program, int argc, char **argv)
{
	static const struct option known[] = {
		{ "senders", required_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int code;

	program->senders = 1;
	while ((code = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (code) {
		case 's':
			program->senders = parse_number("--senders", optarg, 1, UINT64_MAX);
			break;
		case 'v':
			program->is_verbose = true;
			break;
		case 'h':
			puts("Usage: evchan-telemetry-receive [--senders N] [--verbose] ADDRESS\n"
			     "Receives typed records, and says what came, until N senders (1) are gone.");
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
	static char name[] = "evchan-telemetry-receive";
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct program program = { 0 };
	struct evchan_receiver *receiver;
	struct evchan_loop *loop;
	const char *address;
	int r;

	program_init(name, argv);
	address = read_arguments(&program, argc, argv);
	callbacks.message = on_message;
	callbacks.joined = on_joined;
	callbacks.left = on_left;
	callbacks.error = on_error;
	open_types(&program);
	program.base = event_base_new();
	if (!program.base || evchan_libevent_loop_new(&loop, program.base) < 0)
		usage_error("no event base");
	r = evchan_receiver_new(&receiver, loop, address, NULL, &callbacks, &program);
	if (r < 0) {
		complain("%s: %s", address, evchan_strerror(r));
		return EXIT_FAILURE;
	}
	event_base_dispatch(program.base);
	evchan_receiver_free(receiver);
	evchan_proto_receiver_free(program.typed);
	evchan_libevent_loop_free(loop);
	event_base_free(program.base);
	return EXIT_SUCCESS;
}
