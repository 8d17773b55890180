/* SPDX-License-Identifier: MIT */
/*
 * The connection: attempts with back-off, the hello with the ring, the receiver's answer, its end.
 *
 * First connection and reconnection are one path: the ring is offered with the position it was released up to, which is 0
 * for a new one. Nothing here calls back; see sender_notify.c.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <evchan/loop.h>

#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "random_bytes.h"
#include "sender.h"
#include "user.h"

/* Frames taken per wake-up; the watch is level-triggered, what is left wakes again. */
#define SENDER_FRAMES_PER_LOOK 64
/* A connection that has lasted so long, or brought anything across, was a good one. */
#define SENDER_LASTING_MS 1000
/* How long to wait when the welcome's descriptors cannot be received. */
#define SENDER_DESCRIPTORS_RETRY_MS 50

static void sender_control_ready(void *arg, unsigned events);

/* ---- Attempts ------------------------------------------------------------------ */

void sender_schedule_attempt(struct evchan_sender *sender, uint32_t at_least_ms)
{
	struct evchan_loop *loop = sender->loop;
	uint32_t random = 0;
	uint32_t delay;

	(void)random_bytes(&random, sizeof(random));
	delay = backoff_delay(sender->attempt++, sender->options.reconnect_min_ms,
			sender->options.reconnect_max_ms, random);
	if (delay < at_least_ms)
		delay = at_least_ms;
	/* A loop that has no memory for it is asked again when the sender comes by next. */
	sender->attempt_is_owed = loop->ops->timer_set(loop, sender->retry_timer, delay) < 0;
}

/* Whose process listens: the ring is handed to it writable for its eyes, so to nobody who is not trusted. */
static int sender_check_receiver(const struct evchan_sender *sender)
{
	struct evchan_peer peer;
	int r;

	if (sender->options.flags & EVCHAN_SENDER_ANY_RECEIVER)
		return 0;
	r = control_socket_peer(&sender->control, &peer);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sender->options.receiver_uid_count; i++)
		if (sender->receiver_uids[i] == peer.uid)
			return 0;
	if (sender->options.receiver_uid_count == 0 &&
			(peer.uid == user_own() || peer.uid == 0))
		return 0;
	return -EACCES;
}

static int sender_say_hello(struct evchan_sender *sender)
{
	struct control_hello hello = {
		.version = CONTROL_PROTOCOL_VERSION,
		.capacity = sender->ring.capacity,
		.resume = sender->ring.head,
		.header_size = (uint32_t)sender->ring.memory.header_size,
		.bell = sender->options.bell,
		.was_connected = sender->had_receiver,
		.lazy = sender->options.flags & EVCHAN_SENDER_LAZY,
	};
	struct control_ancillary ancillary = {
		.fds = &sender->ring.memory.fd,
		.fd_count = 1,
		.credentials = true,
	};
	unsigned char frame[CONTROL_FRAME_MAX];

	memcpy(hello.lane_id, sender->lane_id, sizeof(hello.lane_id));
	memcpy(hello.label, sender->label, sizeof(hello.label));
	return control_socket_send(&sender->control, frame, control_encode_hello(frame, &hello),
			&ancillary);
}

static int sender_open_socket(struct evchan_sender *sender)
{
	if (sender->address.kind == ADDRESS_DESCRIPTOR)
		return control_socket_adopt(&sender->control, sender->address.fd);
	return control_socket_connect(&sender->control, &sender->address);
}

static int sender_watch_control(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;

	if (sender->control_watch)
		return 0;
	return loop->ops->watch_add(loop, &sender->control_watch, sender->control.fd,
			EVCHAN_LOOP_READ, sender_control_ready, sender);
}

