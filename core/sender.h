/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_SENDER_H
#define EVCHAN_CORE_SENDER_H

/*
 * The sender: a ring, and now and then a connection to a receiver.
 *
 *	WAITING  --connect, hello-->  GREETING  --welcome-->  CONNECTED
 *	   ^---- absent, hang-up, ----/   ^                       |
 *	   |     refused for now          \-------- hang-up ------/
 *	   \---> ENDED: refused for good, nothing can be sent any more
 *
 *	sender.c          making and freeing, counters
 *	sender_send.c     the path of every message
 *	sender_room.c     wants (room, emptiness) and the bells that answer them
 *	sender_connect.c  the connection: attempts, welcome, refusal, hang-up
 *	sender_storm.c    a receiver that rings without end
 *	sender_notify.c   callbacks that are due
 *	sender_wait.c     the calls that wait
 *
 * Only sender_notify.c calls back. Everything else notes what is due, and either runs in the loop, where the
 * notes are worked off before it returns, or asks for the loop's next turn.
 */

#include <stdbool.h>
#include <stdint.h>

#include <evchan/evchan.h>

#include "address.h"
#include "bell.h"
#include "control_message.h"
#include "control_socket.h"
#include "handle.h"
#include "ring_writer.h"

enum sender_state { SENDER_WAITING, SENDER_GREETING, SENDER_CONNECTED, SENDER_ENDED };

/* Callbacks that are due, called in this order. */
enum sender_due {
	SENDER_DUE_CONNECTED = 1 << 0,
	SENDER_DUE_DISCONNECTED = 1 << 1,
	SENDER_DUE_REFUSED = 1 << 2,
	SENDER_DUE_WRITABLE = 1 << 3,
	SENDER_DUE_DRAINED = 1 << 4,
};

struct evchan_sender {
	/* what every message needs */
	struct handle handle;
	int send_error;            /* 0, or what every send returns from now on */
	unsigned cork;             /* depth */
	enum sender_state state;
	struct ring_writer ring;
	enum bell_kind bell;
	int bell_fd;               /* the receiver's; -1 none */
	bool is_lazy;              /* the loop's next turn makes the full check: see sender_send.c */
	uint32_t burst;            /* messages published since burst_turn was noted */
	uint64_t burst_turn;       /* the loop's turn in which the burst began; 0 unknown */
	uint64_t messages;
	uint64_t bytes;
	uint64_t bells_rung;

	/* wants */
	bool wants_room;
	bool wants_empty;
	bool wants_drained;        /* the application: ends in a callback */
	uint64_t drained_at;       /* the position it asked for */
	bool waits_drained;        /* evchan_drain_wait(): ends in its return */
	uint64_t room_needed;      /* ring bytes of the largest refused message */
	uint64_t times_full;
	uint64_t made_at; /* clock_milliseconds() */
	uint64_t wakeups;

	/* the connection */
	struct address address;
	struct control_socket control;
	struct evchan_watch *control_watch;
	struct evchan_timer *retry_timer;
	bool attempt_is_owed;      /* the timer could not be set */
	uint32_t attempt;          /* since the last connection that has lasted */
	uint64_t welcomed_at;      /* clock_milliseconds(), of this connection */
	uint64_t welcomed_head;    /* the head then */
	uint64_t rung_head;        /* the head at the last ring */
	uint32_t idle_looks;       /* rings for nothing since then */
	uint32_t storm_pauses;     /* since it moved */
	uint64_t storm_ends;       /* clock_milliseconds(), of the last pause */
	bool was_connected;
	bool had_receiver;         /* one may have read from the ring: what it is offered to the next with */
	bool said_bye;             /* the receiver */
	bool told_untrusted;       /* the application, since the last trusted listener */
	uint8_t lane_id[16];

	/* what the application is to be told */
	unsigned due;              /* enum sender_due */
	bool due_resumed;
	int due_disconnect_error;
	int due_refused_error;
	bool due_refused_final;
	char due_refused_text[CONTROL_TEXT_MAX + 1];
	struct evchan_timer *notify_timer;
	bool notify_timer_set;

	struct evchan_loop *loop;
	bool owns_loop;
	struct evchan_sender_callbacks callbacks;
	void *arg;
	struct evchan_sender_options options; /* label: see below */
	char label[CONTROL_LABEL_MAX + 1];
	uid_t *receiver_uids;
};

/* Frames that touch the sender after callbacks stand between these two. leave frees it if it was freed meanwhile. */
static inline void sender_enter(struct evchan_sender *sender)
{
	handle_enter(&sender->handle);
}
void sender_leave(struct evchan_sender *sender);

/* ---- sender_send.c */

/* Publishes all that is written, and rings if the receiver sleeps. */
void sender_publish(struct evchan_sender *sender);

/* Makes up for what is owed: the look whether the receiver sleeps, the timer of the next attempt. */
void sender_make_check(struct evchan_sender *sender);

/* Rings the receiver, or sees to it that it is rung later. */
void sender_ring(struct evchan_sender *sender);

/* ---- sender_room.c */

/*
 * Looks how far the receiver is: wants that are met become due; for the nearest of the others the
 * space bell is armed. Call it after every wake-up, every refusal and every (dis)connect.
 * A head that is impossible ends the connection.
 */
void sender_look_for_room(struct evchan_sender *sender);

/* ---- sender_connect.c */

int sender_connect_init(struct evchan_sender *sender);

/*
 * One attempt. Returns 0 if the hello is out, else why not:
 * -ENOENT, -ECONNREFUSED absent; -EACCES not to be trusted, or not allowed; others of control_socket.h.
 */
int sender_try_connect(struct evchan_sender *sender);

/* Sets the timer for another attempt. */
void sender_schedule_attempt(struct evchan_sender *sender, uint32_t at_least_ms);

/* Takes what the receiver has said. For use outside the loop too: what is due is only noted, and the caller sees to it
 * that it is called. */
void sender_read_control(struct evchan_sender *sender);

/* The connection is over: error 0, -ECONNRESET or -EPROTO. The ring stays; another attempt follows. */
void sender_disconnect(struct evchan_sender *sender, int error);

/* Nothing will be sent any more. */
void sender_end(struct evchan_sender *sender, int error, const char *text);

void sender_unwatch(struct evchan_sender *sender);

/* Closes what belongs to the connection, says nothing. */
void sender_close_connection(struct evchan_sender *sender);

/* ---- sender_storm.c */

/* A ring was heard, and looked at. Whether the control socket is still to be watched: not if it was one too many, which is
 * dealt with then. */
bool sender_heard_ring(struct evchan_sender *sender);

/* ---- sender_notify.c */

int sender_notify_init(struct evchan_sender *sender);

/* Sees to it that what is due is called on the loop's next turn. */
void sender_notify_later(struct evchan_sender *sender);

/* Calls what is due. Between enter and leave, from the loop. */
void sender_notify(struct evchan_sender *sender);

#endif
