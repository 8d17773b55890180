/* SPDX-License-Identifier: MIT */
/*
 * The frames of a connection that only observes: bytes to structs and back.
 *
 * As in control_message.c, all offsets stand here once, lengths are exact, and bytes without a meaning are zero and checked. Of an
 * OBSERVE the part up to its version is the same in all versions. Counters are listed in tables of where they lie in the
 * frame and in the struct, so that both ways use the same list.
 *
 * Nothing here concerns shared memory, so the byte order of the machines does not matter.
 */

#include "observe_message.h"

#include <errno.h>
#include <string.h>

#include <evchan/observe.h>

#include "wire_bytes.h"

enum {
	OBSERVE_MAGIC = 4,    /* 8 bytes */
	OBSERVE_VERSION = 12, /* u32 */
	OBSERVE_VERSION_END = 16,
	OBSERVE_FEATURES = 16, /* u64 */
	OBSERVE_LENGTH = 24,
};

enum {
	OBSERVED_VERSION = 4, /* u32 */
	OBSERVED_VERSION_END = 8,
	OBSERVED_FEATURES = 8, /* u64 */
	OBSERVED_LENGTH = 16,
};

enum {
	ASK_NEXT = 4, /* u32: 0 or 1 */
	ASK_LENGTH = 8,
};

enum {
	MORE_LENGTH = 4
};

enum {
	LANE_STATE = 4,        /* u8 */
	LANE_FLAGS = 5,        /* u8 */
	LANE_LABEL_LENGTH = 6, /* u8 */
	LANE_ZERO = 7,         /* u8 */
	LANE_NUMBER = 8,       /* u64, and all below */
	LANE_PID = 16,         /* u32 */
	LANE_UID = 20,         /* u32 */
	LANE_GID = 24,         /* u32 */
	LANE_MORE_ZERO = 28,   /* u32 */
	LANE_CAPACITY = 32,
	LANE_MESSAGES = 40,
	LANE_BYTES = 48,
	LANE_BELLS_RUNG = 56,
	LANE_WAKEUPS = 64,
	LANE_TIMES_FULL = 72,
	LANE_DEEPEST_FILL = 80,
	LANE_HELD_BYTES = 88,
	LANE_HELD_MESSAGES = 96,
	LANE_FILL = 104,
	LANE_AGE = 112,
	LANE_LABEL = 120,
};
#define LANE_FLAGS_KNOWN 0x0fu
_Static_assert(LANE_LABEL + CONTROL_LABEL_MAX == OBSERVE_LANE_MAX, "the longest LANE");

enum {
	TOTALS_ZERO = 4, /* u32 */
	TOTALS_MESSAGES = 8,
	TOTALS_BYTES = 16,
	TOTALS_LANES = 24,
	TOTALS_JOINED = 32,
	TOTALS_LEFT = 40,
	TOTALS_REFUSED = 48,
	TOTALS_WAKEUPS = 56,
	TOTALS_TURNS = 64,
	TOTALS_BELLS_RUNG = 72,
	TOTALS_TIMES_FULL = 80,
	TOTALS_RING_BYTES = 88,
	TOTALS_AGE = 96,
	TOTALS_LENGTH = 104,
};

struct counter {
	size_t in_frame;
	size_t in_struct;
};

#define LANE_COUNTER(offset, member) \
	{ \
		offset, offsetof(struct evchan_lane_stats, member) \
	}
static const struct counter lane_counters[] = {
	LANE_COUNTER(LANE_MESSAGES, messages),
	LANE_COUNTER(LANE_BYTES, bytes),
	LANE_COUNTER(LANE_BELLS_RUNG, bells_rung),
	LANE_COUNTER(LANE_WAKEUPS, wakeups),
	LANE_COUNTER(LANE_TIMES_FULL, times_full),
	LANE_COUNTER(LANE_DEEPEST_FILL, deepest_fill),
	LANE_COUNTER(LANE_HELD_BYTES, held_bytes),
	LANE_COUNTER(LANE_HELD_MESSAGES, held_messages),
	LANE_COUNTER(LANE_FILL, fill),
	LANE_COUNTER(LANE_AGE, age),
};
#define LANE_COUNTERS (sizeof(lane_counters) / sizeof(lane_counters[0]))