int sender_try_connect(struct evchan_sender *sender)
{
	int r;

	r = sender_open_socket(sender);
	if (r < 0)
		return r;
	r = sender_check_receiver(sender);
	if (r == 0)
		r = sender_watch_control(sender);
	if (r == 0)
		r = sender_say_hello(sender);
	if (r < 0 && ((r != -EPIPE && r != -ECONNRESET) || sender->address.kind == ADDRESS_DESCRIPTOR)) {
		sender_close_connection(sender);
		return r;
	}
	sender->said_bye = false;
	sender->told_untrusted = false;
	sender->state = SENDER_GREETING;
	/* Hung up already; but why may be there to read. */
	if (r < 0)
		sender_read_control(sender);
	if (sender->due)
		sender_notify_later(sender);
	return 0;
}

static void sender_note_refused(struct evchan_sender *sender, int error, const char *text,
		bool final)
{
	sender->due |= SENDER_DUE_REFUSED;
	sender->due_refused_error = error;
	sender->due_refused_final = final;
	snprintf(sender->due_refused_text, sizeof(sender->due_refused_text), "%s", text);
	log_line(EVCHAN_LOG_WARNING, "%s: refused: %s", sender->address.text, text);
}

/* Somebody who is not to be trusted listens: told once, then tried again quietly until it is gone. */
static void sender_found_untrusted(struct evchan_sender *sender)
{
	if (!sender->told_untrusted)
		sender_note_refused(sender, -EACCES,
				"the address belongs to a user that is not trusted with the ring",
				false);
	sender->told_untrusted = true;
}

static bool sender_waits_for_receivers(const struct evchan_sender *sender)
{
	return sender->was_connected || (sender->options.flags & EVCHAN_SENDER_WAIT);
}

static void sender_attempt(struct evchan_sender *sender)
{
	int r = sender_try_connect(sender);

	if (r == 0)
		return;
	if (r == -EACCES)
		sender_found_untrusted(sender);
	if ((r == -ENOENT || r == -ECONNREFUSED) && !sender_waits_for_receivers(sender))
		sender_end(sender, r, "no receiver is there");
	else
		sender_schedule_attempt(sender, 0);
}

/* The timer serves four ends: another attempt, another look for a welcome that could not be received, another at a
 * receiver that has rung too often, and a ring for which there was no memory. */
static void sender_retry(void *arg)
{
	struct evchan_sender *sender = arg;

	if (handle_is_foreign(&sender->handle))
		return;
	sender_enter(sender);
	if (sender->state == SENDER_WAITING)
		sender_attempt(sender);
	else if (sender->state != SENDER_ENDED)
		sender_read_control(sender);
	sender_make_check(sender);
	sender_notify(sender);
	sender_leave(sender);
}

int sender_connect_init(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;

	sender->bell_fd = -1;
	sender->control = (struct control_socket)CONTROL_SOCKET_NONE;
	return loop->ops->timer_add(loop, &sender->retry_timer, sender_retry, sender);
}

/* ---- The end ---------------------------------------------------------------------- */

void sender_unwatch(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;

	if (sender->control_watch)
		loop->ops->watch_remove(loop, sender->control_watch);
	sender->control_watch = NULL;
}

void sender_close_connection(struct evchan_sender *sender)
{
	sender_unwatch(sender);
	if (sender->address.kind == ADDRESS_DESCRIPTOR && sender->state == SENDER_WAITING) {
		/* The first and only attempt failed: the descriptor is the caller's again. */
		descriptor_disown(sender->control.fd);
		sender->control.fd = -1;
		return;
	}
	control_socket_deinit(&sender->control, NULL);
	descriptor_close(sender->bell_fd);
	sender->bell_fd = -1;
}

void sender_end(struct evchan_sender *sender, int error, const char *text)
{
	sender->state = SENDER_ENDED;
	sender->send_error = -EPIPE;
	sender_note_refused(sender, error, text, true);
}

/* Whether the ring can be offered again. */
static bool sender_may_reconnect(const struct evchan_sender *sender)
{
	return sender->address.kind != ADDRESS_DESCRIPTOR &&
	       !(sender->was_connected && (sender->options.flags & EVCHAN_SENDER_NO_RECONNECT));
}

/* Attempts come slower and slower until there is a receiver that is good for something: not one that welcomes and hangs up,
 * again and again. */
