/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_RANDOM_WIRE_H
#define EVCHAN_TESTS_RANDOM_WIRE_H

/*
 * Encodings at random, driven by a descriptor: mostly what an encoder could write, and now and then what none would,
 * because decoders differ at the edges. The same seed gives the same bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

struct random_wire {
	uint64_t state; /* the seed; changes */
	uint8_t *bytes;
	size_t size;
	size_t room;
};

uint64_t random_next(struct random_wire *wire);
/* Below `most`, which is not 0. */
unsigned random_below(struct random_wire *wire, unsigned most);

/* Appends the fields of one message, as many as there is room for. `depth`: of messages in it. */
void random_message(struct random_wire *wire,
		const ProtobufCMessageDescriptor *descriptor, int depth);

/* Changes some bytes, or cuts some off. */
void random_damage(struct random_wire *wire);

/* Whether somewhere in these bytes a message field that is not repeated comes twice: there decoders differ by design. Also said of
 * what cannot be told. */
bool has_message_twice(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
		size_t size);

#endif
