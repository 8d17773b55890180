/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_LANE_H
#define EVCHAN_CORE_LANE_H

/*
 * One admitted sender, as its receiver sees it.
 *
 *	OPEN     --hang-up-->  DRAINING  --all delivered-->  ENDED  --`left` called-->  GONE
 *	  \------evict, protocol error, shutdown------------->/
 *
 * OPEN      the control socket is up, the ring's tail may move
 * DRAINING  the sender is gone; the tail was loaded one last time, the rest is being delivered
 * ENDED     nothing more is delivered; sockets and watches are gone; `left` is due on the next turn
 * GONE      the application has been told; the memory stays while messages are held
 *
 * Watches only note what happened and put the lane on the receiver's ready list; all
 * delivery happens in lane_serve(), called by the receiver's turn.
 */

#include <stdbool.h>
#include <stdint.h>

#include <evchan/evchan.h>

#include "admission.h"
#include "bell.h"
#include "control_message.h"
#include "control_socket.h"
#include "list.h"
#include "ring_reader.h"

enum lane_state { LANE_OPEN, LANE_DRAINING, LANE_ENDED, LANE_GONE };

struct evchan_lane {
	struct evchan_receiver *receiver;
	struct list link;        /* in the receiver's lanes */
	struct list ready_link;  /* in its ready or unfinished list, if there is work */
	enum lane_state state;
	enum evchan_left_reason reason; /* from DRAINING on */
	bool is_paused;
	bool said_bye;
	bool is_resumed;
	bool in_left;            /* `left` is running: the lane is not freed under it */

	struct ring_reader reader;
	struct evchan_message message; /* the one being delivered */
	struct held_message *held;     /* its hold, if it has one */
	bool is_delivering;            /* `message` is valid */
	bool copies;                   /* deliver private copies, in the receiver's memory for that */
	bool told_no_memory;           /* the application, of this message */
	uint64_t debt;                 /* bytes delivered beyond earlier turns' shares */

	struct list storm_link;        /* in the receiver's stormy list while it is left alone */
	uint64_t storm_ends;           /* clock_milliseconds() */
	uint64_t rung_tail;            /* the tail at its last ring */
	uint32_t idle_rings;           /* rings since then */
	uint32_t storm_pauses;         /* since the tail moved */

	struct list rest_link;         /* in the receiver's resting list until that is looked at */
	uint64_t messages_at_rest;     /* when it last went there */
	uint64_t messages_at_spin;     /* when it was last watched, see lane_slip.c */

	struct bell bell;
	struct control_socket control;
	struct evchan_watch *bell_watch;
	struct evchan_watch *control_watch;

	struct evchan_peer peer;
	struct admission_charge charge;
	uint8_t id[16];
	char label[CONTROL_LABEL_MAX + 1];
	void *data;

	uint64_t joined_at; /* clock_milliseconds() */
	uint64_t number;    /* counts the receiver's lanes */
	uint64_t messages;
	uint64_t bytes;
	uint64_t settled_messages; /* of these, what the receiver's totals have */
	uint64_t settled_bytes;
	uint64_t bells_rung;
	uint64_t wakeups;
};

/* What is left of a turn for one lane. */
struct lane_budget {
	uint32_t messages;
	uint64_t bytes;
	uint64_t owed; /* bytes of the last message for which there were none left */
};

/* Starts watching a lane that has its reader, bell and control socket, unless it is watched.
 * Errors: -ENOMEM and others of the loop. */
int lane_watch(struct evchan_lane *lane);

/* Listens to it no longer, for a while or for ever. */
void lane_unwatch(struct evchan_lane *lane);

/* lane_storm.c: so many rings were heard. Whether to act on them: not if it was one too many of a storm, which is dealt with then.
 * Callback: error. */
bool lane_heard_rings(struct evchan_lane *lane, unsigned rings);

/* lane_storm.c: leaves a lane alone for some milliseconds, and then looks at it in any case. Errors: of the loop. */
int lane_leave_alone(struct evchan_lane *lane);

/* lane_rest.c: for how many bytes the lane is to be rung, now that it has none: 1, or more if it will be looked at. */
uint64_t lane_rest(struct evchan_lane *lane);

/* The looks at a lane's tail in one lane_serve(), and how many messages its budget had left at the last. */
struct lane_looks {
	uint32_t number;
	uint32_t messages_left;
};

/* lane_slip.c: before each look, with what the budget has left; maybe waits for a microsecond, so that it finds more. */
void lane_slip(struct evchan_lane *lane, struct lane_looks *looks, uint32_t messages_left);
enum lane_spun {
	LANE_SPUN_IN_VAIN,     /* or not at all: it may sleep */
	LANE_SPUN_CAUGHT,      /* there is something now that was not there before */
	LANE_SPUN_OUT_OF_TIME, /* the loop has waited for long enough; in the next turn it goes on */
};

/* lane_slip.c: before the lane sleeps. */
enum lane_spun lane_spin(struct evchan_lane *lane);

/* Reads what the sender has said on its control socket. Callback: hung_up, error; from_loop, so all. */
void lane_look_at_control(struct evchan_lane *lane);

/*
 * One turn of a lane on the ready list: delivers within the budget, which is counted down. Whether
 * the lane has more to do and wants another turn. The receiver may be freed when it returns.
 * Callback: message, hung_up, left, error.
 */
bool lane_serve(struct evchan_lane *lane, struct lane_budget *budget);

/* Whether a message may be delivered now. */
bool lane_may_deliver(const struct evchan_lane *lane);

/* Finds the lane's next message and makes it lane->message. Returns 1, 0 none now (armed, or ended: lane->state tells; or no
 * memory to copy what a dead sender has left: it is tried again), or negative: the lane was broken and is ENDED. */
int lane_next(struct evchan_lane *lane);

/* Ends the delivery of lane->message: releases it, unless it is held. */
void lane_finish_message(struct evchan_lane *lane);

/* Publishes what was released, and rings if the sender waits for it. */
void lane_release(struct evchan_lane *lane);

/* Ends the lane for a reason of this side; tells the sender `refusal` (NONE: goodbye) and `text` (may be NULL).
 * `left` follows on the next turn. Does not call back. */
void lane_end(struct evchan_lane *lane, enum evchan_left_reason reason,
		enum control_refusal refusal, const char *text);

/* The lane cannot go on: tells the error callback, names the sender, ends the lane. `refusal`: what rule the sender
 * broke; NONE: it is not its fault, and it may come back. Callback: error. */
void lane_break(struct evchan_lane *lane, int error, enum control_refusal refusal, const char *what);

/* Its counters, all members. */
void lane_count(struct evchan_lane *lane, struct evchan_lane_stats *stats);

/* Frees a lane that is GONE or never joined: out of all lists, charge given back. Its holds become orphans. */
void lane_free(struct evchan_lane *lane);

/* The receiver is being freed: releases the message that is being delivered by a callback, says goodbye, then frees. */
void lane_close(struct evchan_lane *lane, bool in_child);

#endif
