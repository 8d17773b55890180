/* SPDX-License-Identifier: MIT */
/*
 * Waiting on the processor instead of in the loop: to keep a distance to a sender in full flow, and by option
 * (evchan_receiver_options.spin_us) for the next message.
 *
 * A receiver that has caught up reads the tail after every message, and so takes its cache line away from the
 * sender, which needs it back for the next one. Between two processors that share no cache that costs both of them ten
 * times the message. So a receiver that again and again finds only a few messages waits for a microsecond before it looks
 * again: the sender gets ahead undisturbed, and the next look finds a hundred. The literature calls it temporal slipping
 * (Giacomoni, Moseley, Vachharajani: FastForward for Efficient Pipeline Parallelism, PPoPP 2008).
 *
 * It never delays the first messages that are found in a turn, nor anybody else: not while another lane has work,
 * and only so often in one turn of the loop, however the sender behaves.
 *
 * The option is the opposite: the tail is watched all the time, for as long as the application thinks that being
 * woken costs. Once for each time that something was delivered, so that an idle lane costs nothing.
 */

#include "clock.h"
#include "lane.h"
#include "processor_pause.h"
#include "receiver.h"

/* After so many looks in a row it is a flow, in which fewer messages than this per look are few. */
#define SLIP_LOOKS 3
#define SLIP_MESSAGES 32
/* About a microsecond on today's x86, see docs/decisions.md. */
#define SLIP_PAUSES 48
/* In one turn of the loop, all lanes together. */
#define SLIPS_PER_TURN 32

/* Looks between two looks at the clock, which cost more. */
#define SPIN_LOOKS 16
/* As many messages no lane has delivered: it may be watched. */
#define NEVER_SPUN UINT64_MAX

static bool others_have_work(const struct evchan_receiver *receiver)
{
	return !list_is_empty(&receiver->ready) || !list_is_empty(&receiver->unfinished);
}

void lane_slip(struct evchan_lane *lane, struct lane_looks *looks, uint32_t messages_left)
{
	struct evchan_receiver *receiver = lane->receiver;
	bool is_close = looks->number >= SLIP_LOOKS &&
			looks->messages_left - messages_left < SLIP_MESSAGES;

	looks->number++;
	looks->messages_left = messages_left;
	if (!is_close || receiver->slips >= SLIPS_PER_TURN || others_have_work(receiver))
		return;
	receiver->slips++;
	for (int i = 0; i < SLIP_PAUSES; i++)
		processor_pause();
}

static bool lane_may_spin(const struct evchan_lane *lane)
{
	const struct evchan_receiver *receiver = lane->receiver;

	return receiver->options.spin_us && lane->messages != lane->messages_at_spin &&
			!receiver_is_pulled(receiver) && !receiver->is_shutting_down &&
			!others_have_work(receiver);
}

/* The first watch of a turn says when the turn's watching ends; returns whether this is it. */
static bool receiver_begin_spin(struct evchan_receiver *receiver)
{
	if (receiver->spin_end)
		return false;
	receiver->spin_end =
			clock_nanoseconds() + receiver->options.spin_us * UINT64_C(1000);
	return true;
}

enum lane_spun lane_spin(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;
	bool is_first;

	if (!lane_may_spin(lane))
		return LANE_SPUN_IN_VAIN;
	lane->messages_at_spin = lane->messages;
	is_first = receiver_begin_spin(receiver);
	do {
		for (int i = 0; i < SPIN_LOOKS; i++) {
			/* An impossible tail is found, and said, by the look that follows. */
			if (ring_reader_unread(&lane->reader))
				return LANE_SPUN_CAUGHT;
			processor_pause();
		}
	} while (clock_nanoseconds() < receiver->spin_end);
	if (is_first)
		return LANE_SPUN_IN_VAIN;
	lane->messages_at_spin = NEVER_SPUN;
	return LANE_SPUN_OUT_OF_TIME;
}
