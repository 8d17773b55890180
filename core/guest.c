/* SPDX-License-Identifier: MIT */
/*
 * From a connection to a lane, or to a refusal.
 *
 * The order of the checks is part of the design (section 6): who it is, as the kernel says; whether there is room; what
 * it says; what memory it brings. Nothing of a stranger's is touched before the checks that need
 * less have passed, and what it costs is charged before it is spent.
 *
 * A guest that has hung up already is treated like any other: its hello may be queued with its ring's descriptor, and
 * then what it had published is delivered (design, section 10.5).
 */

#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/loop.h>

#include "clock.h"
#include "descriptor.h"
#include "log.h"
#include "observe_message.h"
#include "onlooker.h"
#include "receiver.h"
#include "refusal_advice.h"

#define ADVICE_ROOM 256

/* ---- The guest -------------------------------------------------------------- */

static void guest_unwatch(struct guest *guest)
{
	struct evchan_loop *loop = guest->receiver->loop;

	if (guest->watch)
		loop->ops->watch_remove(loop, guest->watch);
	guest->watch = NULL;
}

static void guest_close_arrival(struct guest *guest)
{
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++) {
		disposal_close(guest->arrival.fds[i], admission_charge_disposal(&guest->charge));
		guest->arrival.fds[i] = -1;
	}
}

/* Out of the list and gone; what it still has of descriptors and charges goes with it. */
static void guest_release(struct guest *guest)
{
	struct evchan_receiver *receiver = guest->receiver;
	struct disposal_account *account;

	list_remove(&guest->link);
	guest_unwatch(guest);
	/* The ring's may be the last reference to a large object. */
	guest_close_arrival(guest);
	account = admission_charge_disposal(&guest->charge);
	if (!account) /* over its quota: its disposals are its own all the same */
		account = admission_refused_disposal(&receiver->admission, guest->peer.uid);
	control_socket_deinit(&guest->control, account);
	admission_charge_deinit(&guest->charge);
	free(guest);
	receiver_guest_is_gone(receiver);
}

void guest_free(struct guest *guest, bool in_child)
{
	if (!in_child) {
		guest_release(guest);
		return;
	}
	list_remove(&guest->link);
	guest_unwatch(guest);
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++)
		descriptor_close(guest->arrival.fds[i]);
	control_socket_abandon(&guest->control);
	admission_charge_deinit(&guest->charge);
	free(guest);
}

/* Tells the sender no, tells the application, and ends the guest. Callback: error. */
static void guest_refuse(struct guest *guest, enum control_refusal refusal, const char *detail)
{
	struct evchan_receiver *receiver = guest->receiver;
	struct evchan_peer peer = guest->peer;
	struct control_refused refused = {
		.refusal = refusal,
		.final = control_refusal_is_final(refusal),
	};
	unsigned char frame[CONTROL_FRAME_MAX];
	char advice[ADVICE_ROOM];
	const char *text = detail ? detail : control_refusal_text(refusal);
	const char *role = guest->is_observer ? "observer" : "sender";

	refusal_advice(advice, sizeof(advice), receiver, refusal,
			guest->has_hello ? &guest->hello : NULL);
	control_set_text(&refused, text);
	(void)control_socket_send(&guest->control, frame,
			control_encode_refused(frame, CONTROL_REFUSED, &refused), NULL);
	guest_release(guest);
	receiver->stats.refused++;
	receiver_report(receiver, NULL, control_refusal_error(refusal),
			"%s pid %ld uid %lu is refused: %s%s", role, (long)peer.pid,
			(unsigned long)peer.uid, text, advice);
}

static void guest_ready(void *arg, unsigned events)
{
	struct guest *guest = arg;
	struct evchan_receiver *receiver = guest->receiver;

	(void)events;
	receiver_enter(receiver);
	guest_look(guest);
	receiver_leave(receiver);
}

static int guest_watch(struct guest *guest)
{
	struct evchan_loop *loop = guest->receiver->loop;

	if (guest->watch)
		return 0;
	return loop->ops->watch_add(loop, &guest->watch, guest->control.fd, EVCHAN_LOOP_READ,
			guest_ready, guest);
}

