/* SPDX-License-Identifier: MIT */

/*
 * The collector: one evchan receiver, and an evhttp server for whoever wants to look, on one base.
 *
 * The receiver's turns are bounded (256 messages of a lane, 1024 of all), so /metrics is answered
 * while records pour in.
 *
 * It listens on a socket that the supervisor keeps open ("fd:N"). When the collector dies, workers connect to it again at once, and wait
 * in its queue for the next collector.
 *
 * The end: after SIGTERM evchan_receiver_shutdown() delivers what is there. After SIGUSR1 the supervisor is dead: then
 * nobody will ask again, and the end comes when no worker is left.
 */

#include "collector.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/proto.h>

#include "access.pb-c.h"
#include "fatal.h"
#include "ledger.h"
#include "program.h"
#include "status_server.h"
#include "totals.h"

struct collector {
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_receiver *receiver;
	struct evchan_proto_receiver *typed;
	struct ledger *ledger;
	struct status_server *status_server;
	struct event *terminate_event;
	struct event *orphan_event;
	unsigned lanes;
	bool is_orphan;
	bool is_ending;
	struct totals totals;
};

/* ---- The end ----------------------------------------------------------------------- */

static void begin_end(struct collector *collector)
{
	int r;

	if (collector->is_ending)
		return;
	collector->is_ending = true;
	r = ledger_finish(collector->ledger);
	if (r == 0)
		r = evchan_receiver_shutdown(collector->receiver);
	if (r < 0)
		fatal("the end is not in order: %s", evchan_strerror(r));
}

static void on_shut_down(struct evchan_receiver *receiver, void *arg)
{
	struct collector *collector = arg;

	(void)receiver;
	event_base_loopbreak(collector->base);
}

static void on_terminate(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	begin_end(arg);
}

static void on_orphaned(evutil_socket_t number, short what, void *arg)
{
	struct collector *collector = arg;

	(void)number;
	(void)what;
	complain("the supervisor is gone: the collector ends with the last worker");
	collector->is_orphan = true;
	if (collector->lanes == 0)
		begin_end(collector);
}

/* ---- Messages ----------------------------------------------------------------------- */

static void on_record(const struct evchan_proto_message *message, void *arg)
{
	struct collector *collector = arg;

	ledger_record(collector->ledger, collector->receiver, message->raw,
			(const HttpWorkers__AccessRecord *)message->message);
}

static void on_report(const struct evchan_proto_message *message, void *arg)
{
	struct collector *collector = arg;

	ledger_report(collector->ledger, message->raw,
			(const HttpWorkers__WorkerReport *)message->message);
}

static void on_message(struct evchan_receiver *receiver, const struct evchan_message *raw,
		void *arg)
{
	struct collector *collector = arg;

	(void)receiver;
	if (evchan_proto_dispatch(collector->typed, raw) < 0)
		collector->totals.malformed++;
}

static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	struct collector *collector = arg;

	(void)receiver;
	collector->lanes++;
	if (ledger_joined(collector->ledger, lane) < 0)
		fatal("out of memory");
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct collector *collector = arg;

	(void)receiver;
	(void)reason;
	evchan_proto_left(collector->typed, lane);
	ledger_left(collector->ledger, lane);
	collector->lanes--;
	if (collector->is_orphan && collector->lanes == 0)
		begin_end(collector);
}

static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	(void)receiver;
	(void)lane;
	(void)error;
	(void)arg;
	complain("%s", text);
}

static void on_undecodable(const struct evchan_message *raw,
		const ProtobufCMessageDescriptor *type, int error, size_t offset,
		const char *text, void *arg)
{
	(void)type;
	(void)offset;
	on_error(NULL, raw->lane, error, text, arg);
}

/* ---- The beginning ------------------------------------------------------------------- */

