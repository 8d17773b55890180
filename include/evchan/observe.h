/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_OBSERVE_H
#define EVCHAN_OBSERVE_H

/**
 * @file evchan/observe.h
 *
 * Looking into a receiver from another process: which lanes it has, whose they are, how
 * full they are. `evchan-top` and `evchan-stat` are made with it.
 *
 * An observer connects to the receiver's address like a sender and passes the same check
 * of its credentials, but brings no ring, sends no messages and takes no sender's place.
 * One whose user is the receiver's own, or root, sees all lanes; any other sees those of
 * its own user, and the totals. A receiver takes a few observers at once, answers each
 * when it asks, in pages that are sent whole or not at all, and hangs up on one that does
 * not read them: an observer, whatever it does, costs a receiver a small part of its
 * time and nothing else. EVCHAN_RECEIVER_NO_OBSERVERS keeps them out.
 *
 * The rules of <evchan/evchan.h> hold here too.
 */

#include <evchan/evchan.h>

#ifdef __cplusplus
extern "C" {
#endif

struct evchan_observer;

/** How far a lane has come. */
enum evchan_lane_state {
	EVCHAN_LANE_OPEN = 1,     /* its sender is connected */
	EVCHAN_LANE_DRAINING = 2, /* it is gone: what it had published is still delivered */
	EVCHAN_LANE_ENDED = 3,    /* nothing more is delivered, `left` is to come */
	EVCHAN_LANE_HELD = 4,     /* it has left, but for messages that are held */
};

/** What is the matter with a lane. */
enum evchan_observed_flags {
	EVCHAN_OBSERVED_PAUSED = 1 << 0,     /* this lane, or the whole receiver */
	EVCHAN_OBSERVED_RESUMED = 1 << 1,    /* taken over from an earlier receiver */
	EVCHAN_OBSERVED_COPIED = 1 << 2,     /* messages are copied before delivery */
	EVCHAN_OBSERVED_LEFT_ALONE = 1 << 3, /* not listened to for a moment: it rang in
	                                      * vain too often, or memory is short */
};

/** A lane of the observed receiver. Made by the library, read by the caller; later
 *  versions may add members at the end, so never copy it by value. Valid, with all it
 *  points to, during the callback. */
struct evchan_observed_lane {
	uint64_t number;         /* counts this receiver's lanes: never used again */
	struct evchan_peer peer; /* the sender, as the receiver knows it */
	enum evchan_lane_state state; /* how far it has come */
	uint32_t flags;          /* enum evchan_observed_flags */
	uint64_t capacity;       /* of the ring, bytes */
	const char *label;       /* the sender's words: escape it before it reaches a
	                          * terminal */
	const struct evchan_lane_stats *stats; /* from the receiver's side */
};

/** Every member may be NULL. Each may free the observer. */
struct evchan_observer_callbacks {
	size_t size;
	/** One lane of the snapshot that was asked for. */
	void (*lane)(struct evchan_observer *observer,
			const struct evchan_observed_lane *lane, void *arg);
	/** The snapshot is complete: all lanes were told. `totals` are the receiver's own
	 *  counters, valid during the call; `times_full` counts the lanes that were told. */
	void (*snapshot)(struct evchan_observer *observer,
			const struct evchan_receiver_stats *totals, void *arg);
	/** It is over, for good: 0 the receiver said goodbye, -ECONNRESET it is gone, or hung
	 *  up on an observer that broke the rules; refused: -EACCES, -EUSERS, -ETIMEDOUT,
	 *  -ESHUTDOWN, -EPROTONOSUPPORT and others, see evchan_strerror(); -EPROTO what it
	 *  says makes no sense; -ENOMEM. `text` is one phrase, the receiver's if it has said
	 *  why, valid during the call. Free the observer; make another to try again. */
	void (*ended)(struct evchan_observer *observer, int error, const char *text,
			void *arg);
};
#define EVCHAN_OBSERVER_CALLBACKS_INIT \
	{ sizeof(struct evchan_observer_callbacks), NULL, NULL, NULL }

/**
 * Connects to a receiver as an observer.
 *
 * @param[out] observer  free it with evchan_observer_free().
 * @param loop       must outlive the observer.
 * @param address    the receiver's, see "Addresses" in <evchan/evchan.h>; those of a sender.
 * @param callbacks  NULL for none; copied.
 * @param arg        handed to every callback, never looked at.
 *
 * Errors: -ENOENT or -ECONNREFUSED no receiver is there; -EAGAIN its queue is full, try later;
 * -EACCES the socket may not be connected to; -EINVAL loop or address; -ENAMETOOLONG; -ENOTDIR; -EBADF;
 * -ENOTSOCK; -EPROTOTYPE another kind of socket; -ELOOP too many symbolic links; -E2BIG see
 * "Structs"; -EMFILE; -ENFILE; -EPERM; -ENOMEM.
 */
EVCHAN_API int evchan_observer_new(struct evchan_observer **observer,
		struct evchan_loop *loop, const char *address,
		const struct evchan_observer_callbacks *callbacks, void *arg);

/** Hangs up and frees; NULL is allowed. No callback of this observer runs after the call. */
EVCHAN_API void evchan_observer_free(struct evchan_observer *observer);

/**
 * Asks for one snapshot: `lane` for each lane, then `snapshot`, on later turns of the loop. The
 * lanes of a large receiver come over many turns of its loop, each as it is then. A receiver
 * that is stopped answers when it goes on: waiting no longer than one likes is the
 * caller's business.
 * Errors: -EALREADY one is under way; -EPIPE it has ended; -EOWNERDEAD.
 */
EVCHAN_API int evchan_observer_ask(struct evchan_observer *observer);

/** The receiver's process, as the kernel tells it (SO_PEERCRED: who called listen). */
EVCHAN_API struct evchan_peer evchan_observer_receiver(const struct evchan_observer *observer);

#ifdef __cplusplus
}
#endif
#endif
