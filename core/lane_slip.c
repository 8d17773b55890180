/* SPDX-License-Identifier: MIT */
/*
 * Keeping a distance to a sender in full flow.
 *
 * A receiver that has caught up reads the tail after every message, and so takes its cache line away from the
 * sender, which needs it back for the next one. Between two processors that share no cache that costs both of them ten
 * times the message. So a receiver that again and again finds only a few messages waits for a microsecond before it looks
 * again: the sender gets ahead undisturbed, and the next look finds a hundred. The literature calls it temporal slipping
 * (Giacomoni, Moseley, Vachharajani: FastForward for Efficient Pipeline Parallelism, PPoPP 2008).
 *
 * It never delays the first messages that are found in a turn, nor anybody else: not while another lane has work,
 * and only so often in one turn of the loop, however the sender behaves.
 */

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

void lane_slip(struct evchan_lane *lane, struct lane_looks *looks)
{
	struct evchan_receiver *receiver = lane->receiver;
	bool is_close = looks->number >= SLIP_LOOKS && looks->messages < SLIP_MESSAGES;

	looks->number++;
	looks->messages = 0;
	if (!is_close || receiver->slips >= SLIPS_PER_TURN || !list_is_empty(&receiver->ready) ||
			!list_is_empty(&receiver->unfinished))
		return;
	receiver->slips++;
	for (int i = 0; i < SLIP_PAUSES; i++)
		processor_pause();
}