static void open_loop(struct collector *collector)
{
	collector->base = event_base_new();
	if (!collector->base ||
			evchan_libevent_loop_new(&collector->loop, collector->base) < 0)
		fatal("cannot make the loop");
	collector->terminate_event =
			evsignal_new(collector->base, SIGTERM, on_terminate, collector);
	collector->orphan_event =
			evsignal_new(collector->base, SIGUSR1, on_orphaned, collector);
	if (!collector->terminate_event || !collector->orphan_event ||
			event_add(collector->terminate_event, NULL) < 0 ||
			event_add(collector->orphan_event, NULL) < 0)
		fatal("cannot make the events");
}

static void open_types(struct collector *collector)
{
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;
	struct evchan_proto_types *types;

	callbacks.undecodable = on_undecodable;
	if (evchan_proto_types_new(&types) < 0 ||
			evchan_proto_types_add(types,
					&http_workers__access_record__descriptor,
					0) < 0 ||
			evchan_proto_types_add(types,
					&http_workers__worker_report__descriptor,
					0) < 0 ||
			evchan_proto_receiver_new(&collector->typed, types, NULL,
					&callbacks, collector) < 0 ||
			evchan_proto_on(collector->typed,
					&http_workers__access_record__descriptor,
					on_record, collector) < 0 ||
			evchan_proto_on(collector->typed,
					&http_workers__worker_report__descriptor,
					on_report, collector) < 0)
		fatal("out of memory");
	evchan_proto_types_free(types);
}

static void open_receiver(struct collector *collector, const struct sockets *sockets)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	char address[24];
	int r;

	callbacks.message = on_message;
	callbacks.joined = on_joined;
	callbacks.left = on_left;
	callbacks.error = on_error;
	callbacks.shut_down = on_shut_down;
	/* One message of a lane is held at a time; what is behind it counts, too. */
	options.max_held_bytes = UINT64_MAX;
	options.max_lane_bytes = UINT64_C(1) << 30;
	snprintf(address, sizeof(address), "fd:%d", sockets->channel);
	r = evchan_receiver_new(&collector->receiver, collector->loop, address, &options,
			&callbacks, collector);
	if (r < 0)
		fatal("%s: %s", sockets->channel_address, evchan_strerror(r));
}

static void open_all(struct collector *collector, const struct options *options,
		const struct sockets *sockets)
{
	int r;

	open_loop(collector);
	r = ledger_open(&collector->ledger, collector->base, options->log_path,
			&collector->totals);
	if (r < 0)
		fatal("%s: %s", options->log_path, evchan_strerror(r));
	open_types(collector);
	open_receiver(collector, sockets);
	collector->status_server = status_server_open(collector->base, sockets->status,
			collector->receiver, &collector->totals);
	if (!collector->status_server)
		fatal("cannot make the status server");
}

static void clean_up(struct collector *collector)
{
	status_server_close(collector->status_server);
	evchan_receiver_free(collector->receiver);
	ledger_close(collector->ledger);
	evchan_proto_receiver_free(collector->typed);
	evchan_libevent_loop_free(collector->loop);
	event_free(collector->terminate_event);
	event_free(collector->orphan_event);
	event_base_free(collector->base);
}

int collector_run(const struct options *options, const struct sockets *sockets,
		unsigned incarnation, const sigset_t *blocked)
{
	struct collector collector = { 0 };
	struct timespec now;

	/* Of the terminal: the supervisor ends this process when its turn has come. */
	signal(SIGINT, SIG_IGN);
	/* A limit on the size of files is one more reason why the log cannot be written. */
	signal(SIGXFSZ, SIG_IGN);
	clock_gettime(CLOCK_REALTIME, &now);
	collector.totals.start_us =
			(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	collector.totals.incarnation = incarnation;
	collector.totals.worker_count = options->workers;
	open_all(&collector, options, sockets);
	sigprocmask(SIG_UNBLOCK, blocked, NULL);
	event_base_dispatch(collector.base);
	clean_up(&collector);
	return EXIT_SUCCESS;
}
