/* SPDX-License-Identifier: MIT */
/*
 * The processes of a storm. A sender's every life is a lane of its own; a receiver's
 * every life a generation.
 *
 * Surprising: a lost wake-up would not show in the ledger, since nothing is out of
 * order and a kill would set all going again. So the lane of every sender that lives
 * has to get on, see check_progress().
 */

#include "supervisor.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "process.h"

#define PATIENCE (10 * SECOND)
#define LIFE_MESSAGES UINT64_C(4000000)

static uint64_t patience(void)
{
	return PATIENCE * process_slowdown();
}

/* ---- Senders --------------------------------------------------------------------- */

bool supervisor_may_kill(const struct supervisor *supervisor, unsigned slot)
{
	return supervisor->slots[slot].pid &&
			(slot > 0 || supervisor->options->senders == 1);
}

static void start_sender(struct supervisor *supervisor, struct slot *slot, uint64_t now)
{
	uint64_t life = random_next(&supervisor->lives) >> 32;

	slot->role.lane = supervisor->lanes++;
	/* The shorter the more of them. */
	slot->role.leave_at = (life * life >> 32) * LIFE_MESSAGES >> 32;
	if (slot->role.slot == 0)
		slot->role.leave_at = UINT64_MAX;
	ledger_open_lane(supervisor->ledger, slot->role.lane, slot->role.slot);
	slot->pid = process_start(storm_sender, &slot->role);
	slot->wake_at = 0;
	slot->progress = 0;
	slot->progress_at = now;
}

static void sender_gone(struct supervisor *supervisor, struct slot *slot, int result,
		uint64_t start_at)
{
	slot->pid = 0;
	slot->wake_at = 0;
	slot->start_at = start_at;
	ledger_sender_gone(supervisor->ledger, slot->role.lane, result);
}

static void reap_sender(struct supervisor *supervisor, struct slot *slot, uint64_t now)
{
	int result;

	if (!process_poll(slot->pid, &result))
		return;
	if (result != 0)
		ledger_fault(supervisor->ledger, ledger_wrong(supervisor->ledger), 1,
				"the sender of lane %u has ended with %d",
				slot->role.lane, result);
	supervisor->leaves++;
	sender_gone(supervisor, slot, result, now);
}

void supervisor_kill_sender(
		struct supervisor *supervisor, unsigned index, uint64_t pause_ns)
{
	struct slot *slot = &supervisor->slots[index];
	int result;

	kill(slot->pid, SIGKILL);
	result = process_wait(slot->pid);
	if (result == -SIGKILL)
		supervisor->kills_senders++;
	else
		supervisor->leaves++;
	sender_gone(supervisor, slot, result, process_now_ns() + pause_ns);
}

void supervisor_stop_sender(
		struct supervisor *supervisor, unsigned index, uint64_t for_ns)
{
	struct slot *slot = &supervisor->slots[index];

	if (slot->wake_at)
		return;
	kill(slot->pid, SIGSTOP);
	slot->wake_at = process_now_ns() + for_ns;
	supervisor->stops++;
}

static void wake_sender(struct slot *slot, uint64_t now)
{
	kill(slot->pid, SIGCONT);
	slot->wake_at = 0;
	slot->progress_at = now;
}

/* A sender always has something to send, so its lane must get on. */
static void check_progress(struct supervisor *supervisor, struct slot *slot, uint64_t now)
{
	uint64_t progress = ledger_progress(supervisor->ledger, slot->role.lane);
	const struct lane_book *book = &supervisor->board->books[slot->role.lane];

	if (progress != slot->progress || slot->wake_at || supervisor->seat.wake_at) {
		slot->progress = progress;
		slot->progress_at = now;
		return;
	}
	if (now - slot->progress_at < patience())
		return;
	ledger_fault(supervisor->ledger, ledger_wrong(supervisor->ledger), 1,
			"lane %u stands still: begun %" PRIu64 ", published %" PRIu64
			", delivered %" PRIu64,
			slot->role.lane, atomic_load(&book->begun),
			atomic_load(&book->sent), progress);
	slot->progress_at = UINT64_MAX / 2;
}

static void turn_sender(struct supervisor *supervisor, struct slot *slot, uint64_t now)
{
	if (slot->pid)
		reap_sender(supervisor, slot, now);
	if (slot->pid && slot->wake_at && now >= slot->wake_at)
		wake_sender(slot, now);
	if (slot->pid)
		check_progress(supervisor, slot, now);
	else if (!supervisor->is_over && now >= slot->start_at)
		start_sender(supervisor, slot, now);
}

/* ---- Receivers --------------------------------------------------------------------- */

static void start_receiver(struct supervisor *supervisor)
{
	struct seat *seat = &supervisor->seat;

	ledger_receiver_started(supervisor->ledger, ++seat->role.generation);
	seat->pid = process_start(storm_receiver, &seat->role);
	seat->wake_at = 0;
	seat->is_ending = false;
}

