/* SPDX-License-Identifier: MIT */
/*
 * The ledger. An account is opened before its sender is started, and settled as soon as
 * nothing can be added to it; so memory is bound by the number of lanes that live.
 *
 * Senders' deaths are told by the kernel, receivers' deeds by their log. Invariant: the
 * log of a receiver is read to its end before its own end is dealt with.
 */

#include "ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "process.h"

#define FAULTS_PRINTED 20u
#define GENERATIONS_MAX (1u << 18)
#define OPEN_MAX 65536u

struct ledger {
	const struct storm_options *options;
	struct board *board;
	struct account *accounts[LANES_MAX]; /* NULL: not opened, or settled */
	uint32_t open[OPEN_MAX];             /* lanes */
	unsigned open_count;
	uint32_t generation; /* of the receiver that lives, or lived last */
	bool ended_in_order[GENERATIONS_MAX];
	unsigned faults;
	struct ledger_totals totals;
};

void ledger_fault(struct ledger *ledger, uint64_t *count, uint64_t by, const char *format,
		...)
{
	va_list arguments;

	*count += by;
	if (++ledger->faults > FAULTS_PRINTED)
		return;
	fprintf(stderr, "storm: receiver %u: ", ledger->generation);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

uint64_t *ledger_wrong(struct ledger *ledger)
{
	return &ledger->totals.wrong;
}

struct ledger *ledger_new(const struct storm_options *options, struct board *board)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		process_die("no memory");
	ledger->options = options;
	ledger->board = board;
	return ledger;
}

void ledger_free(struct ledger *ledger)
{
	free(ledger);
}

const struct ledger_totals *ledger_totals(const struct ledger *ledger)
{
	return &ledger->totals;
}

uint64_t ledger_progress(const struct ledger *ledger, uint32_t lane)
{
	return ledger->accounts[lane] ? ledger->accounts[lane]->next : 0;
}

/* ---- Opening and settling
 * ------------------------------------------------------------ */

void ledger_open_lane(struct ledger *ledger, uint32_t lane, unsigned slot)
{
	if (ledger->open_count == OPEN_MAX || lane >= LANES_MAX)
		process_die("too many lanes");
	ledger->accounts[lane] = account_new(
			lane, options_of_sender(ledger->options, slot).capacity);
	ledger->open[ledger->open_count++] = lane;
}

static void settle(struct ledger *ledger, struct account *account)
{
	const struct lane_book *book = &ledger->board->books[account->lane];
	uint64_t sent = atomic_load(&book->sent);

	ledger->totals.lanes++;
	ledger->totals.published += sent > account->next ? sent : account->next;
	if (account->next > atomic_load(&book->begun))
		ledger_fault(ledger, &ledger->totals.wrong, 1,
				"lane %u: more was delivered than was sent",
				account->lane);
	for (unsigned i = 0; i < ledger->open_count; i++)
		if (ledger->open[i] == account->lane)
			ledger->open[i] = ledger->open[--ledger->open_count];
	ledger->accounts[account->lane] = NULL;
	account_free(account);
}

/* Messages that were published for certain, and have not been delivered. */
static uint64_t missing(const struct ledger *ledger, const struct account *account)
{
	uint64_t sent = atomic_load(&ledger->board->books[account->lane].sent);

	return sent > account->next ? sent - account->next : 0;
}

/* `left` was told, and the sender is gone: all must be there. */
static void settle_promised(struct ledger *ledger, struct account *account)
{
	const struct lane_book *book = &ledger->board->books[account->lane];
	uint64_t count = missing(ledger, account);
	bool said_goodbye = account->reason == EVCHAN_LEFT_CLOSED;

	if (count)
		ledger_fault(ledger, &ledger->totals.lost, count,
				"lane %u: %" PRIu64 " messages behind %" PRIu64
				" were not delivered",
				account->lane, count, account->next);
	if (said_goodbye ? !atomic_load(&book->is_leaving) : account->result == 0)
		ledger_fault(ledger, &ledger->totals.wrong, 1,
				"lane %u: left for reason %u, its process ended with %d",
				account->lane, account->reason, account->result);
	settle(ledger, account);
}

/* The sender is gone, and no receiver has its ring. */
static void settle_unpromised(
		struct ledger *ledger, struct account *account, bool has_receiver)
{
	struct ledger_totals *totals = &ledger->totals;
	uint64_t count = missing(ledger, account);

