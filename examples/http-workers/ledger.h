/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_LEDGER_H
#define HTTP_WORKERS_LEDGER_H

/* What the collector does with records: it counts them, and writes each to the log once. */

#include <evchan/evchan.h>

#include "access.pb-c.h"
#include "totals.h"

struct event_base;
struct ledger;

/* `totals` must outlive it. Returns 0 or a negative errno. */
int ledger_open(struct ledger **ledger, struct event_base *base, const char *log_path,
		struct totals *totals);

/* After the receiver. NULL is allowed. */
void ledger_close(struct ledger *ledger);

/* To be called in the receiver's callbacks of the same names. */
int ledger_joined(struct ledger *ledger, struct evchan_lane *lane);
void ledger_left(struct ledger *ledger, struct evchan_lane *lane);

/* To be called for each message. */
void ledger_record(struct ledger *ledger, struct evchan_receiver *receiver,
		const struct evchan_message *raw,
		const HttpWorkers__AccessRecord *record);
void ledger_report(struct ledger *ledger, const struct evchan_message *raw,
		const HttpWorkers__WorkerReport *report);

/* From now on each line is written before its message is released. Returns 0, or a negative errno if the log
 * cannot be written. */
int ledger_finish(struct ledger *ledger);

#endif
