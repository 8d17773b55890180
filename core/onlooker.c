/* SPDX-License-Identifier: MIT */
/*
 * Observers, on the receiver's side.
 *
 * An observer is a stranger like any other, with less to win: it must not cost the receiver more than a little time, bounded
 * by numbers that stand here, whatever it does. So nothing is kept for it: it asks for one page at a time, and the page is
 * sent whole or not at all. One that asks for another before it has read the last ones finds the socket full, one way or the other: it is
 * hung up on. And all observers together share a number of looks per tick, where each look reads what one of
 * them has said and makes a page at the most. When they are used up nobody is listened to until the tick is over.
 *
 * Few observers are admitted at once. One that has been silent for a while gives way to a newcomer, so that nobody can
 * keep the places for ever by doing nothing.
 *
 * Surprising: nothing here calls the application, so no frame needs to fear that the receiver is freed under it.
 */

#include "onlooker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/loop.h>
#include <evchan/observe.h>

#include "clock.h"
#include "log.h"
#include "observe_message.h"
#include "receiver.h"

/* Of all observers together: 1600 pages in a second, and some percent of a processor. */
#define ONLOOKER_LOOKS_PER_TICK 32
#define ONLOOKER_TICK_MS 20
/* Whoever has not asked for so long gives way if there are too many. */
#define ONLOOKER_SILENT_MS 3000
/* Lanes looked at for one page, those that this observer may not see included. */
#define ONLOOKER_LANES_PER_PAGE 64

struct onlooker {
	struct evchan_receiver *receiver;
	struct list link; /* in receiver->onlookers */
	struct control_socket control;
	struct evchan_watch *watch; /* NULL: the looks are used up */
	struct evchan_peer peer;
	struct admission_charge charge;
	bool sees_all;
	struct list *next; /* the snapshot under way goes on with this link of the lanes; NULL: there is none */
	uint64_t times_full; /* of the lanes told in it */
	uint64_t heard_at;   /* clock_milliseconds() */
};

static void onlooker_ready(void *arg, unsigned events);

/* ---- Being there -------------------------------------------------------------------- */

static int onlooker_watch(struct onlooker *onlooker)
{
	struct evchan_loop *loop = onlooker->receiver->loop;

	if (onlooker->watch)
		return 0;
	return loop->ops->watch_add(loop, &onlooker->watch, onlooker->control.fd,
			EVCHAN_LOOP_READ, onlooker_ready, onlooker);
}

static void onlooker_unwatch(struct onlooker *onlooker)
{
	struct evchan_loop *loop = onlooker->receiver->loop;

	if (onlooker->watch)
		loop->ops->watch_remove(loop, onlooker->watch);
	onlooker->watch = NULL;
}

static void onlooker_free(struct onlooker *onlooker)
{
	list_remove(&onlooker->link);
	onlooker_unwatch(onlooker);
	control_socket_deinit(
			&onlooker->control, admission_charge_disposal(&onlooker->charge));
	admission_charge_deinit(&onlooker->charge);
	free(onlooker);
}

static void onlooker_cut_off(struct onlooker *onlooker, const char *why)
{
	log_line(EVCHAN_LOG_WARNING, "%s: observer pid %ld uid %lu is cut off: %s",
			onlooker->receiver->listener.address.text,
			(long)onlooker->peer.pid, (unsigned long)onlooker->peer.uid, why);
	onlooker_free(onlooker);
}

/* ---- What there is to see ------------------------------------------------------------- */

static enum evchan_lane_state lane_state_to_tell(const struct evchan_lane *lane)
{
	switch (lane->state) {
	case LANE_OPEN:
		return EVCHAN_LANE_OPEN;
	case LANE_DRAINING:
		return EVCHAN_LANE_DRAINING;
	case LANE_ENDED:
		return EVCHAN_LANE_ENDED;
	case LANE_GONE:
		break;
	}
	return EVCHAN_LANE_HELD;
}

static uint32_t lane_flags_to_tell(const struct evchan_lane *lane)
{
	uint32_t flags = 0;

	if (lane->is_paused || lane->receiver->is_paused)
		flags |= EVCHAN_OBSERVED_PAUSED;
	if (lane->is_resumed)
		flags |= EVCHAN_OBSERVED_RESUMED;
	if (lane->copies)
		flags |= EVCHAN_OBSERVED_COPIED;
	if (list_is_linked(&lane->storm_link))
		flags |= EVCHAN_OBSERVED_LEFT_ALONE;
	return flags;
}

/* Writes one lane to the page. Returns its length. */
static size_t onlooker_put_lane(
		struct onlooker *onlooker, unsigned char *out, struct evchan_lane *lane)
{
	struct control_lane told = {
		.number = lane->number,
		.state = lane_state_to_tell(lane),
		.flags = lane_flags_to_tell(lane),
		.peer = lane->peer,
		.capacity = lane->reader.capacity,
	};

	lane_count(lane, &told.stats);
	/* The receiver's own counter has those of lanes that have left. */
	if (lane->state != LANE_GONE)
		onlooker->times_full += told.stats.times_full;
	memcpy(told.label, lane->label, sizeof(told.label));
	return control_encode_lane(out, &told);
}

