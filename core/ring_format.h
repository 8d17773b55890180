/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_RING_FORMAT_H
#define EVCHAN_CORE_RING_FORMAT_H

/*
 * The layout of a lane's shared memory. docs/ring-format.md is the reference; the assertions below
 * tie this file to it.
 *
 * Two objects, each written by one side only:
 *
 *	the sender's    struct ring_header, notes up to header_size, then the data area
 *	the receiver's  struct ring_page, one page
 *
 * Words are placed by who writes them and how often: each cursor word has a line of its own, of 128
 * bytes because processors fetch lines in pairs. All fields are fixed-width and 8-aligned, so
 * that a 32-bit and a 64-bit process share a lane. Byte order is the machine's.
 *
 * Nothing in here is dereferenced outside cursor.h, ring_writer and ring_reader.
 */

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define RING_LINE 128
#define RING_HEADER_MAGIC UINT64_C(0x316e616863766572) /* "revchan1" */
#define RING_PAGE_MAGIC UINT64_C(0x3165676170766572)   /* "revpage1" */
#define RING_VERSION 1u

/* Positions stay below this: no sum of two can overflow. At 10 GB/s it takes 14 years. */
#define RING_POSITION_LIMIT (UINT64_C(1) << 62)

/* A position or a wish for one, shared between two processes. */
typedef struct {
	alignas(8) _Atomic uint64_t value;
} ring_word;

struct ring_header {
	/* constants, written before the object is passed on; read once */
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* bytes before the data area */
	uint64_t capacity;    /* bytes of the data area, a power of two */
	uint8_t lane_id[16];
	uint8_t zero_0[88];
	/* published by the sender for every message */
	alignas(RING_LINE) ring_word tail;
	uint8_t zero_1[120];
	/* written by the sender when it wants room */
	alignas(RING_LINE) ring_word wake_at; /* a head position */
	ring_word times_full;                 /* for the receiver's counters only */
	ring_word notes_end;                  /* bytes of notes behind this struct */
	uint8_t zero_2[104];
};

struct ring_page {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* of this object */
	uint8_t zero_0[112];
	/* published by the receiver as it releases */
	alignas(RING_LINE) ring_word head;
	uint8_t zero_1[120];
	/* written by the receiver before it sleeps */
	alignas(RING_LINE) ring_word wake_at; /* a tail position */
	uint8_t zero_2[120];
};

/* Before each payload, and before each note (whose key is in `type`). The pair is read and written as two 32-bit words, once each. */
struct ring_record {
	alignas(8) _Atomic uint32_t size; /* bytes of payload */
	_Atomic uint32_t type;
};

#define RING_RECORD_HEADER ((uint64_t)sizeof(struct ring_record))

static_assert(sizeof(ring_word) == 8, "a word of the format");
static_assert(offsetof(struct ring_header, magic) == 0, "format");
static_assert(offsetof(struct ring_header, version) == 8, "format");
static_assert(offsetof(struct ring_header, header_size) == 12, "format");
static_assert(offsetof(struct ring_header, capacity) == 16, "format");
static_assert(offsetof(struct ring_header, lane_id) == 24, "format");
static_assert(offsetof(struct ring_header, tail) == 128, "format");
static_assert(offsetof(struct ring_header, wake_at) == 256, "format");
static_assert(offsetof(struct ring_header, times_full) == 264, "format");
static_assert(offsetof(struct ring_header, notes_end) == 272, "format");
static_assert(sizeof(struct ring_header) == 384, "format");
static_assert(offsetof(struct ring_page, magic) == 0, "format");
static_assert(offsetof(struct ring_page, version) == 8, "format");
static_assert(offsetof(struct ring_page, header_size) == 12, "format");
static_assert(offsetof(struct ring_page, head) == 128, "format");
static_assert(offsetof(struct ring_page, wake_at) == 256, "format");
static_assert(sizeof(struct ring_page) == 384, "format");
static_assert(sizeof(struct ring_record) == 8, "format");
static_assert(offsetof(struct ring_record, size) == 0, "format");
static_assert(offsetof(struct ring_record, type) == 4, "format");
/* A lock inside the atomic would live in one process and protect nothing between two. */
static_assert(__atomic_always_lock_free(sizeof(ring_word), 0), "64-bit atomics must be lock-free");

/* Ring bytes that a payload takes: its header and padding to 8. In 64 bits, so that no size overflows. */
static inline uint64_t ring_record_bytes(uint64_t payload)
{
	return RING_RECORD_HEADER + ((payload + 7) & ~UINT64_C(7));
}

#endif