	if (count && atomic_load(&ledger->board->books[account->lane].is_drained))
		ledger_fault(ledger, &totals->lost, count,
				"lane %u: was told that all is consumed, but %" PRIu64
				" messages were not delivered",
				account->lane, count);
	else if (count && has_receiver)
		totals->lanes_with_receiver++, totals->messages_with_receiver += count;
	else if (count)
		totals->lanes_alone++, totals->messages_alone += count;
	settle(ledger, account);
}

void ledger_sender_gone(struct ledger *ledger, uint32_t lane, int result)
{
	struct account *account = ledger->accounts[lane];

	account->is_gone = true;
	account->result = result;
	if (account->has_left)
		settle_promised(ledger, account);
}

void ledger_receiver_started(struct ledger *ledger, uint32_t generation)
{
	if (generation >= GENERATIONS_MAX)
		process_die("too many receivers");
	ledger->generation = generation;
}

void ledger_receiver_gone(struct ledger *ledger, bool in_order)
{
	ledger_take(ledger);
	ledger->ended_in_order[ledger->generation] = in_order;
	for (unsigned i = ledger->open_count; i-- > 0;) {
		struct account *account = ledger->accounts[ledger->open[i]];
		bool had_it = account->joined_in == ledger->generation;

		if (had_it && in_order)
			ledger_fault(ledger, &ledger->totals.wrong, 1,
					"lane %u: the receiver shut down without `left`",
					account->lane);
		account->joined_in = 0;
		if (account->is_gone)
			settle_unpromised(ledger, account, had_it);
	}
}

bool ledger_owes(const struct ledger *ledger)
{
	for (unsigned i = 0; i < ledger->open_count; i++) {
		const struct account *account = ledger->accounts[ledger->open[i]];

		if (account->is_gone && account->joined_in == ledger->generation)
			return true;
	}
	return false;
}

void ledger_close(struct ledger *ledger)
{
	for (unsigned i = 0; i < ledger->open_count; i++)
		ledger_fault(ledger, &ledger->totals.wrong, 1,
				"lane %u is open at the end", ledger->open[i]);
}

/* ---- The log
 * --------------------------------------------------------------------------- */

static void check_id(struct ledger *ledger, struct account *account,
		const struct log_entry *entry)
{
	const uint64_t id[2] = { entry->number, entry->sequence };

	if (account->joins && memcmp(id, account->id, sizeof(id)) != 0)
		ledger_fault(ledger, &ledger->totals.wrong, 1,
				"lane %u has got another id", account->lane);
	for (unsigned i = 0; i < ledger->open_count && !account->joins; i++)
		if (memcmp(id, ledger->accounts[ledger->open[i]]->id, sizeof(id)) == 0)
			ledger_fault(ledger, &ledger->totals.wrong, 1,
					"lanes %u and %u have the same id", account->lane,
					ledger->open[i]);
	memcpy(account->id, id, sizeof(id));
}

static void take_joined(struct ledger *ledger, struct account *account,
		const struct log_entry *entry)
{
	bool may_be_resumed = ledger->generation > 1;

	check_id(ledger, account, entry);
	if (entry->uid != getuid() || account->joined_in || account->has_left ||
			(entry->detail ? !may_be_resumed : account->joins > 0))
		ledger_fault(ledger, &ledger->totals.wrong, 1,
				"lane %u: joined as uid %u, resumed %u, the %uth time",
				account->lane, entry->uid, entry->detail,
				account->joins + 1);
	ledger->totals.resumed += account->joins > 0;
	account->joins++;
	account->joined_in = ledger->generation;
}

/* How far a new receiver goes back, and whether it may. */
static void check_repeat(struct ledger *ledger, struct account *account,
		const struct log_entry *entry)
{
	struct ledger_totals *totals = &ledger->totals;
	uint64_t behind = account->here - entry->number;
	uint64_t floor = account_floor(account);
	uint64_t *window = floor == NO_NUMBER ? &totals->repeat_window
					      : &totals->repeat_window_held;

	if (behind > *window)
		*window = behind;
	if (ledger->ended_in_order[account->generation] ||
			(!account_is_in_window(account, entry->number, entry->sequence) &&
					entry->number < floor))
		ledger_fault(ledger, &totals->beyond_window, behind,
				"lane %u: goes back from %" PRIu64 " to %" PRIu64
				", was held from %" PRId64
				", the receiver before was %u, %s",
				account->lane, account->here, entry->number,
				(int64_t)floor, account->generation,
				ledger->ended_in_order[account->generation] ? "shut down"
									    : "killed");
}

