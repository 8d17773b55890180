/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_CURSOR_H
#define EVCHAN_CORE_CURSOR_H

/*
 * All memory ordering between the two processes of a lane. docs/memory-order.md has the argument in
 * full, tests/model/ the proof by exhaustion; the labels are the same in all three.
 *
 * A *cursor* is a position that one side publishes, and a wish ("wake me at ...") that the other
 * side writes. Two of them make a lane, with the same two steps:
 *
 *	              publisher   position      wish             published means
 *	data cursor   sender      header.tail   page.wake_at     records before tail may be read
 *	space cursor  receiver    page.head     header.wake_at   bytes before head may be overwritten
 *
 *	publish(new)                              arm(p)
 *	[D1][S1]  position := new                 [D3][S3]  wish := p
 *	[D2][S2]  read wish; ring if it is in     [D4][S4]  read position; if it has reached p: there is
 *	          (checked, new]; checked := new            no need to sleep, else sleep until rung
 *
 * Each side stores one word and then loads the other's: Dekker's pattern. All four accesses are
 * sequentially consistent, so in their single total order either [D2] comes after [D3], and the
 * publisher sees the wish and rings, or [D4] comes after [D1], and the sleeper sees the position
 * and stays awake. With anything weaker both could miss (a store may be delayed past a later load,
 * even on x86), and the sleeper would sleep on a full ring for ever.
 *
 * Positions only grow, so a wish is crossed exactly once: nothing has to be cleared after a ring, and
 * no flag exists that a killed peer could leave in the wrong state. A wish is the peer's
 * word and only ever compared.
 */

#include <stdbool.h>

#include "ring_format.h"

/* The publisher's private side of a cursor. */
struct cursor {
	ring_word *position;         /* ours to write */
	const ring_word *peer_wish;  /* NULL: nobody can be woken yet */
	uint64_t checked;            /* the last position at which the wish was looked at */
};

/* Looks at the wish after `position` was stored as seq_cst. Whether the peer must be rung. */
static inline bool cursor_crossed(struct cursor *cursor, uint64_t position)
{
	uint64_t wish;
	bool crossed;

	/* Without a peer `checked` stays: the first look after `welcome` covers all since. */
	if (!cursor->peer_wish)
		return false;
	/* [D2] pairs with [D3], [S2] with [S3]: a wish stored before this load in the total order is
	 * seen here; one stored after it belongs to a peer that will see our position at [D4]/[S4]. */
	wish = atomic_load_explicit(&cursor->peer_wish->value, memory_order_seq_cst);
	crossed = cursor->checked < wish && wish <= position;
	cursor->checked = position;
	return crossed;
}

/* Makes `position` visible and says whether the peer must be rung. */
static inline bool cursor_publish(struct cursor *cursor, uint64_t position)
{
	/* [D1][S1] As a release store it also orders what the position stands for before it: the
	 * record's bytes (data), or our last reads of them (space), so that the peer neither reads
	 * half a record nor overwrites one that is still being read. */
	atomic_store_explicit(&cursor->position->value, position, memory_order_seq_cst);
	return cursor_crossed(cursor, position);
}

/* Makes `position` visible without a look at the wish: a later cursor_publish() of the same or a
 * higher position makes up for it, because `checked` stays behind. Release: as in cursor_publish(). */
static inline void cursor_publish_quietly(struct cursor *cursor, uint64_t position)
{
	atomic_store_explicit(&cursor->position->value, position, memory_order_release);
}

/* The ring that a look has asked for could not be made: the next look finds the wish again. (And maybe one that was
 * crossed long ago: a ring for nothing is harmless.) */
static inline void cursor_not_rung(struct cursor *cursor)
{
	cursor->checked = 0;
}

/*
 * Makes `position` visible and takes a look at the wish that may come too early: without the full barrier of
 * cursor_publish() it can miss a wish that is being stored at this very moment, and only such a one. That is made up for by a
 * cursor_publish() before this process sleeps, since `checked` stays behind here. What it does see it may act on:
 * then the peer is rung after the position was stored, and looks after the ring, so everything up to `position` is told
 * and `checked` may follow. Whether the peer must be rung.
 */
static inline bool cursor_publish_lazily(struct cursor *cursor, uint64_t position)
{
	uint64_t wish;

	cursor_publish_quietly(cursor, position);
	if (!cursor->peer_wish)
		return false;
	wish = atomic_load_explicit(&cursor->peer_wish->value, memory_order_relaxed);
	if (wish <= cursor->checked || wish > position)
		return false;
	cursor->checked = position;
	return true;
}

/* Stores the wish to be woken at `wish`, then loads the peer's position: if that has reached the
 * wish already no ring may come, and the caller must not sleep. The result is the peer's word:
 * check it like any other. */
static inline uint64_t cursor_arm(ring_word *own_wish, uint64_t wish, const ring_word *peer_position)
{
	atomic_store_explicit(&own_wish->value, wish, memory_order_seq_cst); /* [D3][S3] */
	/* [D4] pairs with [D1], [S4] with [S1]. A fresh load: a remembered position would make the
	 * sleeper miss exactly the publication that this step is there to catch. */
	return atomic_load_explicit(&peer_position->value, memory_order_seq_cst);
}

/* The peer's position. Acquire pairs with the release in [D1]/[S1]: whatever the position stands
 * for has happened before. The result is the peer's word: check it, and load no second time. */
static inline uint64_t cursor_observe(const ring_word *peer_position)
{
	return atomic_load_explicit(&peer_position->value, memory_order_acquire);
}

/* For words that carry no order with them: counters, and first values of an object that is not
 * shared yet (passing its descriptor through the kernel orders those). */
static inline void cursor_set(ring_word *word, uint64_t value)
{
	atomic_store_explicit(&word->value, value, memory_order_relaxed);
}

static inline uint64_t cursor_get(const ring_word *word)
{
	return atomic_load_explicit(&word->value, memory_order_relaxed);
}

/* A word whose new value stands for bytes written before it, and which nobody sleeps on: release, for cursor_observe(). */
static inline void cursor_set_after(ring_word *word, uint64_t value)
{
	atomic_store_explicit(&word->value, value, memory_order_release);
}

/* A record's header. Relaxed: the position published after it, or observed before it, carries the order.
 * Atomic all the same: the reader must load each word exactly once, because a
 * hostile sender changes them at any time, and a compiler may load a plain one twice. */
static inline void cursor_record_store(struct ring_record *record, uint32_t size, uint32_t type)
{
	atomic_store_explicit(&record->size, size, memory_order_relaxed);
	atomic_store_explicit(&record->type, type, memory_order_relaxed);
}

static inline void cursor_record_load(const struct ring_record *record, uint32_t *size,
		uint32_t *type)
{
	*size = atomic_load_explicit(&record->size, memory_order_relaxed);
	*type = atomic_load_explicit(&record->type, memory_order_relaxed);
}

#endif