/* Whether the policy lets this user in. Callback: authorize. */
static bool guest_is_allowed(struct guest *guest)
{
	struct evchan_receiver *receiver = guest->receiver;

	if (receiver->callbacks.authorize)
		return receiver->callbacks.authorize(receiver, &guest->peer, receiver->arg) == 0;
	return admission_is_allowed(&receiver->admission, &guest->peer);
}

/* Of those of a user that have said nothing yet, the oldest gives way: an honest sender's hello comes with its connection.
 * Whether there was one. Callback: error. */
static bool guest_make_room(struct guest *newcomer)
{
	struct evchan_receiver *receiver = newcomer->receiver;
	struct list *link;

	for (link = receiver->guests.next; link != &receiver->guests; link = link->next) {
		struct guest *guest = CONTAINER_OF(link, struct guest, link);

		if (guest != newcomer && !guest->is_waiting && guest->charge.is_guest &&
				guest->peer.uid == newcomer->peer.uid) {
			guest_refuse(guest, CONTROL_REFUSE_UID_SENDERS, NULL);
			return true;
		}
	}
	return false;
}

/* An accepted connection: its owner is known before it has said a word. */
static int guest_receive_accepted(struct guest *guest)
{
	struct evchan_receiver *receiver = guest->receiver;
	int r;

	r = control_socket_peer(&guest->control, &guest->peer);
	if (r < 0)
		return r;
	r = admission_charge_guest(&guest->charge, &guest->receiver->admission, guest->peer.uid,
			false);
	if (r == -EUSERS && guest_make_room(guest)) {
		if (receiver->handle.is_freed)
			return 0;
		r = admission_charge_guest(&guest->charge, &receiver->admission, guest->peer.uid,
				false);
	}
	if (r == -EUSERS) {
		guest_refuse(guest, CONTROL_REFUSE_UID_SENDERS, NULL);
		return 0;
	}
	if (r < 0)
		return r;
	if (!guest_is_allowed(guest)) {
		guest_refuse(guest, CONTROL_REFUSE_POLICY, NULL);
		return 0;
	}
	/* Mostly the hello is there already, and the guest needs no watch at all. */
	guest_look(guest);
	return 0;
}

/* A socket that was handed in: charged to ourselves until the hello tells whose it is. */
static int guest_receive_handed_in(struct guest *guest)
{
	int r;

	guest->peer.pid = -1;
	guest->peer.uid = guest->receiver->admission.own_uid;
	r = admission_charge_guest(&guest->charge, &guest->receiver->admission, guest->peer.uid,
			true);
	if (r < 0)
		return r;
	return guest_watch(guest);
}

int guest_new(struct evchan_receiver *receiver, int fd, bool is_handed_in)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	int r;

	if (!guest) {
		if (!is_handed_in)
			descriptor_close(fd);
		return -ENOMEM;
	}
	guest->receiver = receiver;
	guest->is_handed_in = is_handed_in;
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++)
		guest->arrival.fds[i] = -1;
	control_socket_init(&guest->control, fd);
	control_socket_prepare_accepted(&guest->control, is_handed_in);
	receiver_expect_hello(receiver, guest);
	r = is_handed_in ? guest_receive_handed_in(guest) : guest_receive_accepted(guest);
	if (r < 0) {
		if (is_handed_in)
			guest->control = (struct control_socket)CONTROL_SOCKET_NONE;
		guest_release(guest);
	}
	return r;
}

/* ---- Admission ------------------------------------------------------------------ */

/* Credentials that came with the hello itself. */
static enum control_refusal guest_check_credentials(struct guest *guest)
{
	const struct control_arrival *arrival = &guest->arrival;
	struct admission *admission = &guest->receiver->admission;

	if (!guest->is_handed_in)
		return CONTROL_REFUSE_NONE;
	if (!arrival->has_credentials)
		return CONTROL_REFUSE_POLICY;
	guest->peer = arrival->credentials;
	admission_charge_deinit(&guest->charge);
	if (admission_charge_guest(&guest->charge, admission, guest->peer.uid, true) < 0)
		return CONTROL_REFUSE_UID_SENDERS;
	return guest_is_allowed(guest) ? CONTROL_REFUSE_NONE : CONTROL_REFUSE_POLICY;
}

