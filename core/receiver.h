/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_RECEIVER_H
#define EVCHAN_CORE_RECEIVER_H

/*
 * The receiver: a listener, the guests that have not said hello yet, the lanes, and the turn in which
 * ready lanes are served.
 *
 *	receiver.c           making and freeing, pause, counters
 *	receiver_accept.c    the listener's side: guests in, back-off when descriptors run out
 *	guest.c              one guest: hello, checks, admission, welcome or refusal
 *	onlooker.c           those who only observe
 *	receiver_turn.c      the ready list: who is served when, and for how long
 *	receiver_shutdown.c  ending in order
 *	receiver_wait.c      the calls that wait
 *	lane.c, lane_drain.c, lane_storm.c, lane_rest.c, lane_slip.c, hold.c   one lane
 */

#include <stdbool.h>
#include <stdint.h>

#include <evchan/evchan.h>

#include "admission.h"
#include "handle.h"
#include "lane.h"
#include "list.h"
#include "listener.h"

struct evchan_receiver {
	struct handle handle;
	struct evchan_loop *loop;
	bool owns_loop;              /* made without one: messages are pulled by receive_wait */
	struct evchan_receiver_callbacks callbacks;
	void *arg;
	struct evchan_receiver_options options;
	enum bell_kind bell;         /* unless a sender asks for another */
	bool is_edge;                /* the loop has edges */

	struct listener listener;
	struct evchan_watch *listen_watch;
	struct evchan_timer *accept_timer; /* set while accepting is suspended, or guests wait */
	unsigned accept_round;       /* how often it fired */
	uint64_t accept_messages;    /* delivered in all when it last looked at the listener */
	uint64_t accept_due;         /* nanoseconds: until then the time is the lanes' */
	struct evchan_timer *accept_pause_timer; /* set while they have it undisturbed: */
	bool accept_is_paused;
	struct admission admission;
	struct list guests;          /* struct guest, oldest first: also the order of their time-outs */
	struct evchan_timer *hello_timer;
	bool hello_timer_set;
	struct list evicted;         /* struct eviction: lane ids that do not get back in */
	unsigned eviction_count;

	struct list onlookers;       /* observers, the one that has not asked for longest first */
	struct evchan_timer *onlooker_timer;
	bool onlooker_timer_set;     /* some are not listened to */
	uint64_t onlooker_tick;      /* clock_milliseconds(): when there are new looks */
	unsigned onlooker_looks;     /* at what they say, that are left until then */

	struct list lanes;
	uint64_t lane_number;        /* of the last that joined */
	uint64_t paused_lane;        /* whose message was the last one before a pause */
	struct list ready;           /* lanes with work, in the order they are served */
	struct list unfinished;      /* those that have had their share of this turn */
	struct evchan_timer *turn_timer;
	bool turn_timer_set;
	bool turn_is_owed;           /* it came while a callback ran the loop, or could not be asked for: the outermost frame asks again */
	uint64_t last_turn;          /* number of the loop's turn the budget is of */
	struct lane_budget turn_budget;
	bool renews_shares;          /* within a turn: how many messages a lane has is left to the library */
	uint32_t slips;              /* in this turn, see lane_slip.c */
	uint64_t spin_end;           /* likewise: clock_nanoseconds(); 0: none yet */
	struct list stormy;          /* lanes that are left alone for a while, see lane_storm.c */
	struct evchan_timer *storm_timer;
	struct list resting;         /* lanes that will be looked at, see lane_rest.c */
	struct evchan_timer *rest_timer;
	bool rest_timer_set;
	bool is_serving;             /* lanes are being served right now */
	struct evchan_lane *served;  /* the one whose messages are being delivered: `stats` is behind it, see receiver_count() */
	void *copy;                  /* in copy mode: private memory of the one message that is being delivered */
	size_t copy_size;
	size_t copy_needed;          /* by the largest message of the last few */
	unsigned copies;             /* how few */
	struct evchan_lane *pulled;  /* whose message the application has, from receive_wait */
	uint32_t pulled_of_lane;     /* messages pulled in a row from the lane at the head of `ready` */
	uint32_t pulled_since_look;  /* messages pulled since the descriptors were looked at */
	bool is_paused;
	bool is_suspended;           /* no descriptors or memory: accept_timer is set */
	bool is_shutting_down;
	bool shutdown_complete;
	unsigned shutdown_accepted;  /* connections asked for since it began */

