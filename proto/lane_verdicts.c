/* SPDX-License-Identifier: MIT */
/*
 * Whether what a lane's sender means by a type is what we mean.
 *
 * Asked at the first message of each type, answered from the note the sender has made about it, and remembered: one byte per
 * lane and type. A sender that has not described a type (one that packs its messages itself, say) is
 * taken at its word. The lane that was asked for last stands first, so that a stream from one lane costs one comparison.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "description.h"
#include "proto_receiver.h"

enum verdict { VERDICT_UNKNOWN = 0, VERDICT_FITS, VERDICT_DIFFERS };

struct lane_verdicts {
	struct lane_verdicts *next;
	const struct evchan_lane *lane;
	uint8_t lane_id[16]; /* a lane that was freed, and another in its place, are two */
	unsigned char verdicts[]; /* by the place of the type in the set */
};

static void forget(struct lane_verdicts **link)
{
	struct lane_verdicts *lane = *link;

	*link = lane->next;
	free(lane);
}

void verdicts_forget(struct evchan_proto_receiver *proto, const struct evchan_lane *lane)
{
	struct lane_verdicts **link;

	for (link = &proto->lanes; *link; link = &(*link)->next) {
		if ((*link)->lane == lane) {
			forget(link);
			return;
		}
	}
}

void verdicts_forget_all(struct evchan_proto_receiver *proto)
{
	while (proto->lanes)
		forget(&proto->lanes);
}

static struct lane_verdicts *add_lane(struct evchan_proto_receiver *proto, const struct evchan_lane *lane)
{
	struct lane_verdicts *made = calloc(1, sizeof(*made) + proto->types->count);

	if (!made)
		return NULL;
	made->lane = lane;
	evchan_lane_id(lane, made->lane_id);
	made->next = proto->lanes;
	proto->lanes = made;
	return made;
}

static bool is_of(const struct lane_verdicts *known, const struct evchan_lane *lane)
{
	uint8_t id[16];

	if (known->lane != lane)
		return false;
	evchan_lane_id(lane, id);
	return memcmp(id, known->lane_id, sizeof(id)) == 0;
}

/* The lane's, moved to the front. */
static struct lane_verdicts *find_lane(struct evchan_proto_receiver *proto, const struct evchan_lane *lane)
{
	struct lane_verdicts **link, *found;

	for (link = &proto->lanes; *link; link = &(*link)->next) {
		found = *link;
		if (found->lane != lane)
			continue;
		if (!is_of(found, lane)) {
			forget(link);
			break;
		}
		*link = found->next;
		found->next = proto->lanes;
		proto->lanes = found;
		return found;
	}
	return add_lane(proto, lane);
}

/* Reads the sender's note, and compares. Errors: -ENOMEM. */
static int compare(const struct evchan_lane *lane, const struct known_type *known, bool *fits, char *why,
		size_t why_size)
{
	enum evchan_proto_match match = EVCHAN_PROTO_IDENTICAL;
	uint8_t *note;
	size_t size = 0;
	int r;

	*fits = true;
	r = evchan_lane_get_note(lane, known->id, NULL, &size);
	if (r != -ENOBUFS)
		return 0; /* none, or the sender's notes make no sense: the messages will tell */
	note = malloc(size);
	if (!note)
		return -ENOMEM;
	r = evchan_lane_get_note(lane, known->id, note, &size);
	if (r == 0)
		r = description_compare(&match, known->plan, note, size, why, why_size);
	free(note);
	*fits = match != EVCHAN_PROTO_INCOMPATIBLE;
	return r == -ENOMEM ? r : 0;
}

int verdict_of(struct evchan_proto_receiver *proto, const struct evchan_lane *lane,
		const struct known_type *known, bool *fits, char *why, size_t why_size)
{
	struct lane_verdicts *verdicts = find_lane(proto, lane);
	unsigned char *verdict;
	int r = 0;

	if (!verdicts)
		return -ENOMEM;
	verdict = &verdicts->verdicts[known - proto->types->types];
	*fits = *verdict != VERDICT_DIFFERS;
	if (*verdict == VERDICT_FITS)
		return 0;
	/* A refusal is found out again each time, for its words. */
	r = compare(lane, known, fits, why, why_size);
	if (r == 0)
		*verdict = *fits ? VERDICT_FITS : VERDICT_DIFFERS;
	return r;
}