static bool onlooker_may_see(
		const struct onlooker *onlooker, const struct evchan_lane *lane)
{
	return onlooker->sees_all || lane->peer.uid == onlooker->peer.uid;
}

/* As many lanes as a page has room for. Returns their length. */
static size_t onlooker_put_lanes(struct onlooker *onlooker, unsigned char *page)
{
	const struct list *end = &onlooker->receiver->lanes;
	unsigned seen = 0, told = 0;
	size_t length = 0;

	while (onlooker->next != end && seen++ < ONLOOKER_LANES_PER_PAGE &&
			told < OBSERVE_LANES_PER_PAGE) {
		struct evchan_lane *lane =
				CONTAINER_OF(onlooker->next, struct evchan_lane, link);

		onlooker->next = lane->link.next;
		if (!onlooker_may_see(onlooker, lane))
			continue;
		length += onlooker_put_lane(onlooker, page + length, lane);
		told++;
	}
	return length;
}

static size_t onlooker_put_totals(const struct onlooker *onlooker, unsigned char *out)
{
	struct evchan_receiver_stats totals;

	receiver_count(onlooker->receiver, &totals);
	totals.times_full += onlooker->times_full;
	return control_encode_totals(out, &totals);
}

/* The onlooker may be freed when it returns. */
static void onlooker_say_page(struct onlooker *onlooker)
{
	unsigned char page[OBSERVE_PAGE_MAX];
	size_t length = onlooker_put_lanes(onlooker, page);
	int r;

	if (onlooker->next != &onlooker->receiver->lanes) {
		length += control_encode_more(page + length);
	} else {
		length += onlooker_put_totals(onlooker, page + length);
		onlooker->next = NULL;
	}
	r = control_socket_send(&onlooker->control, page, length, NULL);
	if (r == -EPIPE || r == -ECONNRESET)
		onlooker_free(onlooker);
	else if (r < 0)
		onlooker_cut_off(onlooker, "it asks, and does not read the answers");
}

/* ---- What they say ---------------------------------------------------------------------- */

/* The onlooker may be freed when it returns. */
static void onlooker_heard_ask(struct onlooker *onlooker, bool next)
{
	struct evchan_receiver *receiver = onlooker->receiver;

	if (next && !onlooker->next) {
		onlooker_cut_off(onlooker, "it asks for more than there is");
		return;
	}
	if (!next) {
		onlooker->next = receiver->lanes.next;
		onlooker->times_full = 0;
	}
	onlooker->heard_at = clock_milliseconds();
	list_remove(&onlooker->link);
	list_append(&receiver->onlookers, &onlooker->link);
	onlooker_say_page(onlooker);
}

/* All that it has said, which is one frame if it is honest. Returns 1 it asks, 0 nothing yet, or negative: -EPIPE it is gone,
 * -EPROTO. */
static int onlooker_listen(struct onlooker *onlooker, bool *next)
{
	struct disposal_account *account = admission_charge_disposal(&onlooker->charge);
	const unsigned char *frame;
	enum control_type type;
	int asks = 0, r;

	for (;;) {
		r = control_socket_receive(
				&onlooker->control, &type, &frame, NULL, account);
		if (r < 0)
			break;
		if (type == CONTROL_BYE)
			return -EPIPE;
		if (type != CONTROL_ASK || asks++ ||
				control_decode_ask(next, frame, (size_t)r) < 0)
			return -EPROTO;
	}
	return r == -EAGAIN ? asks : r;
}

static void onlooker_look(struct onlooker *onlooker)
{
	bool next;

	switch (onlooker_listen(onlooker, &next)) {
	case 1:
		onlooker_heard_ask(onlooker, next);
		break;
	case 0:
		break;
	case -EPIPE:
		onlooker_free(onlooker);
		break;
	default:
		onlooker_cut_off(onlooker, "it says what no observer may");
	}
}

/* ---- How often they are listened to ------------------------------------------------------- */

static bool onlookers_have_looks(struct evchan_receiver *receiver)
{
	uint64_t now = clock_milliseconds();

	if (now >= receiver->onlooker_tick) {
		receiver->onlooker_tick = now + ONLOOKER_TICK_MS;
		receiver->onlooker_looks = ONLOOKER_LOOKS_PER_TICK;
	}
	if (!receiver->onlooker_looks)
		return false;
	receiver->onlooker_looks--;
	return true;
}

static void onlooker_ready(void *arg, unsigned events)
{
	struct onlooker *onlooker = arg;
	struct evchan_receiver *receiver = onlooker->receiver;
	struct evchan_loop *loop = receiver->loop;

	(void)events;
	if (onlookers_have_looks(receiver)) {
		onlooker_look(onlooker);
		return;
	}
	onlooker_unwatch(onlooker);
	/* Set once: newcomers must not move it on and on. */
	if (!receiver->onlooker_timer_set)
		receiver->onlooker_timer_set =
				loop->ops->timer_set(loop, receiver->onlooker_timer,
						ONLOOKER_TICK_MS) == 0;
	if (!receiver->onlooker_timer_set)
		onlooker_cut_off(onlooker, "no memory to listen to it again");
}

