/* SPDX-License-Identifier: MIT */
/*
 * A lane's life: what its watches see, how it ends, what the application may ask of it. Delivery is in
 * lane_drain.c.
 *
 * The end comes from four sides: the kernel says the sender is gone, the sender breaks the rules, the application
 * evicts it, the receiver shuts down. All lead to ENDED, from which the next turn makes GONE; nothing is freed
 * before, so that whoever is in the middle of something with the lane finds it whole.
 */

#include "lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hold.h"
#include "onlooker.h"
#include "options.h"
#include "receiver.h"

/* Frames taken per wake-up. The watch is level-triggered: what is left wakes again, after others had their turn. */
#define LANE_FRAMES_PER_LOOK 16
/* Each ring costs the kernel a buffer to free: as many as make a storm, and no more, are read before others have their turn. */
#define LANE_RINGS_PER_LOOK 64

void lane_unwatch(struct evchan_lane *lane)
{
	struct evchan_loop *loop = lane->receiver->loop;

	if (lane->bell_watch)
		loop->ops->watch_remove(loop, lane->bell_watch);
	if (lane->control_watch)
		loop->ops->watch_remove(loop, lane->control_watch);
	lane->bell_watch = NULL;
	lane->control_watch = NULL;
}

/* No watch, bell or socket is left after this; the ring stays. */
static void lane_disconnect(struct evchan_lane *lane)
{
	lane_unwatch(lane);
	list_remove(&lane->storm_link);
	list_remove(&lane->rest_link);
	bell_deinit(&lane->bell);
	control_socket_deinit(&lane->control, admission_charge_disposal(&lane->charge));
}

/* The kernel reported the sender's end. Callback: hung_up, error. */
static void lane_hang_up(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;
	int r;

	lane->reason = lane->said_bye ? EVCHAN_LEFT_CLOSED : EVCHAN_LEFT_CRASHED;
	lane->state = LANE_DRAINING;
	/* The last look at the tail: a sender that closed its socket and goes on publishing does not keep
	 * the lane alive (design, section 10.14). */
	r = ring_reader_close(&lane->reader);
	lane_disconnect(lane);
	if (r < 0) {
		lane_break(lane, r, CONTROL_REFUSE_POSITIONS, "its last position makes no sense");
		return;
	}
	if (receiver->callbacks.hung_up)
		receiver->callbacks.hung_up(receiver, lane, lane->reason, receiver->arg);
	if (!receiver->handle.is_freed)
		receiver_lane_is_ready(receiver, lane, true);
}

/* Reads frames until there is none, or enough for now. `*rings`: how many rings were among them.
 * Errors: -EAGAIN no more; -EPIPE; -EPROTO. */
static int lane_read_frames(struct evchan_lane *lane, unsigned *rings)
{
	struct disposal_account *account = admission_charge_disposal(&lane->charge);
	const unsigned char *frame;
	enum control_type type;
	int r;

	*rings = 0;
	for (int i = 0; i < LANE_FRAMES_PER_LOOK && *rings < LANE_RINGS_PER_LOOK; i++) {
		r = control_socket_receive(&lane->control, &type, &frame, NULL, account);
		if (r < 0)
			return r;
		if (type == CONTROL_RING)
			*rings += (unsigned)r;
		else if (type == CONTROL_BYE && !lane->said_bye)
			lane->said_bye = true;
		else
			return -EPROTO;
	}
	return 0;
}

void lane_look_at_control(struct evchan_lane *lane)
{
	unsigned rings;
	int r;

	if (lane->state != LANE_OPEN)
		return;
	r = lane_read_frames(lane, &rings);
	if (rings) {
		lane->wakeups++;
		lane->receiver->stats.wakeups++;
	}
	if (r == -EPIPE)
		lane_hang_up(lane);
	else if (r == -EPROTO)
		lane_break(lane, r, CONTROL_REFUSE_PROTOCOL,
				"it said something out of turn on its control socket");
	else if (rings && lane_heard_rings(lane, rings))
		receiver_lane_is_ready(lane->receiver, lane, true);
}

static void lane_control_ready(void *arg, unsigned events)
{
	struct evchan_lane *lane = arg;
	struct evchan_receiver *receiver = lane->receiver;

	(void)events;
	receiver_enter(receiver);
	lane_look_at_control(lane);
	receiver_leave(receiver);
}

