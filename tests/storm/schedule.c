/* SPDX-License-Identifier: MIT */
/*
 * The blows. Most are kills, some are stops for a while; and receivers are shut down in
 * order now and then.
 *
 * Most kills of a receiver wait until it has delivered what dead senders have left:
 * that is promised only while it lives, and a storm in which both ends die together all
 * the time would prove little. The others do not wait.
 */

#include "schedule.h"

#include "process.h"

#define OWES_MOST (200 * MILLISECOND)

/* The time to the next blow: the average one or any below its double. */
static uint64_t draw_interval(struct random *random, uint64_t average)
{
	return random_below(random, 2000) * (average / 1000);
}

static uint64_t draw_ms(struct random *random, uint64_t most)
{
	return random_below(random, most * 1000) * (MILLISECOND / 1000);
}

void schedule_open(struct schedule *schedule, const struct storm_options *options)
{
	uint64_t now = process_now_ns();
	double time = options->seconds * (double)SECOND;

	*schedule = (struct schedule){
		.senders = random_of(options->seed, UINT64_C(4) << 32),
		.receivers = random_of(options->seed, UINT64_C(5) << 32),
		.next_sender = UINT64_MAX,
		.next_receiver = UINT64_MAX,
	};
	/* One blow of four, or of three, is no kill. */
	if (options->kills_senders)
		schedule->sender_interval =
				(uint64_t)(time * 0.7 / options->kills_senders);
	if (options->kills_receivers)
		schedule->receiver_interval =
				(uint64_t)(time * 0.6 / options->kills_receivers);
	if (schedule->sender_interval)
		schedule->next_sender = now + schedule->sender_interval;
	if (schedule->receiver_interval)
		schedule->next_receiver = now + schedule->receiver_interval;
}

/* Everything is drawn before it is looked whether there is somebody. */
static void strike_sender(struct schedule *schedule, struct supervisor *supervisor)
{
	struct random *random = &schedule->senders;
	unsigned slot = (unsigned)random_below(random, supervisor->options->senders);
	bool stops = random_below(random, 4) == 0;
	bool comes_late = random_below(random, 2);
	uint64_t pause = draw_ms(random, 10);
	uint64_t stop = draw_ms(random, 40);

	schedule->next_sender += draw_interval(random, schedule->sender_interval);
	if (stops && supervisor->slots[slot].pid)
		supervisor_stop_sender(supervisor, slot, stop);
	else if (!stops && supervisor_may_kill(supervisor, slot))
		supervisor_kill_sender(supervisor, slot, comes_late ? pause : 0);
}

static void strike_receiver(struct schedule *schedule, struct supervisor *supervisor)
{
	struct random *random = &schedule->receivers;
	uint64_t kind = random_below(random, 16);
	bool comes_late = random_below(random, 2);
	uint64_t pause = draw_ms(random, 15);
	uint64_t stop = draw_ms(random, 40);

	schedule->next_receiver += draw_interval(random, schedule->receiver_interval);
	if (!supervisor->seat.pid || supervisor->seat.is_ending || schedule->kill_by)
		return;
	if (kind < 2) {
		supervisor_stop_receiver(supervisor, stop);
	} else if (kind < 4) {
		supervisor_end_receiver(supervisor);
	} else {
		schedule->kill_by = process_now_ns() + (kind < 7 ? 0 : OWES_MOST);
		schedule->kill_pause = comes_late ? pause : 0;
	}
}

static void kill_when_due(
		struct schedule *schedule, struct supervisor *supervisor, uint64_t now)
{
	if (!schedule->kill_by ||
			(now < schedule->kill_by && ledger_owes(supervisor->ledger)))
		return;
	schedule->kill_by = 0;
	if (supervisor->seat.pid)
		supervisor_kill_receiver(supervisor, schedule->kill_pause);
}

void schedule_turn(struct schedule *schedule, struct supervisor *supervisor)
{
	uint64_t now = process_now_ns();

	/* While a kill waits for what dead senders have left there are no more of them.
	 * */
	if (now >= schedule->next_sender && !schedule->kill_by)
		strike_sender(schedule, supervisor);
	if (now >= schedule->next_receiver)
		strike_receiver(schedule, supervisor);
	kill_when_due(schedule, supervisor, now);
}
