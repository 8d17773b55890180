/* SPDX-License-Identifier: MIT */

/*
 * /metrics, in Prometheus' text format (version 0.0.4). Counters start at zero with each collector, as those of any
 * process do; `process_start_time_seconds` and the restart counters tell when.
 */

#include "metrics.h"

#include <inttypes.h>

#include <event2/buffer.h>

#include <evchan/evchan.h>

/* Limits of the latency buckets: 2^4 us to 2^24 us (17 s). */
#define FIRST_POWER 4
#define LAST_POWER 24

static void head(struct evbuffer *text, const char *name, const char *type,
		const char *help)
{
	evbuffer_add_printf(text,
			"# HELP http_workers_%s %s\n# TYPE http_workers_%s %s\n", name,
			help, name, type);
}

static void plain(struct evbuffer *text, const char *name, const char *type,
		const char *help, uint64_t value)
{
	head(text, name, type, help);
	evbuffer_add_printf(text, "http_workers_%s %" PRIu64 "\n", name, value);
}

/* One line for each worker. */
#define PER_WORKER(text, totals, name, member) \
	for (unsigned i = 0; i < (totals)->worker_count; i++) \
	evbuffer_add_printf(text, "http_workers_" name "{worker=\"%u\"} %" PRIu64 "\n", \
			i, (uint64_t)(totals)->workers[i].member)

static void write_answers(struct evbuffer *text, const struct totals *totals)
{
	static const char *const classes[] = { "other", "1xx", "2xx", "3xx", "4xx",
		"5xx" };

	head(text, "requests_total", "counter", "Requests whose records have come.");
	for (unsigned i = 0; i < totals->worker_count; i++)
		for (unsigned class = 0; class < 6; class ++)
			if (totals->workers[i].answers[class] > 0 || class == 2)
				evbuffer_add_printf(text,
						"http_workers_requests_total{worker=\"%"
						"u\","
						"code=\"%s\"} %" PRIu64 "\n",
						i, classes[class],
						totals->workers[i].answers[class]);
}

static void write_workers(struct evbuffer *text, const struct totals *totals)
{
	write_answers(text, totals);
	head(text, "response_bytes_total", "counter", "Bytes of their bodies.");
	PER_WORKER(text, totals, "response_bytes_total", body_bytes);
	head(text, "dropped_total", "counter",
			"Records that a worker dropped because its ring was full.");
	PER_WORKER(text, totals, "dropped_total", dropped);
	head(text, "worker_restarts_total", "counter",
			"Times a worker was started again.");
	PER_WORKER(text, totals, "worker_restarts_total", incarnation);
	head(text, "worker_lanes", "gauge",
			"Lanes a worker has here: 1, or 0 while away.");
	PER_WORKER(text, totals, "worker_lanes", lanes);
}

static void write_durations(struct evbuffer *text, const struct histogram *durations)
{
	head(text, "request_duration_seconds", "histogram",
			"From a request's arrival until its answer was given to the "
			"socket.");
	for (unsigned power = FIRST_POWER; power <= LAST_POWER; power++) {
		uint64_t limit = UINT64_C(1) << power;

		/* Whole microseconds: below 2^n is the same as at most 2^n - 1. */
		evbuffer_add_printf(text,
				"http_workers_request_duration_seconds_bucket{le=\"%."
				"6f\"} "
				"%" PRIu64 "\n",
				(double)(limit - 1) / 1e6,
				histogram_below(durations, limit));
	}
	evbuffer_add_printf(text,
			"http_workers_request_duration_seconds_bucket{le=\"+Inf\"} "
			"%" PRIu64 "\n"
			"http_workers_request_duration_seconds_sum %.6f\n"
			"http_workers_request_duration_seconds_count %" PRIu64 "\n",
			durations->count, (double)durations->sum / 1e6, durations->count);
}

static void write_log(struct evbuffer *text, const struct totals *totals)
{
	plain(text, "log_lines_total", "counter", "Lines of the access log.",
			totals->log_lines);
	plain(text, "log_bytes_total", "counter", "Bytes of the access log.",
			totals->log_bytes);
	plain(text, "log_failures_total", "counter",
			"Times the log could not be written.", totals->log_failures);
	plain(text, "repeats_total", "counter",
			"Records passed over, since a collector before this one had "
			"logged them.",
			totals->repeats);
	plain(text, "malformed_total", "counter", "Messages that were no records.",
			totals->malformed);
	plain(text, "collector_restarts_total", "counter",
			"Times the collector was started again.", totals->incarnation);
}

static void write_channel(struct evbuffer *text, const struct evchan_receiver *receiver)
{
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;

	evchan_receiver_get_stats(receiver, &stats);
	plain(text, "channel_messages_total", "counter", "Messages of the channel.",
			stats.messages);
	plain(text, "channel_bytes_total", "counter", "Bytes of these.", stats.bytes);
	plain(text, "channel_lanes", "gauge", "Senders that are connected.", stats.lanes);
	plain(text, "channel_joined_total", "counter", "Senders that have come.",
			stats.joined);
	plain(text, "channel_refused_total", "counter", "Connections that were refused.",
			stats.refused);
	plain(text, "channel_wakeups_total", "counter",
			"Times a sender woke the collector.", stats.wakeups);
	plain(text, "channel_full_total", "counter",
			"Times a sender found its ring full.", stats.times_full);
}

void metrics_write(struct evbuffer *text, const struct totals *totals,
		const struct evchan_receiver *receiver)
{
	write_workers(text, totals);
	write_durations(text, &totals->durations_us);
	write_log(text, totals);
	write_channel(text, receiver);
	evbuffer_add_printf(text,
			"# HELP process_start_time_seconds When this collector began.\n"
			"# TYPE process_start_time_seconds gauge\n"
			"process_start_time_seconds %.3f\n",
			(double)totals->start_us / 1e6);
}