static void onlookers_listen_again(void *arg)
{
	struct evchan_receiver *receiver = arg;
	struct list *link, *next;

	if (handle_is_foreign(&receiver->handle))
		return;
	receiver->onlooker_timer_set = false;
	for (link = receiver->onlookers.next; link != &receiver->onlookers; link = next) {
		struct onlooker *onlooker = CONTAINER_OF(link, struct onlooker, link);

		next = link->next;
		if (onlooker_watch(onlooker) < 0)
			onlooker_cut_off(onlooker, "no memory to listen to it again");
	}
}

/* ---- Coming and going ------------------------------------------------------------------------ */

int onlookers_init(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	return loop->ops->timer_add(loop, &receiver->onlooker_timer,
			onlookers_listen_again, receiver);
}

/* The one that has been silent longest gives way to a newcomer: of all, or of the newcomer's user. Whether there was one. */
static bool onlookers_make_room(struct evchan_receiver *receiver, uid_t uid, bool of_all)
{
	uint64_t now = clock_milliseconds();
	struct list *link;

	for (link = receiver->onlookers.next; link != &receiver->onlookers;
			link = link->next) {
		struct onlooker *onlooker = CONTAINER_OF(link, struct onlooker, link);

		if (now - onlooker->heard_at < ONLOOKER_SILENT_MS)
			break;
		if (of_all || onlooker->peer.uid == uid) {
			onlooker_cut_off(onlooker, "it asks nothing, and others want to");
			return true;
		}
	}
	return false;
}

static int onlooker_charge(struct evchan_receiver *receiver,
		struct admission_charge *charge, const struct evchan_peer *peer)
{
	bool of_all;
	int r;

	r = admission_charge_observer(charge, &of_all);
	if (r == -EUSERS && onlookers_make_room(receiver, peer->uid, of_all))
		r = admission_charge_observer(charge, &of_all);
	return r;
}

/* Watched first: once it is told that it may look nothing may fail any more. */
static enum control_refusal onlooker_begin(struct onlooker *onlooker)
{
	const struct control_observe observed = { .version = CONTROL_OBSERVE_VERSION };
	unsigned char frame[CONTROL_FRAME_MAX];
	int r;

	r = onlooker_watch(onlooker);
	if (r < 0)
		return CONTROL_REFUSE_NO_MEMORY;
	r = control_socket_send(&onlooker->control, frame,
			control_encode_observed(frame, &observed), NULL);
	/* One that is gone is found to be so by the watch. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return CONTROL_REFUSE_NONE;
	onlooker_unwatch(onlooker);
	return CONTROL_REFUSE_DESCRIPTORS;
}

enum control_refusal onlooker_new(struct evchan_receiver *receiver,
		struct control_socket *control, struct admission_charge *charge,
		const struct evchan_peer *peer)
{
	struct onlooker *onlooker;
	enum control_refusal refusal;

	if (onlooker_charge(receiver, charge, peer) < 0)
		return CONTROL_REFUSE_OBSERVERS;
	onlooker = calloc(1, sizeof(*onlooker));
	if (!onlooker)
		return CONTROL_REFUSE_NO_MEMORY;
	onlooker->receiver = receiver;
	onlooker->control = *control;
	onlooker->charge = *charge;
	onlooker->peer = *peer;
	onlooker->sees_all = peer->uid == receiver->admission.own_uid || peer->uid == 0;
	onlooker->heard_at = clock_milliseconds();
	refusal = onlooker_begin(onlooker);
	if (refusal) {
		free(onlooker);
		return refusal;
	}
	*control = (struct control_socket)CONTROL_SOCKET_NONE;
	*charge = (struct admission_charge)ADMISSION_CHARGE_NONE;
	list_append(&receiver->onlookers, &onlooker->link);
	return CONTROL_REFUSE_NONE;
}

void onlookers_pass_over(struct evchan_receiver *receiver, struct evchan_lane *lane)
{
	struct list *link;

	for (link = receiver->onlookers.next; link != &receiver->onlookers;
			link = link->next) {
		struct onlooker *onlooker = CONTAINER_OF(link, struct onlooker, link);

		if (onlooker->next == &lane->link)
			onlooker->next = lane->link.next;
	}
}

static void onlooker_say_goodbye(struct onlooker *onlooker)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	control_socket_prepare_last(&onlooker->control);
	(void)control_socket_send(
			&onlooker->control, frame, control_encode_bye(frame), NULL);
}

void onlookers_free(struct evchan_receiver *receiver, bool in_child)
{
	while (!list_is_empty(&receiver->onlookers)) {
		struct onlooker *onlooker =
				LIST_FIRST(&receiver->onlookers, struct onlooker, link);

		if (in_child) {
			onlooker_unwatch(onlooker);
			control_socket_abandon(&onlooker->control);
		} else {
			onlooker_say_goodbye(onlooker);
		}
		onlooker_free(onlooker);
	}
}