static void receiver_gone(struct supervisor *supervisor, int result, uint64_t start_at)
{
	struct seat *seat = &supervisor->seat;

	seat->pid = 0;
	seat->wake_at = 0;
	seat->start_at = start_at;
	ledger_receiver_gone(supervisor->ledger, result == 0);
	if (result != -SIGKILL && (result != 0 || !seat->is_ending))
		ledger_fault(supervisor->ledger, ledger_wrong(supervisor->ledger), 1,
				"the receiver has ended with %d", result);
}

static void reap_receiver(struct supervisor *supervisor, uint64_t now)
{
	int result;

	if (!process_poll(supervisor->seat.pid, &result))
		return;
	supervisor->shutdowns++;
	receiver_gone(supervisor, result, now);
}

/* Its log must not be full, or it could not write down what it does until then. */
void supervisor_kill_receiver(struct supervisor *supervisor, uint64_t pause_ns)
{
	struct seat *seat = &supervisor->seat;
	int result;

	kill(seat->pid, SIGKILL);
	result = process_wait(seat->pid);
	if (result == -SIGKILL)
		supervisor->kills_receivers++;
	receiver_gone(supervisor, result, process_now_ns() + pause_ns);
}

void supervisor_stop_receiver(struct supervisor *supervisor, uint64_t for_ns)
{
	struct seat *seat = &supervisor->seat;

	if (seat->wake_at)
		return;
	kill(seat->pid, SIGSTOP);
	seat->wake_at = process_now_ns() + for_ns;
	supervisor->stops++;
}

void supervisor_end_receiver(struct supervisor *supervisor)
{
	supervisor->seat.is_ending = true;
	kill(supervisor->seat.pid, SIGTERM);
}

static void turn_receiver(struct supervisor *supervisor, uint64_t now)
{
	struct seat *seat = &supervisor->seat;

	if (seat->pid && seat->wake_at && now >= seat->wake_at) {
		kill(seat->pid, SIGCONT);
		seat->wake_at = 0;
	}
	if (seat->pid)
		reap_receiver(supervisor, now);
	if (!seat->pid && now >= seat->start_at)
		start_receiver(supervisor);
}

/* ---- All of them ------------------------------------------------------------------- */

void supervisor_open(struct supervisor *supervisor, const struct storm_options *options)
{
	*supervisor = (struct supervisor){ .options = options };
	supervisor->address = process_path();
	supervisor->board = board_new();
	supervisor->ledger = ledger_new(options, supervisor->board);
	supervisor->lives = random_of(options->seed, UINT64_C(3) << 32);
	supervisor->seat.role = (struct receiver_role){ .options = options,
		.board = supervisor->board,
		.address = supervisor->address };
	for (unsigned i = 0; i < options->senders; i++)
		supervisor->slots[i].role = (struct sender_role){ .options = options,
			.board = supervisor->board,
			.address = supervisor->address,
			.slot = i };
}

void supervisor_turn(struct supervisor *supervisor)
{
	uint64_t now = process_now_ns();

	/* If this process was kept from its turns, the others may have been, too. */
	if (now - supervisor->turn_at > SECOND)
		for (unsigned i = 0; i < supervisor->options->senders; i++)
			supervisor->slots[i].progress_at = now;
	supervisor->turn_at = now;
	ledger_take(supervisor->ledger);
	turn_receiver(supervisor, now);
	for (unsigned i = 0; i < supervisor->options->senders; i++)
		turn_sender(supervisor, &supervisor->slots[i], now);
}

static bool has_senders(const struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->options->senders; i++)
		if (supervisor->slots[i].pid)
			return true;
	return false;
}

/* Turns until there is neither a sender nor what one has left. */
static void await_senders(struct supervisor *supervisor)
{
	uint64_t end = process_now_ns() + 3 * patience();

	while (has_senders(supervisor) || ledger_owes(supervisor->ledger)) {
		supervisor_turn(supervisor);
		process_sleep_ns(MILLISECOND);
		if (process_now_ns() > end) {
			ledger_fault(supervisor->ledger, ledger_wrong(supervisor->ledger),
					1, "senders do not come to an end");
			return;
		}
	}
}

static void await_receiver(struct supervisor *supervisor)
{
	uint64_t end = process_now_ns() + patience();
	int result;

	supervisor_end_receiver(supervisor);
	while (!process_poll(supervisor->seat.pid, &result)) {
		ledger_take(supervisor->ledger);
		process_sleep_ns(MILLISECOND);
		if (process_now_ns() > end) {
			process_kill(supervisor->seat.pid);
			result = -SIGALRM;
			break;
		}
	}
	receiver_gone(supervisor, result, 0);
}

void supervisor_close(struct supervisor *supervisor)
{
	supervisor->is_over = true;
	for (unsigned i = 0; i < supervisor->options->senders; i++) {
		struct slot *slot = &supervisor->slots[i];

		if (slot->pid && slot->wake_at)
			wake_sender(slot, process_now_ns());
		if (slot->pid)
			kill(slot->pid, SIGTERM);
	}
	await_senders(supervisor);
	await_receiver(supervisor);
	ledger_close(supervisor->ledger);
}
