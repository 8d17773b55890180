/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_OBSERVE_MESSAGE_H
#define EVCHAN_CORE_OBSERVE_MESSAGE_H

/*
 * The frames of a connection that only observes, as bytes; see control_message.h for what all frames have in
 * common, and docs/control-protocol.md for the byte tables.
 *
 *	OBSERVE   observer -> receiver, first, instead of a HELLO; with the observer's credentials
 *	OBSERVED  receiver -> observer: admitted (or REFUSED)
 *	ASK       observer -> receiver: a page, please; the first one of a new snapshot, or the next
 *	LANE      receiver -> observer: one lane; a page has up to OBSERVE_LANES_PER_PAGE of them ...
 *	MORE      ... and ends with this one, if there are more lanes, or
 *	TOTALS    with the receiver's own counters, if that were all
 *	BYE       either way
 *
 * Each page is asked for: a receiver never says more to an observer than that has room for, and keeps nothing for it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <evchan/evchan.h>

#include "control_message.h"

#define CONTROL_OBSERVE_VERSION 1u
#define OBSERVE_LANES_PER_PAGE 16u
/* What a page takes at most: it is sent whole or not at all. */
#define OBSERVE_LANE_MAX (120u + CONTROL_LABEL_MAX)
#define OBSERVE_PAGE_MAX (OBSERVE_LANES_PER_PAGE * OBSERVE_LANE_MAX + CONTROL_FRAME_MAX)

struct control_observe {
	uint32_t version;  /* CONTROL_OBSERVE_VERSION */
	uint64_t features; /* none known yet: must be zero */
};

struct control_lane {
	uint64_t number; /* counts the lanes of one receiver, never used again */
	uint32_t state;  /* enum evchan_lane_state */
	uint32_t flags;  /* enum evchan_observed_flags */
	struct evchan_peer peer;
	uint64_t capacity;
	struct evchan_lane_stats stats;
	char label[CONTROL_LABEL_MAX + 1];
};

/* Each writes one frame to `out` of CONTROL_FRAME_MAX bytes and returns its length. */
size_t control_encode_observe(unsigned char *out, const struct control_observe *observe);
size_t control_encode_observed(
		unsigned char *out, const struct control_observe *observed);
size_t control_encode_ask(unsigned char *out, bool next);
size_t control_encode_lane(unsigned char *out, const struct control_lane *lane);
size_t control_encode_more(unsigned char *out);
size_t control_encode_totals(
		unsigned char *out, const struct evchan_receiver_stats *totals);

/*
 * Decode one whole frame of the right type, and check all of it. The first one's result says why it is refused; order: magic,
 * version, features, the rest. The others' errors: -EPROTO; of OBSERVED also -EPROTONOSUPPORT.
 */
enum control_refusal control_decode_observe(struct control_observe *observe,
		const unsigned char *frame, size_t length);
int control_decode_observed(struct control_observe *observed, const unsigned char *frame,
		size_t length);
int control_decode_ask(bool *next, const unsigned char *frame, size_t length);
int control_decode_lane(
		struct control_lane *lane, const unsigned char *frame, size_t length);
int control_decode_more(const unsigned char *frame, size_t length);
int control_decode_totals(struct evchan_receiver_stats *totals,
		const unsigned char *frame, size_t length);

#endif
