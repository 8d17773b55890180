/* SPDX-License-Identifier: MIT */

/*
 * How a log loses nothing and repeats nothing though its writer is killed.
 *
 * Nothing is lost: of each lane the oldest message whose line is not written yet is held, which keeps it and all
 * behind it in the ring. The buffer is written, and the holds are released, at the end of each pass of
 * the loop (an event that is activated in a callback runs in the same pass, behind the others), or when it is
 * nearly full. A collector that is killed has released only what is in the file.
 *
 * Nothing is repeated: what is in the file and not released comes again, to the next collector. It knows the last
 * sequence of each stream that the file has (log_tail.c), and passes over what is not behind it.
 *
 * If the file cannot be written (a full disk), the receiver is paused and it is tried again each second. Meanwhile
 * the records stay in the rings, and when those are full the workers drop and count. Room for one line is kept
 * at all times: the message that is being delivered when the pause begins still has its line. At the end there is
 * nothing to wait for: then this process ends with an error, and what it has not released goes on to the next one.
 */

#include "ledger.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "access_log.h"
#include "fatal.h"
#include "program.h"

/* The data of a lane. */
struct source {
	LIST_ENTRY(source) link;
	const struct evchan_message
			*unwritten; /* the oldest, held; NULL: there is none */
	bool has_worker;            /* the three below are known */
	uint32_t worker;
	uint64_t dropped;
	uint64_t last; /* sequence that the log has */
	bool is_gone;
};

struct ledger {
	struct totals *totals;
	struct event *flush_event;
	struct event *retry_event;
	struct evchan_receiver *paused; /* NULL: it is not */
	bool is_finishing;
	LIST_HEAD(, source) sources;
	struct log_tail tail;
	struct access_log log;
};

/* ---- Writing ------------------------------------------------------------------- */

static void free_source(struct source *source)
{
	LIST_REMOVE(source, link);
	/* The receiver may be gone; the duty is not. */
	evchan_message_release(source->unwritten);
	free(source);
}

static void release_written(struct ledger *ledger)
{
	struct source *source, *next;

	for (source = LIST_FIRST(&ledger->sources); source; source = next) {
		next = LIST_NEXT(source, link);
		evchan_message_release(source->unwritten);
		source->unwritten = NULL;
		if (source->is_gone)
			free_source(source);
	}
}

static int flush(struct ledger *ledger)
{
	int r = access_log_flush(&ledger->log);

	if (r == 0)
		release_written(ledger);
	return r;
}

static void pause_for_log(
		struct ledger *ledger, struct evchan_receiver *receiver, int error)
{
	static const struct timeval second = { 1, 0 };

	if (!ledger->paused)
		complain("the log cannot be written: %s", evchan_strerror(error));
	ledger->paused = receiver;
	evchan_receiver_pause(receiver);
	event_add(ledger->retry_event, &second);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct ledger *ledger = arg;

	(void)fd;
	(void)what;
	/* If this fails the buffer fills, and ledger_record() sees it. */
	(void)flush(ledger);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct ledger *ledger = arg;
	struct evchan_receiver *receiver = ledger->paused;
	int r = flush(ledger);

	(void)fd;
	(void)what;
	if (r < 0) {
		pause_for_log(ledger, receiver, r);
		return;
	}
	complain("the log can be written again");
	ledger->paused = NULL;
	evchan_receiver_resume(receiver);
}

/* ---- Records ------------------------------------------------------------------- */

static struct worker_totals *worker_of(struct ledger *ledger, const struct source *source)
{
	return &ledger->totals->workers[source->worker];
}

/* The first message of a lane says whose it is. Returns whether this one agrees, and makes sense. */
static bool is_of(struct ledger *ledger, struct source *source, uint32_t worker,
		uint32_t incarnation)
{
	if (!source->has_worker && worker < ledger->totals->worker_count) {
		source->has_worker = true;
		source->worker = worker;
		worker_of(ledger, source)->lanes++;
		if (worker_of(ledger, source)->incarnation < incarnation)
			worker_of(ledger, source)->incarnation = incarnation;
	}
	if (source->has_worker && source->worker == worker)
		return true;
	ledger->totals->malformed++;
	return false;
}

/* Each process counts from 0. */
static void count_dropped(struct ledger *ledger, struct source *source, uint64_t dropped)
{
	if (dropped <= source->dropped)
		return;
	worker_of(ledger, source)->dropped += dropped - source->dropped;
	source->dropped = dropped;
}