/* Another lane, or a hold, may still have this ring: two readers would both write a head. */
static bool guest_ring_is_mapped(struct guest *guest, const struct evchan_lane *lane)
{
	struct list *lanes = &guest->receiver->lanes;
	struct list *link;

	for (link = lanes->next; link != lanes; link = link->next) {
		struct evchan_lane *other = CONTAINER_OF(link, struct evchan_lane, link);

		/* 0: a system that tells objects apart by nothing. There the ids below are all there is. */
		if (lane->reader.memory.inode != 0 &&
				other->reader.memory.device == lane->reader.memory.device &&
				other->reader.memory.inode == lane->reader.memory.inode)
			return true;
		if (other->peer.uid == lane->peer.uid &&
				memcmp(other->id, lane->id, sizeof(lane->id)) == 0)
			return true;
	}
	return false;
}

static enum bell_kind guest_choose_bell(struct guest *guest, uint32_t wish)
{
	struct evchan_receiver *receiver = guest->receiver;

	if (wish == EVCHAN_BELL_SOCKET)
		return BELL_SOCKET;
	/* A pipe for the own user's processes only: who writes to one from memory that does not come (FUSE, userfaultfd)
	 * holds its lock, and a read waits for that whatever O_NONBLOCK says. */
	if (receiver->options.bell == EVCHAN_BELL_DEFAULT && wish == EVCHAN_BELL_PIPE &&
			guest->peer.uid == receiver->admission.own_uid)
		return BELL_PIPE;
	/* Nor do others get one because there is no eventfd. */
	if (receiver->options.bell == EVCHAN_BELL_DEFAULT && receiver->bell == BELL_PIPE &&
			guest->peer.uid != receiver->admission.own_uid)
		return BELL_SOCKET;
	return receiver->bell;
}

static enum control_refusal guest_memory_refusal(int error, bool own_fault)
{
	if (own_fault)
		return error == -EMFILE || error == -ENFILE ? CONTROL_REFUSE_DESCRIPTORS
							    : CONTROL_REFUSE_NO_MEMORY;
	switch (error) {
	case -ENODATA:
		return CONTROL_REFUSE_LAZY;
	case -EPROTO:
		return CONTROL_REFUSE_POSITIONS;
	default:
		return CONTROL_REFUSE_MEMORY_OBJECT;
	}
}

/* Maps the ring and makes the receiver's page. */
static enum control_refusal guest_map_ring(struct guest *guest, struct evchan_lane *lane)
{
	const struct control_hello *hello = &guest->hello;
	const struct evchan_receiver_options *options = &guest->receiver->options;
	unsigned flags = 0;
	bool own_fault;
	int r;

	if (guest->peer.uid == guest->receiver->admission.own_uid ||
			(options->flags & EVCHAN_RECEIVER_ALLOW_LAZY))
		flags |= SHARED_MEMORY_LAZY;
	if (options->flags & EVCHAN_RECEIVER_LOCK_MEMORY)
		flags |= SHARED_MEMORY_LOCK;
	r = ring_reader_init(&lane->reader, guest->arrival.fds[0], hello->header_size, hello->capacity,
			hello->lane_id, hello->resume, flags, &own_fault);
	if (r < 0)
		return guest_memory_refusal(r, own_fault);
	return CONTROL_REFUSE_NONE;
}

static enum control_refusal guest_send_welcome(struct guest *guest, struct evchan_lane *lane)
{
	struct control_welcome welcome = {
		.version = CONTROL_PROTOCOL_VERSION,
		.bell = lane->bell.kind,
		.header_size = (uint32_t)shared_memory_page_size(),
	};
	int fds[2] = { ring_reader_page_fd(&lane->reader), lane->bell.ring_fd };
	struct control_ancillary ancillary = {
		.fds = fds,
		.fd_count = lane->bell.kind == BELL_SOCKET ? 1 : 2,
	};
	unsigned char frame[CONTROL_FRAME_MAX];
	int r;