	struct evchan_receiver_stats stats; /* of messages and bytes what is settled: see lane_settle() */
	uint64_t made_at;            /* clock_milliseconds() */
};

/* Whether `lane` is one whose messages receive_wait hands out. */
static inline bool receiver_is_pulled(const struct evchan_receiver *receiver)
{
	return receiver->owns_loop;
}

/* Frames that touch the receiver after callbacks stand between these two. leave frees it if it was freed meanwhile
 * and says so: touch nothing then. */
static inline void receiver_enter(struct evchan_receiver *receiver)
{
	handle_enter(&receiver->handle);
}
bool receiver_leave(struct evchan_receiver *receiver);

/* Puts a lane on the ready list and sees to it that a turn comes. `from_loop`: called by a watch's callback, so the turn may
 * happen right now. Callback (from_loop only): all. */
void receiver_lane_is_ready(struct evchan_receiver *receiver, struct evchan_lane *lane,
		bool from_loop);

/* The same for all lanes of a list of rest_links, which is empty then. For a timer's callback. Callback: all. */
void receiver_lanes_are_ready(struct evchan_receiver *receiver, struct list *lanes);

/* Makes the turn's timer. Errors: -ENOMEM and others of the loop. */
int receiver_turn_init(struct evchan_receiver *receiver);

/* lane_storm.c: makes the timer that ends pauses. Errors: as above. */
int receiver_storm_init(struct evchan_receiver *receiver);

/* lane_rest.c: makes the timer of lanes that rest. Errors: as above. */
int receiver_rest_init(struct evchan_receiver *receiver);

/* Makes sure that a turn comes on the loop's next one. */
void receiver_want_turn(struct evchan_receiver *receiver);

/* Tells the error callback and the log. Callback: error. */
void receiver_report(struct evchan_receiver *receiver, struct evchan_lane *lane, int error,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

struct guest;

/* receiver_accept.c */
int receiver_accept_init(struct evchan_receiver *receiver);
/* Appends a guest to the list and sets its deadline. */
void receiver_expect_hello(struct evchan_receiver *receiver, struct guest *guest);
/* Accepts up to `most` connections. Errors: -EAGAIN none is left, or no room; others: suspended. Callback: error, authorize, joined. */
int receiver_accept_some(struct evchan_receiver *receiver, unsigned most);
int receiver_start_accepting(struct evchan_receiver *receiver);
void receiver_stop_accepting(struct evchan_receiver *receiver);
/* Descriptors or memory ran out: accepts nothing for a while, then looks again at the listener and at all guests. */
void receiver_suspend_accepting(struct evchan_receiver *receiver);
/* Looks again at all guests that wait, after the same while; goes on accepting. */
void receiver_retry_later(struct evchan_receiver *receiver);
/* A guest is gone: there may be room for others. */
void receiver_guest_is_gone(struct evchan_receiver *receiver);

/* receiver_shutdown.c: called after each turn while shutting down. Callback: shut_down. */
void receiver_advance_shutdown(struct evchan_receiver *receiver);

/* receiver.c: its counters, but for what living lanes say of `times_full` */
void receiver_count(const struct evchan_receiver *receiver, struct evchan_receiver_stats *stats);

/* receiver.c: evictions */
void receiver_remember_eviction(struct evchan_receiver *receiver, const struct evchan_lane *lane);
bool receiver_was_evicted(struct evchan_receiver *receiver, uid_t uid, const uint8_t lane_id[16]);

#endif
