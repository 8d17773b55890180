/* SPDX-License-Identifier: MIT */
/*
 * Comparing somebody's description of a type with a plan. The bytes are private by now, but may say anything: every
 * number is checked, and the work is bounded: a pair of types that was just compared is not compared again, and no
 * more than WORK_MAX fields are looked at in all, because their types can be arranged so that the pairs alternate.
 *
 * What fits is asked for one direction: messages of *their* type are read as *ours*. A field they have and we do not
 * is an unknown field. A field that we have and they do not is one that never comes: that matters only if we require
 * it.
 */

#include "description.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

/* What is left of it. */
struct wire {
	const uint8_t *at;
	const uint8_t *end;
};

/* A field of theirs. */
struct their_field {
	uint32_t id;
	uint8_t class;
	bool is_required;
	bool is_repeated;
	uint32_t place; /* of its type, if it is a message */
};

struct comparison {
	struct wire *types; /* theirs: where each one's fields are */
	size_t count;
	const struct plan **against; /* what each was compared with first */
	unsigned depth;
	size_t work; /* fields looked at */
	enum evchan_proto_match match;
	char *why;
	size_t why_size;
};

/* Pairs of types that are nested deeper are not looked at: their messages could hardly be decoded. */
#define DEPTH_MAX 100

/* A note has room for half as many fields. */
#define WORK_MAX 65536u

static bool take_number(struct wire *wire, uint64_t most, uint64_t *number)
{
	const uint8_t *behind = wire_read_varint(wire->at, wire->end, number);

	if (!behind || *number > most)
		return false;
	wire->at = behind;
	return true;
}

/* Passes the name of a type; what is left of `wire` begins with the number of its fields. */
static bool skip_name(struct wire *wire)
{
	const uint8_t *name;
	size_t length;

	name = wire_read_length(wire->at, wire->end, &length);
	if (!name)
		return false;
	wire->at = name + length;
	return true;
}

static bool take_field(struct wire *wire, size_t type_count, struct their_field *field)
{
	uint64_t delta, place = 0;
	uint8_t byte;

	if (!take_number(wire, UINT32_MAX - field->id, &delta) || delta == 0 ||
			wire->at == wire->end)
		return false;
	field->id += (uint32_t)delta;
	byte = *wire->at++;
	if (byte & ~(DESCRIPTION_CLASS | DESCRIPTION_REQUIRED | DESCRIPTION_REPEATED))
		return false;
	field->class = byte & DESCRIPTION_CLASS;
	field->is_required = byte & DESCRIPTION_REQUIRED;
	field->is_repeated = byte & DESCRIPTION_REPEATED;
	if (field->class == CLASS_MESSAGE && !take_number(wire, type_count - 1, &place))
		return false;
	field->place = (uint32_t)place;
	return true;
}

/* Finds where each type's fields are, and that all of it makes sense. */
static bool read_types(struct comparison *comparison, struct wire *wire)
{
	for (size_t i = 0; i < comparison->count; i++) {
		struct their_field field = { .id = 0 };
		uint64_t count;

		if (!skip_name(wire))
			return false;
		comparison->types[i] = *wire;
		if (!take_number(wire, UINT16_MAX, &count))
			return false;
		while (count--)
			if (!take_field(wire, comparison->count, &field))
				return false;
	}
	return wire->at == wire->end;
}

/* ---- Comparing --------------------------------------------------------------------------- */

static void differ(struct comparison *comparison, enum evchan_proto_match match)
{
	if (comparison->match < match)
		comparison->match = match;
}

/* The first reason is told. */
__attribute__((format(printf, 2, 3))) static void explain(
		struct comparison *comparison, const char *format, ...)
{
	va_list arguments;

	if (comparison->match == EVCHAN_PROTO_INCOMPATIBLE)
		return;
	comparison->match = EVCHAN_PROTO_INCOMPATIBLE;
	if (!comparison->why_size)
		return;
	va_start(arguments, format);
	vsnprintf(comparison->why, comparison->why_size, format, arguments);
	va_end(arguments);
}

static const char *or_nothing(const char *name)
{
	return name ? name : "";
}