	r = control_socket_send(&guest->control, frame, control_encode_welcome(frame, &welcome),
			&ancillary);
	ring_reader_page_given_away(&lane->reader);
	bell_given_away(&lane->bell);
	/* A sender that is gone needs no welcome; its ring is drained all the same. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return CONTROL_REFUSE_NONE;
	return CONTROL_REFUSE_DESCRIPTORS;
}

static enum control_refusal guest_make_bell(struct guest *guest, struct evchan_lane *lane)
{
	int r;

	lane->bell.kind = guest_choose_bell(guest, guest->hello.bell);
	if (lane->bell.kind == BELL_SOCKET)
		return CONTROL_REFUSE_NONE;
	r = bell_create(&lane->bell, lane->bell.kind, guest->receiver->is_edge);
	/* A wish that cannot be met here. */
	if (r == -ENOTSUP)
		r = bell_create(&lane->bell, guest->receiver->bell, guest->receiver->is_edge);
	return r < 0 ? guest_memory_refusal(r, true) : CONTROL_REFUSE_NONE;
}

/* Watched first: once the welcome is out nothing may fail any more. */
static enum control_refusal guest_connect_lane(struct guest *guest, struct evchan_lane *lane)
{
	enum control_refusal refusal;
	int r;

	guest_unwatch(guest);
	lane->control = guest->control;
	r = lane_watch(lane);
	refusal = r < 0 ? guest_memory_refusal(r, true) : guest_send_welcome(guest, lane);
	if (!refusal)
		return CONTROL_REFUSE_NONE;
	/* The guest's again. */
	lane_unwatch(lane);
	lane->control = (struct control_socket)CONTROL_SOCKET_NONE;
	return refusal;
}

/* Everything about the lane that can fail. It is in no list yet. */
static enum control_refusal guest_make_lane(struct guest *guest, struct evchan_lane *lane)
{
	enum control_refusal refusal;

	refusal = guest_map_ring(guest, lane);
	if (!refusal && guest_ring_is_mapped(guest, lane))
		refusal = CONTROL_REFUSE_BUSY;
	if (!refusal)
		refusal = guest_make_bell(guest, lane);
	if (!refusal)
		refusal = guest_connect_lane(guest, lane);
	return refusal;
}

/* The lane takes over the guest's charge, has its socket already; the guest is gone. */
static void guest_become_lane(struct guest *guest, struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = guest->receiver;

	lane->charge = guest->charge;
	guest->control = (struct control_socket)CONTROL_SOCKET_NONE;
	guest->charge = (struct admission_charge)ADMISSION_CHARGE_NONE;
	descriptor_close(guest->arrival.fds[0]);
	guest->arrival.fds[0] = -1;
	lane->number = ++receiver->lane_number;
	list_append(&receiver->lanes, &lane->link);
	guest_release(guest);
}

static struct evchan_lane *guest_new_lane(struct guest *guest)
{
	const struct control_hello *hello = &guest->hello;
	struct evchan_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return NULL;
	lane->receiver = guest->receiver;
	list_init(&lane->link);
	list_init(&lane->ready_link);
	list_init(&lane->storm_link);
	list_init(&lane->rest_link);
	list_init(&lane->reader.holds);
	lane->reader.memory = (struct shared_memory)SHARED_MEMORY_NONE;
	lane->reader.page_memory = (struct shared_memory)SHARED_MEMORY_NONE;
	lane->bell = (struct bell)BELL_NONE;
	lane->control = (struct control_socket)CONTROL_SOCKET_NONE;
	lane->charge = (struct admission_charge)ADMISSION_CHARGE_NONE;
	lane->peer = guest->peer;
	lane->joined_at = clock_milliseconds();
	lane->is_resumed = hello->was_connected;
	lane->copies = guest->receiver->options.flags & EVCHAN_RECEIVER_COPY;
	lane->message.lane = lane;
	memcpy(lane->id, hello->lane_id, sizeof(lane->id));
	memcpy(lane->label, hello->label, sizeof(lane->label));
	return lane;
}

/* Memory that is not sealed can be a trap, so only those may bring it who could kill this process anyway. */
static bool guest_may_bring_memory(const struct guest *guest)
{
	return shared_memory_has_seals() || guest->peer.uid == 0 ||
	       guest->peer.uid == guest->receiver->admission.own_uid;
}