static void lane_bell_ready(void *arg, unsigned events)
{
	struct evchan_lane *lane = arg;
	struct evchan_receiver *receiver = lane->receiver;
	struct evchan_loop *loop = receiver->loop;

	(void)events;
	receiver_enter(receiver);
	lane->wakeups++;
	receiver->stats.wakeups++;
	/* Reset comes before the look: a ring that falls between the two is then seen by the look or
	 * wakes again; the other way round it would be swallowed. */
	if (bell_reset(&lane->bell) == -EPIPE) {
		loop->ops->watch_remove(loop, lane->bell_watch);
		lane->bell_watch = NULL;
	}
	if (lane_heard_rings(lane, 1))
		receiver_lane_is_ready(receiver, lane, true);
	receiver_leave(receiver);
}

int lane_watch(struct evchan_lane *lane)
{
	struct evchan_loop *loop = lane->receiver->loop;
	unsigned edge = lane->bell.edge ? EVCHAN_LOOP_EDGE : 0;
	int r;

	if (lane->bell.watch_fd >= 0 && !lane->bell_watch) {
		r = loop->ops->watch_add(loop, &lane->bell_watch, lane->bell.watch_fd,
				EVCHAN_LOOP_READ | edge, lane_bell_ready, lane);
		if (r < 0)
			return r;
	}
	if (lane->control_watch)
		return 0;
	r = loop->ops->watch_add(loop, &lane->control_watch, lane->control.fd, EVCHAN_LOOP_READ,
			lane_control_ready, lane);
	if (r < 0)
		lane_unwatch(lane);
	return r;
}

/* What the sender is told last. Best effort: a full socket means that it does not read. */
static void lane_say_last_word(struct evchan_lane *lane, enum control_refusal refusal,
		const char *text)
{
	struct control_refused evicted = { .refusal = refusal, .final = true };
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length;

	if (refusal == CONTROL_REFUSE_NONE) {
		length = control_encode_bye(frame);
	} else {
		if (!text)
			text = control_refusal_text(refusal);
		control_set_text(&evicted, text);
		length = control_encode_refused(frame, CONTROL_EVICTED, &evicted);
	}
	control_socket_prepare_last(&lane->control);
	(void)control_socket_send(&lane->control, frame, length, NULL);
}

void lane_end(struct evchan_lane *lane, enum evchan_left_reason reason,
		enum control_refusal refusal, const char *text)
{
	struct evchan_receiver *receiver = lane->receiver;

	/* The head is final before the sender can know that the lane is over. */
	lane_release(lane);
	if (lane->state == LANE_OPEN)
		lane_say_last_word(lane, refusal, text);
	lane->state = LANE_ENDED;
	lane->reason = reason;
	lane_disconnect(lane);
	if (refusal != CONTROL_REFUSE_NONE)
		receiver_remember_eviction(receiver, lane);
	receiver_lane_is_ready(receiver, lane, false);
}

void lane_break(struct evchan_lane *lane, int error, enum control_refusal refusal, const char *what)
{
	lane_end(lane, EVCHAN_LEFT_BROKEN, refusal, what);
	receiver_report(lane->receiver, lane, error, "sender pid %ld uid %lu is cut off: %s%s",
			(long)lane->peer.pid, (unsigned long)lane->peer.uid, what,
			refusal == CONTROL_REFUSE_NONE
					? " (it keeps its messages, and may come back)"
					: " (it is broken or hostile, and may not come back)");
}

static void lane_release_memory(struct evchan_lane *lane)
{
	struct disposal_account *account = admission_charge_disposal(&lane->charge);

	hold_orphan_all(lane);
	ring_reader_deinit(&lane->reader, account);
	admission_charge_deinit(&lane->charge);
	free(lane);
}

void lane_free(struct evchan_lane *lane)
{
	onlookers_pass_over(lane->receiver, lane);
	list_remove(&lane->link);
	list_remove(&lane->ready_link);
	lane_disconnect(lane);
	lane_release_memory(lane);
}

