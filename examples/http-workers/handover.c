/* SPDX-License-Identifier: MIT */

/*
 * What a worker does with its records.
 *
 * The ring is the buffer. While the collector is slow, stopped or being started again, records stay in it and requests
 * go on being answered. When it is full, the policy of this program applies: the *newest* record is
 * dropped, and counted. Older ones cannot be dropped, they are on their way; waiting would make
 * clients pay for a slow log; a second buffer in the heap would only be a larger ring that dies with the process.
 *
 * The count is made visible in two ways. Each record carries the number of all requests and of the dropped ones up
 * to then, so the next record that gets through tells what is missing before it. And as soon as
 * there is room again (`writable`) a report is sent, because there may be no next record for a while.
 *
 * A collector that dies is evchan's business: the sender hands the ring to the next one.
 */

#include "handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <evchan/proto.h>

#include "program.h"

struct handover {
	struct evchan_sender *sender;
	struct evchan_proto_sender *typed;
	uint32_t worker;
	uint32_t incarnation;
	uint64_t stream;
	uint64_t sequence;
	uint64_t dropped;
	void (*done)(void *arg); /* NULL: not finishing */
	void *done_arg;
};

static void ask_for_drained(struct handover *handover)
{
	int r = evchan_sender_notify_drained(handover->sender);

	if (r < 0)
		complain("%s", evchan_strerror(r));
}

/* No room: `writable` comes again. */
static void report(struct handover *handover)
{
	HttpWorkers__WorkerReport report = HTTP_WORKERS__WORKER_REPORT__INIT;
	int r;

	report.worker = handover->worker;
	report.incarnation = handover->incarnation;
	report.dropped = handover->dropped;
	r = evchan_proto_send(handover->typed, &report.base, 0);
	if (r == 0 && handover->done)
		ask_for_drained(handover);
	else if (r < 0 && r != -EAGAIN)
		complain("%s", evchan_strerror(r));
}

/* So that a collector knows its workers before their first record. */
static void on_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	(void)sender;
	(void)resumed;
	report(arg);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	report(arg);
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	struct handover *handover = arg;

	(void)sender;
	if (handover->done)
		handover->done(handover->done_arg);
}

static void on_refused(struct evchan_sender *sender, int error, const char *text,
		int final, void *arg)
{
	(void)sender;
	(void)error;
	(void)arg;
	complain("the collector refuses%s: %s", final ? " for good" : "", text);
}

/* The sender keeps the set. */
static int open_types(struct handover *handover)
{
	struct evchan_proto_types *types;
	int r;

	r = evchan_proto_types_new(&types);
	if (r < 0)
		return r;
	r = evchan_proto_types_add(types, &http_workers__access_record__descriptor, 0);
	if (r == 0)
		r = evchan_proto_types_add(
				types, &http_workers__worker_report__descriptor, 0);
	if (r == 0)
		r = evchan_proto_sender_new(&handover->typed, handover->sender, types);
	evchan_proto_types_free(types);
	return r;
}

static int open_sender(struct handover *handover, struct evchan_loop *loop,
		const struct handover_options *options)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options sender_options = EVCHAN_SENDER_OPTIONS_INIT;
	char label[32];
	int r;

	callbacks.connected = on_connected;
	callbacks.writable = on_writable;
	callbacks.drained = on_drained;
	callbacks.refused = on_refused;
	snprintf(label, sizeof(label), "worker %u", (unsigned)options->worker);
	sender_options.label = label;
	sender_options.capacity = options->capacity;
	sender_options.flags = EVCHAN_SENDER_WAIT;
	/* A restarted collector is there within milliseconds. */
	sender_options.reconnect_max_ms = 200;
	r = evchan_sender_new(&handover->sender, loop, options->address, &sender_options,
			&callbacks, handover);
	return r < 0 ? r : open_types(handover);
}

int handover_open(struct handover **out, struct evchan_loop *loop,
		const struct handover_options *options)
{
	struct handover *handover = calloc(1, sizeof(*handover));
	int r = -ENOMEM;

	if (handover) {
		handover->worker = options->worker;
		handover->incarnation = options->incarnation;
		r = getrandom(&handover->stream, sizeof(handover->stream), 0) < 0
				? -errno
				: open_sender(handover, loop, options);
	}
	if (r < 0)
		handover_close(handover);
	else
		*out = handover;
	return r;
}

void handover_close(struct handover *handover)
{
	if (!handover)
		return;
	evchan_proto_sender_free(handover->typed);
	evchan_sender_free(handover->sender);
	free(handover);
}

void handover_record(struct handover *handover, HttpWorkers__AccessRecord *record)
{
	record->worker = handover->worker;
	record->incarnation = handover->incarnation;
	record->stream = handover->stream;
	record->sequence = ++handover->sequence;
	record->dropped = handover->dropped;
	/* Whatever the reason is, the request is answered. */
	if (evchan_proto_send(handover->typed, &record->base, 0) < 0)
		handover->dropped++;
}

void handover_finish(struct handover *handover, void (*done)(void *arg), void *arg)
{
	handover->done = done;
	handover->done_arg = arg;
	report(handover);
}

uint64_t handover_pending(const struct handover *handover)
{
	struct evchan_pending pending = EVCHAN_PENDING_INIT;

	evchan_sender_get_pending(handover->sender, &pending);
	return pending.unconsumed_bytes;
}