#define TOTAL(offset, member) \
	{ \
		offset, offsetof(struct evchan_receiver_stats, member) \
	}
static const struct counter totals_counters[] = {
	TOTAL(TOTALS_MESSAGES, messages),
	TOTAL(TOTALS_BYTES, bytes),
	TOTAL(TOTALS_LANES, lanes),
	TOTAL(TOTALS_JOINED, joined),
	TOTAL(TOTALS_LEFT, left),
	TOTAL(TOTALS_REFUSED, refused),
	TOTAL(TOTALS_WAKEUPS, wakeups),
	TOTAL(TOTALS_TURNS, turns),
	TOTAL(TOTALS_BELLS_RUNG, bells_rung),
	TOTAL(TOTALS_TIMES_FULL, times_full),
	TOTAL(TOTALS_RING_BYTES, ring_bytes),
	TOTAL(TOTALS_AGE, age),
};
#define TOTALS_COUNTERS (sizeof(totals_counters) / sizeof(totals_counters[0]))

static void put_counters(unsigned char *frame, const void *from,
		const struct counter *counters, size_t count)
{
	uint64_t value;

	for (size_t i = 0; i < count; i++) {
		memcpy(&value, (const char *)from + counters[i].in_struct, sizeof(value));
		wire_put(frame + counters[i].in_frame, value, 8);
	}
}

static void get_counters(void *to, const unsigned char *frame,
		const struct counter *counters, size_t count)
{
	uint64_t value;

	for (size_t i = 0; i < count; i++) {
		value = wire_get(frame + counters[i].in_frame, 8);
		memcpy((char *)to + counters[i].in_struct, &value, sizeof(value));
	}
}

/* ---- Encoding -------------------------------------------------------------------- */

size_t control_encode_observe(unsigned char *out, const struct control_observe *observe)
{
	memcpy(out + OBSERVE_MAGIC, control_magic, CONTROL_MAGIC_BYTES);
	wire_put(out + OBSERVE_VERSION, observe->version, 4);
	wire_put(out + OBSERVE_FEATURES, observe->features, 8);
	return wire_finish_frame(out, CONTROL_OBSERVE, OBSERVE_LENGTH);
}

size_t control_encode_observed(unsigned char *out, const struct control_observe *observed)
{
	wire_put(out + OBSERVED_VERSION, observed->version, 4);
	wire_put(out + OBSERVED_FEATURES, observed->features, 8);
	return wire_finish_frame(out, CONTROL_OBSERVED, OBSERVED_LENGTH);
}

size_t control_encode_ask(unsigned char *out, bool next)
{
	wire_put(out + ASK_NEXT, next, 4);
	return wire_finish_frame(out, CONTROL_ASK, ASK_LENGTH);
}

size_t control_encode_lane(unsigned char *out, const struct control_lane *lane)
{
	size_t label = strnlen(lane->label, CONTROL_LABEL_MAX);

	memset(out, 0, LANE_LABEL);
	out[LANE_STATE] = (unsigned char)lane->state;
	out[LANE_FLAGS] = (unsigned char)lane->flags;
	out[LANE_LABEL_LENGTH] = (unsigned char)label;
	wire_put(out + LANE_NUMBER, lane->number, 8);
	wire_put(out + LANE_PID, (uint32_t)lane->peer.pid, 4);
	wire_put(out + LANE_UID, lane->peer.uid, 4);
	wire_put(out + LANE_GID, lane->peer.gid, 4);
	wire_put(out + LANE_CAPACITY, lane->capacity, 8);
	put_counters(out, &lane->stats, lane_counters, LANE_COUNTERS);
	memcpy(out + LANE_LABEL, lane->label, label);
	return wire_finish_frame(out, CONTROL_LANE, LANE_LABEL + label);
}

size_t control_encode_more(unsigned char *out)
{
	return wire_finish_frame(out, CONTROL_MORE, MORE_LENGTH);
}

size_t control_encode_totals(
		unsigned char *out, const struct evchan_receiver_stats *totals)
{
	wire_put(out + TOTALS_ZERO, 0, 4);
	put_counters(out, totals, totals_counters, TOTALS_COUNTERS);
	return wire_finish_frame(out, CONTROL_TOTALS, TOTALS_LENGTH);
}

/* ---- Decoding -------------------------------------------------------------------- */