static void count(struct ledger *ledger, const struct source *source,
		const HttpWorkers__AccessRecord *record)
{
	struct worker_totals *worker = worker_of(ledger, source);
	unsigned class = record->status / 100;

	worker->answers[class <= 5 ? class : 0]++;
	worker->body_bytes += record->body_bytes;
	histogram_add(&ledger->totals->durations_us, record->duration_us);
}

/* Whether the log has it already. */
static bool is_repeat(struct ledger *ledger, struct source *source,
		const HttpWorkers__AccessRecord *record)
{
	if (source->last == 0)
		source->last = log_tail_last(&ledger->tail, record->stream);
	if (record->sequence <= source->last) {
		ledger->totals->repeats++;
		return true;
	}
	source->last = record->sequence;
	return false;
}

/* Sees to it that the message outlives its callback until its line is written. Without memory for that the line
 * is written before its callback ends. */
static int keep_until_written(struct ledger *ledger, struct source *source,
		const struct evchan_message *raw)
{
	if (!source->unwritten && evchan_message_hold(&source->unwritten, raw) < 0) {
		source->unwritten = NULL;
		return flush(ledger);
	}
	event_active(ledger->flush_event, EV_TIMEOUT, 0);
	return access_log_has_room(&ledger->log) ? 0 : flush(ledger);
}

void ledger_record(struct ledger *ledger, struct evchan_receiver *receiver,
		const struct evchan_message *raw, const HttpWorkers__AccessRecord *record)
{
	struct source *source = evchan_lane_data(raw->lane);
	int r;

	if (!is_of(ledger, source, record->worker, record->incarnation))
		return;
	count_dropped(ledger, source, record->dropped);
	if (is_repeat(ledger, source, record))
		return;
	count(ledger, source, record);
	access_log_append(&ledger->log, record);
	r = ledger->is_finishing ? flush(ledger)
				 : keep_until_written(ledger, source, raw);
	if (r < 0 && ledger->is_finishing)
		fatal("the log cannot be written: %s", evchan_strerror(r));
	if (r < 0 && !access_log_has_room(&ledger->log))
		pause_for_log(ledger, receiver, r);
}

void ledger_report(struct ledger *ledger, const struct evchan_message *raw,
		const HttpWorkers__WorkerReport *report)
{
	struct source *source = evchan_lane_data(raw->lane);

	if (is_of(ledger, source, report->worker, report->incarnation))
		count_dropped(ledger, source, report->dropped);
}

/* ---- Lanes --------------------------------------------------------------------- */

int ledger_joined(struct ledger *ledger, struct evchan_lane *lane)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return -ENOMEM;
	evchan_lane_set_data(lane, source);
	LIST_INSERT_HEAD(&ledger->sources, source, link);
	return 0;
}

/* The source goes with its last line. */
void ledger_left(struct ledger *ledger, struct evchan_lane *lane)
{
	struct source *source = evchan_lane_data(lane);

	if (source->has_worker)
		worker_of(ledger, source)->lanes--;
	source->is_gone = true;
	if (!source->unwritten)
		free_source(source);
}

/* ---- The whole ----------------------------------------------------------------- */

int ledger_open(struct ledger **out, struct event_base *base, const char *log_path,
		struct totals *totals)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	int r;

	if (!ledger)
		return -ENOMEM;
	ledger->totals = totals;
	LIST_INIT(&ledger->sources);
	ledger->flush_event = evtimer_new(base, on_flush, ledger);
	ledger->retry_event = evtimer_new(base, on_retry, ledger);
	r = ledger->flush_event && ledger->retry_event
			? access_log_open(&ledger->log, &ledger->tail, log_path, totals)
			: -ENOMEM;
	if (r < 0) {
		if (ledger->flush_event)
			event_free(ledger->flush_event);
		if (ledger->retry_event)
			event_free(ledger->retry_event);
		free(ledger);
		return r;
	}
	*out = ledger;
	return 0;
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	while (!LIST_EMPTY(&ledger->sources))
		free_source(LIST_FIRST(&ledger->sources));
	access_log_close(&ledger->log);
	log_tail_free(&ledger->tail);
	event_free(ledger->flush_event);
	event_free(ledger->retry_event);
	free(ledger);
}

int ledger_finish(struct ledger *ledger)
{
	ledger->is_finishing = true;
	event_del(ledger->retry_event);
	ledger->paused = NULL;
	return flush(ledger);
}