void lane_close(struct evchan_lane *lane, bool in_child)
{
	list_remove(&lane->link);
	list_remove(&lane->ready_link);
	if (in_child) {
		lane_unwatch(lane);
		bell_deinit(&lane->bell);
		control_socket_abandon(&lane->control);
	} else {
		/* A message whose callback frees the receiver counts as delivered; one that was
		 * pulled, or is held, does not. */
		if (lane->is_delivering && !receiver_is_pulled(lane->receiver))
			lane_finish_message(lane);
		lane_release(lane);
		if (lane->state == LANE_OPEN)
			lane_say_last_word(lane, CONTROL_REFUSE_NONE, NULL);
		lane_disconnect(lane);
	}
	lane_release_memory(lane);
}

/* ---- What the application may ask ------------------------------------------ */

static bool lane_is_foreign(const struct evchan_lane *lane)
{
	return handle_is_foreign(&lane->receiver->handle);
}

struct evchan_peer evchan_lane_peer(const struct evchan_lane *lane)
{
	return lane->peer;
}

const char *evchan_lane_label(const struct evchan_lane *lane)
{
	return lane->label;
}

void evchan_lane_id(const struct evchan_lane *lane, uint8_t id[16])
{
	memcpy(id, lane->id, sizeof(lane->id));
}

bool evchan_lane_resumed(const struct evchan_lane *lane)
{
	return lane->is_resumed;
}

uint64_t evchan_lane_capacity(const struct evchan_lane *lane)
{
	return lane->reader.capacity;
}

int evchan_lane_get_note(const struct evchan_lane *lane, uint32_t key, void *buffer, size_t *size)
{
	if (lane_is_foreign(lane))
		return -EOWNERDEAD;
	return ring_reader_get_note(&lane->reader, key, buffer, size);
}

void evchan_lane_set_data(struct evchan_lane *lane, void *data)
{
	lane->data = data;
}

void *evchan_lane_data(const struct evchan_lane *lane)
{
	return lane->data;
}

void lane_count(struct evchan_lane *lane, struct evchan_lane_stats *stats)
{
	struct ring_reader *reader = &lane->reader;
	uint64_t fill = ring_reader_fill(reader);

	/* Whoever asks looks, too. */
	if (fill > reader->deepest_fill)
		reader->deepest_fill = fill;
	*stats = (struct evchan_lane_stats){
		.size = sizeof(*stats),
		.messages = lane->messages,
		.bytes = lane->bytes,
		.bells_rung = lane->bells_rung,
		.wakeups = lane->wakeups,
		.times_full = ring_reader_times_full(reader),
		.deepest_fill = reader->deepest_fill,
		.held_bytes = reader->held_bytes,
		.held_messages = reader->held_messages,
		.fill = fill,
		.age = clock_milliseconds() - lane->joined_at,
	};
}

void evchan_lane_get_stats(const struct evchan_lane *lane, struct evchan_lane_stats *stats)
{
	struct evchan_lane_stats known;

	/* Lanes are never const, but for their users. */
	lane_count((struct evchan_lane *)(uintptr_t)lane, &known);
	options_copy_out(stats, &known, sizeof(known));
}

void evchan_lane_set_copy(struct evchan_lane *lane, bool copy)
{
	if (!lane_is_foreign(lane))
		lane->copies = copy;
}

void evchan_lane_pause(struct evchan_lane *lane)
{
	if (lane_is_foreign(lane))
		return;
	handle_check_thread(&lane->receiver->handle);
	lane->is_paused = true;
	if (!lane->is_delivering)
		lane_release(lane);
}

void evchan_lane_resume(struct evchan_lane *lane)
{
	if (lane_is_foreign(lane) || !lane->is_paused)
		return;
	handle_check_thread(&lane->receiver->handle);
	lane->is_paused = false;
	/* Rings while it was paused led nowhere: look in any case. */
	if (lane->state != LANE_GONE)
		receiver_lane_is_ready(lane->receiver, lane, false);
}

int evchan_lane_evict(struct evchan_lane *lane, const char *why)
{
	if (lane_is_foreign(lane))
		return -EOWNERDEAD;
	handle_check_thread(&lane->receiver->handle);
	if (lane->state >= LANE_ENDED)
		return -ENOTCONN;
	lane_end(lane, EVCHAN_LEFT_EVICTED, CONTROL_REFUSE_APPLICATION, why);
	return 0;
}