static void begin_receiver(struct ledger *ledger, struct account *account,
		const struct log_entry *entry)
{
	if (entry->number < account->here) {
		check_repeat(ledger, account, entry);
		account->here = entry->number;
	}
	account_forget_holds(account);
	account->generation = ledger->generation;
}

static void take_message(struct ledger *ledger, struct account *account,
		const struct log_entry *entry)
{
	struct ledger_totals *totals = &ledger->totals;

	if (account->joined_in != ledger->generation ||
			entry->number >= atomic_load(&ledger->board->books[account->lane]
									 .begun))
		ledger_fault(ledger, &totals->wrong, 1,
				"lane %u: message %" PRIu64
				" before it has joined or was sent",
				account->lane, entry->number);
	if (account->generation != ledger->generation)
		begin_receiver(ledger, account, entry);
	if (entry->number > account->here)
		ledger_fault(ledger, &totals->lost, entry->number - account->here,
				"lane %u: %" PRIu64 " instead of %" PRIu64, account->lane,
				entry->number, account->here);
	else if (entry->number < account->here)
		ledger_fault(ledger, &totals->out_of_order, 1,
				"lane %u: %" PRIu64 " after %" PRIu64, account->lane,
				entry->number, account->here - 1);
	if (!account_check_sequence(account, entry->number, entry->sequence))
		ledger_fault(ledger, &totals->wrong, 1,
				"lane %u: the sequence of %" PRIu64 " has changed",
				account->lane, entry->number);
	account->here = entry->number + 1;
	if (entry->number < account->next) {
		totals->repeated++;
		return;
	}
	account->next = entry->number + 1;
	totals->delivered++;
}

static void take_left(struct ledger *ledger, struct account *account,
		const struct log_entry *entry)
{
	account->joined_in = 0;
	if (entry->detail == EVCHAN_LEFT_SHUTDOWN)
		return;
	account->has_left = true;
	if (account->here != account->next)
		ledger_fault(ledger, &ledger->totals.lost, account->next - account->here,
				"lane %u: has left before all was repeated",
				account->lane);
	account->reason = entry->detail;
	if (entry->detail != EVCHAN_LEFT_CLOSED && entry->detail != EVCHAN_LEFT_CRASHED)
		ledger_fault(ledger, &ledger->totals.wrong, 1,
				"lane %u: left for reason %u", account->lane,
				entry->detail);
	if (account->is_gone)
		settle_promised(ledger, account);
}

static void take_entry(struct ledger *ledger, const struct log_entry *entry)
{
	struct account *account =
			entry->lane < LANES_MAX ? ledger->accounts[entry->lane] : NULL;

	if (entry->kind == LOG_ERROR) {
		ledger_fault(ledger, &ledger->totals.wrong, 1, "lane %u: error %u",
				entry->lane, entry->detail);
	} else if (!account) {
		/* A hold may outlive its lane. */
		if (entry->kind != LOG_RELEASED)
			ledger_fault(ledger, &ledger->totals.wrong, 1,
					"lane %u: heard of after its end", entry->lane);
	} else if (entry->kind == LOG_JOINED) {
		take_joined(ledger, account, entry);
	} else if (entry->kind == LOG_MESSAGE) {
		take_message(ledger, account, entry);
	} else if (entry->kind == LOG_HELD) {
		ledger->totals.held++;
		account_hold(account, entry->number);
	} else if (entry->kind == LOG_RELEASED) {
		account_release(account, entry->number);
	} else {
		take_left(ledger, account, entry);
	}
}

void ledger_take(struct ledger *ledger)
{
	/* What comes meanwhile is left for the next time, or there would be no end to
	 * it. */
	uint64_t end = atomic_load(&ledger->board->written);
	const struct log_entry *entry;

	while (atomic_load(&ledger->board->taken) < end) {
		entry = board_log_next(ledger->board);
		take_entry(ledger, entry);
		board_log_done(ledger->board);
	}
}