static const char *class_text(unsigned class)
{
	static const char *const texts[] = { "an integer", "a zigzag integer",
		"fixed 32 bits", "a float", "fixed 64 bits", "a double",
		"a string or bytes", "a message" };

	return texts[class & DESCRIPTION_CLASS];
}

static void compare_types(
		struct comparison *comparison, size_t place, const struct plan *plan);

static void compare_field(struct comparison *comparison, const struct plan *plan,
		const struct plan_field *ours, const struct their_field *theirs)
{
	unsigned class = description_class_of(ours->descriptor->type);

	if (class != theirs->class) {
		explain(comparison, "field %s.%s (%lu) is %s here and %s there",
				or_nothing(plan->descriptor->name),
				or_nothing(ours->descriptor->name),
				(unsigned long)ours->id, class_text(class),
				class_text(theirs->class));
		return;
	}
	if ((ours->rule == RULE_REPEATED) != theirs->is_repeated ||
			(ours->required_place != 0) != theirs->is_required)
		differ(comparison, EVCHAN_PROTO_COMPATIBLE);
	if (class == CLASS_MESSAGE)
		compare_types(comparison, theirs->place, ours->plan);
}

static void miss_field(struct comparison *comparison, const struct plan *plan,
		const struct plan_field *ours)
{
	differ(comparison, EVCHAN_PROTO_COMPATIBLE);
	if (ours->required_place)
		explain(comparison,
				"field %s.%s (%lu) is required here and unknown there",
				or_nothing(plan->descriptor->name),
				or_nothing(ours->descriptor->name),
				(unsigned long)ours->id);
}

/* Both lists of fields are in the order of their numbers. */
static void compare_fields(
		struct comparison *comparison, struct wire wire, const struct plan *plan)
{
	struct their_field theirs = { .id = 0 };
	unsigned next = 0;
	uint64_t count = 0;

	(void)take_number(&wire, UINT16_MAX, &count);
	comparison->work += (size_t)count + plan->field_count;
	while (count-- && take_field(&wire, comparison->count, &theirs)) {
		while (next < plan->field_count && plan->fields[next].id < theirs.id)
			miss_field(comparison, plan, &plan->fields[next++]);
		if (next < plan->field_count && plan->fields[next].id == theirs.id)
			compare_field(comparison, plan, &plan->fields[next++], &theirs);
		else
			differ(comparison, EVCHAN_PROTO_COMPATIBLE);
	}
	while (next < plan->field_count)
		miss_field(comparison, plan, &plan->fields[next++]);
}

static void compare_types(
		struct comparison *comparison, size_t place, const struct plan *plan)
{
	if (comparison->against[place] == plan || comparison->depth == DEPTH_MAX ||
			comparison->work > WORK_MAX ||
			comparison->match == EVCHAN_PROTO_INCOMPATIBLE)
		return;
	comparison->against[place] = plan;
	comparison->depth++;
	compare_fields(comparison, comparison->types[place], plan);
	comparison->depth--;
}

int description_compare(enum evchan_proto_match *match, const struct plan *plan,
		const uint8_t *bytes, size_t size, char *why, size_t why_size)
{
	struct comparison comparison = { .why = why, .why_size = why ? why_size : 0 };
	struct wire wire = { bytes, bytes + size };
	uint64_t count;
	int r = -EPROTO;

	if (size == 0 || *wire.at++ != DESCRIPTION_VERSION ||
			!take_number(&wire, DESCRIPTION_TYPES_MAX, &count) || count == 0)
		return -EPROTO;
	comparison.count = (size_t)count;
	comparison.types = calloc(comparison.count, sizeof(*comparison.types));
	comparison.against = calloc(comparison.count, sizeof(*comparison.against));
	if (!comparison.types || !comparison.against) {
		r = -ENOMEM;
	} else if (read_types(&comparison, &wire)) {
		if (comparison.why_size)
			why[0] = '\0';
		compare_types(&comparison, 0, plan);
		*match = comparison.match;
		r = 0;
	}
	free(comparison.types);
	free(comparison.against);
	return r;
}