/* Whether a whole, decoded hello lets this guest in: who, then how much, then what. */
static enum control_refusal guest_check_hello(struct guest *guest)
{
	enum control_refusal refusal;

	if (guest->is_checked)
		return CONTROL_REFUSE_NONE;
	refusal = guest_check_credentials(guest);
	if (refusal)
		return refusal;
	if (!guest_may_bring_memory(guest))
		return CONTROL_REFUSE_MEMORY_OBJECT;
	if (guest->arrival.fd_count != 1)
		return CONTROL_REFUSE_PROTOCOL;
	if (receiver_was_evicted(guest->receiver, guest->peer.uid, guest->hello.lane_id))
		return CONTROL_REFUSE_EVICTED;
	refusal = admission_charge_sender(&guest->charge, guest->hello.capacity);
	guest->is_checked = !refusal;
	return refusal;
}

/* The lane, if the hello lets the guest in. */
static enum control_refusal guest_try_lane(struct guest *guest, struct evchan_lane **out)
{
	enum control_refusal refusal;
	struct evchan_lane *lane;

	refusal = guest_check_hello(guest);
	if (refusal)
		return refusal;
	lane = guest_new_lane(guest);
	if (!lane)
		return CONTROL_REFUSE_NO_MEMORY;
	refusal = guest_make_lane(guest, lane);
	if (refusal)
		lane_free(lane);
	else
		*out = lane;
	return refusal;
}

static void guest_log_joined(const struct evchan_receiver *receiver, const struct evchan_lane *lane)
{
	log_line(EVCHAN_LOG_INFO, "%s: sender pid %ld uid %lu joined",
			receiver->listener.address.text, (long)lane->peer.pid,
			(unsigned long)lane->peer.uid);
}

/* There is not enough of what admitting takes. Whether the guest is still there: then its hello, queued or taken, is all
 * that is left of its sender. Callback: error. */
static bool guest_wait_for_room(struct guest *guest, enum control_refusal refusal)
{
	/* A sender that lives keeps its ring, and can be told to come back. */
	if (!control_socket_has_hung_up(&guest->control)) {
		guest_refuse(guest, refusal, NULL);
		return false;
	}
	guest->is_waiting = true;
	guest_unwatch(guest);
	receiver_retry_later(guest->receiver);
	return true;
}

/* A decoded hello; if it came with one descriptor, that is sealed memory. Whether the guest is still there.
 * Callback: error, authorize, joined, and what a turn calls. */
static bool guest_admit(struct guest *guest)
{
	struct evchan_receiver *receiver = guest->receiver;
	enum control_refusal refusal;
	struct evchan_lane *lane;

	refusal = guest_try_lane(guest, &lane);
	if (refusal == CONTROL_REFUSE_NO_MEMORY || refusal == CONTROL_REFUSE_DESCRIPTORS)
		return guest_wait_for_room(guest, refusal);
	if (refusal) {
		guest_refuse(guest, refusal, NULL);
		return false;
	}
	guest_become_lane(guest, lane);
	receiver->stats.joined++;
	receiver->stats.lanes++;
	guest_log_joined(receiver, lane);
	if (receiver->callbacks.joined)
		receiver->callbacks.joined(receiver, lane, receiver->arg);
	/* After every welcome both sides act once, whatever the bells say. */
	if (!receiver->handle.is_freed && lane->state != LANE_ENDED)
		receiver_lane_is_ready(receiver, lane, true);
	return false;
}

/* Whether whoever only wants to look may. It is an onlooker then. Callback: authorize. */
static enum control_refusal guest_try_observe(struct guest *guest, const unsigned char *frame,
		size_t length)
{
	struct evchan_receiver *receiver = guest->receiver;
	struct control_observe observe;
	enum control_refusal refusal;

	refusal = control_decode_observe(&observe, frame, length);
	if (!refusal && guest->arrival.fd_count)
		refusal = CONTROL_REFUSE_PROTOCOL;
	if (!refusal)
		refusal = guest_check_credentials(guest);
	if (!refusal && (receiver->options.flags & EVCHAN_RECEIVER_NO_OBSERVERS))
		refusal = CONTROL_REFUSE_NOT_OBSERVED;
	if (!refusal && receiver->is_shutting_down)
		refusal = CONTROL_REFUSE_SHUTDOWN;
	if (refusal)
		return refusal;
	guest_unwatch(guest);
	return onlooker_new(receiver, &guest->control, &guest->charge, &guest->peer);
}

