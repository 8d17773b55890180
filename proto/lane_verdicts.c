/* SPDX-License-Identifier: MIT */
/*
 * Whether what a lane's sender means by a type is what we mean.
 *
 * Asked at the first message of each type, answered from the note the sender has made about it, and remembered: one
 * byte per lane and type, and the words of each refusal, because a sender could send nothing but what is refused. A
 * sender that has not described a type (one that packs its messages itself, say) is taken at its word.
 *
 * Lanes are found by their address, in a table of chains, and only after the lane that was asked for last was not it.
 * The address alone is not enough: an application that does not tell us of a lane's end (evchan_proto_left()) may get
 * another lane in its place.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "description.h"
#include "proto_receiver.h"

#define CHAINS_MIN 16

enum verdict {
	VERDICT_UNKNOWN = 0,
	VERDICT_FITS,
	VERDICT_DIFFERS
};

struct refusal {
	struct refusal *next;
	size_t place; /* of the type in the set */
	char why[];
};

struct lane_verdicts {
	struct lane_verdicts *next; /* in its chain */
	const struct evchan_lane *lane;
	uint8_t lane_id[16];
	struct refusal *refusals;
	unsigned char verdicts[]; /* by the place of the type in the set */
};

/* ---- The table ----------------------------------------------------------------------------- */

static struct lane_verdicts **chain_of(
		const struct verdict_table *table, const struct evchan_lane *lane)
{
	uint64_t hash = (uint64_t)((uintptr_t)lane >> 4) * UINT64_C(0x9e3779b97f4a7c15);

	return &table->chains[(size_t)(hash >> 32) & (table->chain_count - 1)];
}

static void put_in_chain(
		const struct verdict_table *table, struct lane_verdicts *verdicts)
{
	struct lane_verdicts **chain = chain_of(table, verdicts->lane);

	verdicts->next = *chain;
	*chain = verdicts;
}

/* Twice as many chains. Whether there are any. */
static bool grow(struct verdict_table *table)
{
	struct verdict_table grown = *table;
	struct lane_verdicts *verdicts;

	grown.chain_count = table->chain_count ? 2 * table->chain_count : CHAINS_MIN;
	grown.chains = calloc(grown.chain_count, sizeof(*grown.chains));
	if (!grown.chains)
		return table->chain_count;
	for (size_t i = 0; i < table->chain_count; i++) {
		while ((verdicts = table->chains[i])) {
			table->chains[i] = verdicts->next;
			put_in_chain(&grown, verdicts);
		}
	}
	free(table->chains);
	*table = grown;
	return true;
}

/* Takes the first of a chain, or of what follows `link`, out. */
static void forget(struct verdict_table *table, struct lane_verdicts **link)
{
	struct lane_verdicts *verdicts = *link;
	struct refusal *refusal;

	*link = verdicts->next;
	if (table->last == verdicts)
		table->last = NULL;
	table->count--;
	while ((refusal = verdicts->refusals)) {
		verdicts->refusals = refusal->next;
		free(refusal);
	}
	free(verdicts);
}

void verdicts_forget(struct verdict_table *table, const struct evchan_lane *lane)
{
	struct lane_verdicts **link;

	if (!table->chain_count)
		return;
	for (link = chain_of(table, lane); *link; link = &(*link)->next) {
		if ((*link)->lane == lane) {
			forget(table, link);
			return;
		}
	}
}

void verdicts_forget_all(struct verdict_table *table)
{
	for (size_t i = 0; i < table->chain_count; i++)
		while (table->chains[i])
			forget(table, &table->chains[i]);
	free(table->chains);
	*table = (struct verdict_table)VERDICT_TABLE_NONE;
}

static bool is_of(const struct lane_verdicts *verdicts, const struct evchan_lane *lane)
{
	uint8_t id[16];

	if (verdicts->lane != lane)
		return false;
	evchan_lane_id(lane, id);
	return memcmp(id, verdicts->lane_id, sizeof(id)) == 0;
}

static struct lane_verdicts *add_lane(struct verdict_table *table,
		const struct evchan_lane *lane, size_t type_count)
{
	struct lane_verdicts *verdicts;

	if (table->count == table->chain_count && !grow(table))
		return NULL;
	verdicts = calloc(1, sizeof(*verdicts) + type_count);
	if (!verdicts)
		return NULL;
	verdicts->lane = lane;
	evchan_lane_id(lane, verdicts->lane_id);
	put_in_chain(table, verdicts);
	table->count++;
	return verdicts;
}

/* The lane's; NULL: no memory. */
static struct lane_verdicts *find_lane(struct verdict_table *table,
		const struct evchan_lane *lane, size_t type_count)
{
	struct lane_verdicts *verdicts = table->last;

	if (verdicts && is_of(verdicts, lane))
		return verdicts;
	verdicts = table->chain_count ? *chain_of(table, lane) : NULL;
	while (verdicts && verdicts->lane != lane)
		verdicts = verdicts->next;
	if (verdicts && !is_of(verdicts, lane)) {
		verdicts_forget(table, lane);
		verdicts = NULL;
	}
	if (!verdicts)
		verdicts = add_lane(table, lane, type_count);
	table->last = verdicts;
	return verdicts;
}

/* ---- Verdicts -------------------------------------------------------------------------------- */

/* Reads the sender's note, and compares. Errors: -ENOMEM. */
static int compare(const struct evchan_lane *lane, const struct known_type *known,
		bool *fits, char *why, size_t why_size)
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

static const char *find_refusal(const struct lane_verdicts *verdicts, size_t place)
{
	const struct refusal *refusal = verdicts->refusals;

	while (refusal && refusal->place != place)
		refusal = refusal->next;
	return refusal ? refusal->why : "";
}

/* Compares, and remembers. Errors: -ENOMEM. */
static int find_verdict(struct lane_verdicts *verdicts, const struct known_type *known,
		size_t place)
{
	struct refusal *refusal;
	char why[256];
	bool fits;
	int r;

	r = compare(verdicts->lane, known, &fits, why, sizeof(why));
	if (r < 0)
		return r;
	if (!fits) {
		size_t size = strlen(why) + 1;

		refusal = malloc(sizeof(*refusal) + size);
		if (!refusal)
			return -ENOMEM;
		refusal->place = place;
		memcpy(refusal->why, why, size);
		refusal->next = verdicts->refusals;
		verdicts->refusals = refusal;
	}
	verdicts->verdicts[place] = fits ? VERDICT_FITS : VERDICT_DIFFERS;
	return 0;
}

int verdict_of(struct evchan_proto_receiver *proto, const struct evchan_lane *lane,
		const struct known_type *known, const char **refusal)
{
	size_t place = (size_t)(known - proto->types->types);
	struct lane_verdicts *verdicts =
			find_lane(&proto->verdicts, lane, proto->types->count);
	int r;

	*refusal = NULL;
	if (!verdicts)
		return -ENOMEM;
	if (verdicts->verdicts[place] == VERDICT_UNKNOWN) {
		r = find_verdict(verdicts, known, place);
		if (r < 0)
			return r;
	}
	if (verdicts->verdicts[place] == VERDICT_DIFFERS)
		*refusal = find_refusal(verdicts, place);
	return 0;
}