static void sender_judge_connection(struct evchan_sender *sender)
{
	if (sender->state != SENDER_CONNECTED)
		return;
	if (sender->ring.head != sender->welcomed_head ||
			clock_milliseconds() - sender->welcomed_at >= SENDER_LASTING_MS)
		sender->attempt = 0;
}

/* The connection is closed; what was released under it is known, the rest stays in the ring. */
static void sender_lose_connection(struct evchan_sender *sender)
{
	/* The dead receiver's last head is read before its page goes. */
	ring_writer_detach(&sender->ring);
	sender_judge_connection(sender);
	sender_close_connection(sender);
	sender->state = SENDER_WAITING;
	/* It may have released room without getting around to the ring (design, section 10.2). */
	sender_look_for_room(sender);
}

void sender_disconnect(struct evchan_sender *sender, int error)
{
	if (sender->state == SENDER_CONNECTED) {
		sender->due |= SENDER_DUE_DISCONNECTED;
		sender->due_disconnect_error = error;
	} else if (error != 0 && error != -ECONNRESET) {
		/* Not a hang-up, before which all was heard: its welcome came and could not be taken, or might have
		 * come. It may be delivering, and the next receiver has to know of repeats. */
		sender->had_receiver = true;
	}
	sender_lose_connection(sender);
	if (sender_may_reconnect(sender))
		sender_schedule_attempt(sender, 0);
	else
		sender_end(sender, -EPIPE, "the receiver is gone");
	sender_notify_later(sender);
}

/* ---- What the receiver says ----------------------------------------------------------- */

/* Takes the receiver's page and bell. Errors: -EPROTO and others: not a receiver to talk to. */
static int sender_take_welcome(struct evchan_sender *sender, const unsigned char *frame,
		size_t length, struct control_arrival *arrival)
{
	struct control_welcome welcome;
	size_t expected;
	int r;

	r = control_decode_welcome(&welcome, frame, length);
	if (r < 0)
		return r;
	/* Whoever asks for the socket does not trust its receiver with any other. */
	if (sender->options.bell == EVCHAN_BELL_SOCKET && welcome.bell != BELL_SOCKET)
		return -EPROTO;
	expected = welcome.bell == BELL_SOCKET ? 1 : 2;
	if (arrival->fd_count != expected)
		return -EPROTO;
	if (expected == 2) {
		r = bell_check_ringer((enum bell_kind)welcome.bell, arrival->fds[1]);
		if (r < 0)
			return r;
	}
	r = ring_writer_attach(&sender->ring, arrival->fds[0], welcome.header_size);
	if (r < 0)
		return r;
	sender->bell = (enum bell_kind)welcome.bell;
	sender->bell_fd = arrival->fds[1];
	arrival->fds[1] = -1;
	return 0;
}

static void sender_welcomed(struct evchan_sender *sender)
{
	sender->due |= SENDER_DUE_CONNECTED;
	sender->due_resumed = sender->had_receiver;
	sender->had_receiver = true;
	sender->was_connected = true;
	sender->welcomed_at = clock_milliseconds();
	sender->welcomed_head = sender->ring.head;
	sender->rung_head = sender->ring.head;
	sender->idle_looks = 0;
	sender->storm_pauses = 0;
	sender->state = SENDER_CONNECTED;
	/* Both sides act once after every welcome, whatever is armed: a ring may have died with the last
	 * receiver (design, section 10.2). */
	(void)ring_writer_check(&sender->ring); /* not what is corked */
	sender_ring(sender);
	sender_look_for_room(sender);
}

/* REFUSED or EVICTED. Whether the connection is still there: never. */
static bool sender_refused(struct evchan_sender *sender, const unsigned char *frame, size_t length,
		bool is_evicted)
{
	struct control_refused refused;
	bool final;

	if (control_decode_refused(&refused, frame, length) < 0) {
		sender_disconnect(sender, -EPROTO);
		return false;
	}
	final = refused.final || is_evicted || !sender_may_reconnect(sender);
	if (sender->state == SENDER_CONNECTED) {
		sender->due |= SENDER_DUE_DISCONNECTED;
		sender->due_disconnect_error = control_refusal_error(refused.refusal);
	}
	sender_lose_connection(sender);
	if (final) {
		sender_end(sender, control_refusal_error(refused.refusal), refused.text);
	} else {
		sender_note_refused(sender, control_refusal_error(refused.refusal), refused.text,
				false);
		sender_schedule_attempt(sender, refused.retry_after_ms);
	}
	return false;
}