/* Callback: authorize, error. */
static void guest_observe(struct guest *guest, const unsigned char *frame, size_t length)
{
	enum control_refusal refusal;

	guest->is_observer = true;
	refusal = guest_try_observe(guest, frame, length);
	if (refusal)
		guest_refuse(guest, refusal, NULL);
	else
		guest_release(guest);
}

/* A first frame, whole, whose descriptors are the guest's. Whether the guest is still there. Callback: as guest_admit(). */
static bool guest_handle_first_frame(struct guest *guest, enum control_type type,
		const unsigned char *frame, size_t length)
{
	enum control_refusal refusal = CONTROL_REFUSE_PROTOCOL;
	const struct control_arrival *arrival = &guest->arrival;

	if (type == CONTROL_OBSERVE) {
		guest_observe(guest, frame, length);
		return false;
	}
	if (type == CONTROL_HELLO)
		refusal = control_decode_hello(&guest->hello, frame, length);
	/* The one look at a stranger's descriptor that is always safe. */
	if (!refusal && arrival->fd_count == 1 && !shared_memory_is_acceptable(arrival->fds[0]))
		refusal = CONTROL_REFUSE_MEMORY_OBJECT;
	if (refusal) {
		guest_refuse(guest, refusal, NULL);
		return false;
	}
	guest->has_hello = true;
	return guest_admit(guest);
}

/* Waits for more of the hello. Whether the guest is still there. */
static bool guest_wait(struct guest *guest)
{
	if (guest_watch(guest) == 0)
		return true;
	guest_refuse(guest, CONTROL_REFUSE_NO_MEMORY, NULL);
	return false;
}

/* Admitting takes the ring's descriptor, the page's, and a bell's two. Asked for while the hello is still queued: its
 * ring may be all that is left of its sender. */
static bool guest_has_descriptors(const struct guest *guest)
{
	return descriptor_has_room(guest->control.fd, 4);
}

bool guest_look(struct guest *guest)
{
	struct disposal_account *account = admission_charge_disposal(&guest->charge);
	const unsigned char *frame;
	enum control_type type;
	int r;

	guest->is_waiting = false;
	if (guest->has_hello)
		return guest_admit(guest);
	/* Nothing but a whole hello is worth waiting for: whoever is silent, or gone, must not keep the very descriptors
	 * that are wanted. */
	if (control_socket_has_first(&guest->control) && !guest_has_descriptors(guest))
		r = -EMFILE;
	else
		r = control_socket_receive(&guest->control, &type, &frame, &guest->arrival, account);
	if (r > 0)
		return guest_handle_first_frame(guest, type, frame, (size_t)r);
	switch (r) {
	case -EAGAIN:
		return guest_wait(guest);
	case -EPIPE: /* gone without a word: nobody to tell */
		guest_release(guest);
		return false;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		receiver_suspend_accepting(guest->receiver);
		return guest_wait_for_room(guest, CONTROL_REFUSE_DESCRIPTORS);
	default:
		guest_refuse(guest, CONTROL_REFUSE_PROTOCOL, NULL);
		return false;
	}
}

void guest_show_out(struct guest *guest)
{
	guest_refuse(guest, CONTROL_REFUSE_SHUTDOWN, NULL);
}

void guest_expire(struct guest *guest)
{
	struct evchan_receiver *receiver = guest->receiver;

	/* Its hello may have come while this process was busy elsewhere. */
	if (!guest_look(guest))
		return;
	if (!guest->is_waiting || receiver->is_shutting_down) {
		guest_refuse(guest, CONTROL_REFUSE_TIMEOUT, NULL);
		return;
	}
	list_remove(&guest->link);
	receiver_expect_hello(receiver, guest);
}