enum control_refusal control_decode_observe(struct control_observe *observe,
		const unsigned char *frame, size_t length)
{
	if (length < OBSERVE_VERSION_END ||
			memcmp(frame + OBSERVE_MAGIC, control_magic,
					CONTROL_MAGIC_BYTES) != 0)
		return CONTROL_REFUSE_PROTOCOL;
	if (wire_get(frame + OBSERVE_VERSION, 4) != CONTROL_OBSERVE_VERSION)
		return CONTROL_REFUSE_VERSION;
	if (length != OBSERVE_LENGTH)
		return CONTROL_REFUSE_PROTOCOL;
	if (wire_get(frame + OBSERVE_FEATURES, 8))
		return CONTROL_REFUSE_FEATURES;
	*observe = (struct control_observe){ .version = CONTROL_OBSERVE_VERSION };
	return CONTROL_REFUSE_NONE;
}

int control_decode_observed(struct control_observe *observed, const unsigned char *frame,
		size_t length)
{
	if (length < OBSERVED_VERSION_END)
		return -EPROTO;
	if (wire_get(frame + OBSERVED_VERSION, 4) != CONTROL_OBSERVE_VERSION)
		return -EPROTONOSUPPORT;
	if (length != OBSERVED_LENGTH)
		return -EPROTO;
	if (wire_get(frame + OBSERVED_FEATURES, 8))
		return -EPROTONOSUPPORT;
	*observed = (struct control_observe){ .version = CONTROL_OBSERVE_VERSION };
	return 0;
}

int control_decode_ask(bool *next, const unsigned char *frame, size_t length)
{
	if (length != ASK_LENGTH || wire_get(frame + ASK_NEXT, 4) > 1)
		return -EPROTO;
	*next = wire_get(frame + ASK_NEXT, 4);
	return 0;
}

static bool lane_is_valid(const unsigned char *frame, size_t length)
{
	size_t label;

	if (length < LANE_LABEL)
		return false;
	label = frame[LANE_LABEL_LENGTH];
	return label <= CONTROL_LABEL_MAX && length == LANE_LABEL + label &&
			!memchr(frame + LANE_LABEL, '\0', label) &&
			frame[LANE_ZERO] == 0 &&
			wire_is_zero(frame + LANE_MORE_ZERO,
					LANE_CAPACITY - LANE_MORE_ZERO) &&
			frame[LANE_STATE] >= EVCHAN_LANE_OPEN &&
			frame[LANE_STATE] <= EVCHAN_LANE_HELD &&
			(frame[LANE_FLAGS] & ~LANE_FLAGS_KNOWN) == 0;
}

int control_decode_lane(
		struct control_lane *lane, const unsigned char *frame, size_t length)
{
	struct control_lane decoded = { .stats = EVCHAN_LANE_STATS_INIT };

	if (!lane_is_valid(frame, length))
		return -EPROTO;
	decoded.state = frame[LANE_STATE];
	decoded.flags = frame[LANE_FLAGS];
	decoded.number = wire_get(frame + LANE_NUMBER, 8);
	decoded.peer.pid = (pid_t)wire_get(frame + LANE_PID, 4);
	decoded.peer.uid = (uid_t)wire_get(frame + LANE_UID, 4);
	decoded.peer.gid = (gid_t)wire_get(frame + LANE_GID, 4);
	decoded.capacity = wire_get(frame + LANE_CAPACITY, 8);
	get_counters(&decoded.stats, frame, lane_counters, LANE_COUNTERS);
	memcpy(decoded.label, frame + LANE_LABEL, length - LANE_LABEL);
	*lane = decoded;
	return 0;
}

int control_decode_more(const unsigned char *frame, size_t length)
{
	(void)frame;
	return length == MORE_LENGTH ? 0 : -EPROTO;
}

int control_decode_totals(struct evchan_receiver_stats *totals,
		const unsigned char *frame, size_t length)
{
	struct evchan_receiver_stats decoded = EVCHAN_RECEIVER_STATS_INIT;

	if (length != TOTALS_LENGTH || !wire_is_zero(frame + TOTALS_ZERO, 4))
		return -EPROTO;
	get_counters(&decoded, frame, totals_counters, TOTALS_COUNTERS);
	*totals = decoded;
	return 0;
}