static void sender_close_arrival(struct control_arrival *arrival)
{
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++)
		if (arrival->fds[i] >= 0)
			disposal_close(arrival->fds[i], NULL);
}

/* The first frame of a connection. Whether it is still there. */
static bool sender_handle_answer(struct evchan_sender *sender, enum control_type type,
		const unsigned char *frame, size_t length, struct control_arrival *arrival)
{
	int r = -EPROTO;

	if (type == CONTROL_BYE && !sender->said_bye) {
		sender->said_bye = true;
		return true;
	}
	if (type == CONTROL_REFUSED)
		return sender_refused(sender, frame, length, false);
	if (type == CONTROL_WELCOME)
		r = sender_take_welcome(sender, frame, length, arrival);
	if (r < 0) {
		sender_disconnect(sender, -EPROTO);
		return false;
	}
	sender_welcomed(sender);
	return sender->state == SENDER_CONNECTED;
}

/* A later frame. Whether the connection is still there. */
static bool sender_handle_frame(struct evchan_sender *sender, enum control_type type,
		const unsigned char *frame, size_t length, bool *rang)
{
	if (type == CONTROL_RING) {
		*rang = true;
		return true;
	}
	if (type == CONTROL_BYE && !sender->said_bye) {
		sender->said_bye = true;
		return true;
	}
	if (type == CONTROL_EVICTED)
		return sender_refused(sender, frame, length, true);
	sender_disconnect(sender, -EPROTO);
	return false;
}

/* No frame, because of `error`. */
static void sender_read_failed(struct evchan_sender *sender, int error)
{
	struct evchan_loop *loop = sender->loop;

	switch (error) {
	case -EPIPE:
		sender_disconnect(sender, sender->said_bye ? 0 : -ECONNRESET);
		return;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		/* The welcome stays queued; the watch would wake for it again and again, but without a timer nothing else
		 * would. */
		if (loop->ops->timer_set(loop, sender->retry_timer,
				    SENDER_DESCRIPTORS_RETRY_MS) == 0)
			sender_unwatch(sender);
		return;
	default:
		sender_disconnect(sender, -EPROTO);
	}
}

/* A ring among the frames. Whether the connection is still there, and to be watched. */
static bool sender_heard_room(struct evchan_sender *sender)
{
	sender_look_for_room(sender);
	return sender->state == SENDER_CONNECTED && sender_heard_ring(sender);
}

void sender_read_control(struct evchan_sender *sender)
{
	struct control_arrival arrival = { .fds = { -1, -1 } };
	const unsigned char *frame;
	enum control_type type;
	bool is_there = true;
	bool rang = false;
	int r = 0;

	for (int i = 0; i < SENDER_FRAMES_PER_LOOK && is_there; i++) {
		r = control_socket_receive(&sender->control, &type, &frame, &arrival, NULL);
		if (r <= 0)
			break;
		if (sender->state == SENDER_GREETING) {
			is_there = sender_handle_answer(sender, type, frame, (size_t)r, &arrival);
			sender_close_arrival(&arrival);
			arrival.fds[0] = arrival.fds[1] = -1;
		} else {
			is_there = sender_handle_frame(sender, type, frame, (size_t)r, &rang);
		}
	}
	sender->wakeups += rang;
	if (is_there && r < 0 && r != -EAGAIN) {
		sender_read_failed(sender, r);
		return;
	}
	if (is_there && (!rang || sender_heard_room(sender)) && sender_watch_control(sender) < 0)
		sender_disconnect(sender, -ENOMEM);
}

static void sender_control_ready(void *arg, unsigned events)
{
	struct evchan_sender *sender = arg;

	(void)events;
	sender_enter(sender);
	sender_read_control(sender);
	sender_notify(sender);
	sender_leave(sender);
}
