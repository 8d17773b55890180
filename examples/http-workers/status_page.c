/* SPDX-License-Identifier: MIT */

/*
 * The status page. It loads itself again every two seconds and needs no script.
 */

#include "status_page.h"

#include <inttypes.h>
#include <time.h>

#include <event2/buffer.h>

#include <evchan/evchan.h>

static const char beginning[] =
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"refresh\" "
		"content=\"2\">\n<title>http-workers</title>\n"
		"<style>\nbody { font: 15px sans-serif; margin: 2em auto; max-width: "
		"50em; }\n"
		"td, th { padding: 0.2em 1em; text-align: right; }\n"
		"tr:nth-child(even) { background: #eee; }\n.bad { color: #b00; "
		"}\n</style>\n"
		"</head>\n<body>\n<h1>http-workers</h1>\n";

static void row(struct evbuffer *text, const char *name, uint64_t value, const char *unit)
{
	evbuffer_add_printf(text, "<tr><th>%s</th><td>%" PRIu64 " %s</td></tr>\n", name,
			value, unit);
}

static void write_summary(struct evbuffer *text, const struct totals *totals)
{
	double seconds = (double)time(NULL) - (double)totals->start_us / 1e6;

	evbuffer_add_printf(text,
			"<p>This collector has been running for %.0f seconds, and was "
			"started "
			"again %" PRIu32 " times.</p>\n",
			seconds, totals->incarnation);
}

static uint64_t answers_of(const struct worker_totals *worker)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 6; i++)
		sum += worker->answers[i];
	return sum;
}

static void write_workers(struct evbuffer *text, const struct totals *totals)
{
	evbuffer_add_printf(text,
			"<h2>Workers</h2>\n<table>\n<tr><th>worker</th><th>state</th>"
			"<th>requests</th><th>errors</th><th>body "
			"bytes</th><th>dropped</th>"
			"<th>restarts</th></tr>\n");
	for (unsigned i = 0; i < totals->worker_count; i++) {
		const struct worker_totals *worker = &totals->workers[i];

		evbuffer_add_printf(text,
				"<tr><td>%u</td><td%s</td><td>%" PRIu64
				"</td><td>%" PRIu64 "</td><td>%" PRIu64
				"</td><td%s>%" PRIu64 "</td><td>%" PRIu32 "</td></tr>\n",
				i, worker->lanes ? ">here" : " class=\"bad\">away",
				answers_of(worker),
				worker->answers[4] + worker->answers[5],
				worker->body_bytes,
				worker->dropped ? " class=\"bad\"" : "", worker->dropped,
				worker->incarnation);
	}
	evbuffer_add_printf(text, "</table>\n");
}

static void write_durations(struct evbuffer *text, const struct histogram *durations)
{
	static const struct {
		const char *name;
		unsigned permille;
	} quantiles[] = {
		{ "half", 500 },
		{ "90 %", 900 },
		{ "99 %", 990 },
		{ "99.9 %", 999 },
		{ "all", 1000 },
	};

	evbuffer_add_printf(text, "<h2>Latency, at most</h2>\n<table>\n");
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		row(text, quantiles[i].name,
				histogram_quantile(durations, quantiles[i].permille),
				"&micro;s");
	evbuffer_add_printf(text, "</table>\n");
}

static void write_log(struct evbuffer *text, const struct totals *totals)
{
	evbuffer_add_printf(text, "<h2>Log</h2>\n<table>\n");
	row(text, "written", totals->log_lines, "lines");
	row(text, "written", totals->log_bytes, "bytes");
	row(text, "passed over as repeats", totals->repeats, "records");
	row(text, "malformed", totals->malformed, "messages");
	row(text, "failures", totals->log_failures, "");
	evbuffer_add_printf(text, "</table>\n");
}

static void write_channel(struct evbuffer *text, const struct evchan_receiver *receiver)
{
	struct evchan_receiver_stats stats = EVCHAN_RECEIVER_STATS_INIT;

	evchan_receiver_get_stats(receiver, &stats);
	evbuffer_add_printf(text, "<h2>Channel</h2>\n<table>\n");
	row(text, "received", stats.messages, "messages");
	row(text, "woken by senders", stats.wakeups, "times");
	row(text, "rings found full", stats.times_full, "times");
	evbuffer_add_printf(text, "</table>\n");
}

void status_page_write(struct evbuffer *text, const struct totals *totals,
		const struct evchan_receiver *receiver)
{
	evbuffer_add(text, beginning, sizeof(beginning) - 1);
	write_summary(text, totals);
	write_workers(text, totals);
	write_durations(text, &totals->durations_us);
	write_log(text, totals);
	write_channel(text, receiver);
	evbuffer_add_printf(text,
			"<p><a href=\"/metrics\">metrics</a></p>\n</body>\n</html>\n");
}
