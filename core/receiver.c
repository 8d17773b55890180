/* SPDX-License-Identifier: MIT */
/*
 * Making and freeing a receiver, and what the application may ask of it. receiver.h says where the rest is.
 */

#include "receiver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/loop.h>

#include "clock.h"
#include "guest.h"
#include "log.h"
#include "onlooker.h"
#include "options.h"

/* ---- Evictions: lanes that do not get back in for a while ------------------- */

#define EVICTIONS_MAX 256
#define EVICTION_MS (10 * 60 * 1000)

struct eviction {
	struct list link;
	uint64_t expires;
	uid_t uid;
	uint8_t lane_id[16];
};

static void receiver_forget_eviction(struct evchan_receiver *receiver)
{
	struct eviction *oldest = LIST_FIRST(&receiver->evicted, struct eviction, link);

	list_remove(&oldest->link);
	receiver->eviction_count--;
	free(oldest);
}

void receiver_remember_eviction(struct evchan_receiver *receiver, const struct evchan_lane *lane)
{
	struct eviction *eviction = malloc(sizeof(*eviction));

	/* Without memory it is forgotten: the lane comes back and is evicted again. */
	if (!eviction)
		return;
	if (receiver->eviction_count == EVICTIONS_MAX)
		receiver_forget_eviction(receiver);
	eviction->expires = clock_milliseconds() + EVICTION_MS;
	eviction->uid = lane->peer.uid;
	memcpy(eviction->lane_id, lane->id, sizeof(eviction->lane_id));
	list_append(&receiver->evicted, &eviction->link);
	receiver->eviction_count++;
}

bool receiver_was_evicted(struct evchan_receiver *receiver, uid_t uid, const uint8_t lane_id[16])
{
	uint64_t now = clock_milliseconds();
	struct list *link;

	while (!list_is_empty(&receiver->evicted) &&
			LIST_FIRST(&receiver->evicted, struct eviction, link)->expires <= now)
		receiver_forget_eviction(receiver);
	for (link = receiver->evicted.next; link != &receiver->evicted; link = link->next) {
		struct eviction *eviction = CONTAINER_OF(link, struct eviction, link);

		if (eviction->uid == uid &&
				memcmp(eviction->lane_id, lane_id, sizeof(eviction->lane_id)) == 0)
			return true;
	}
	return false;
}

/* ---- Making and freeing ------------------------------------------------------ */

static void receiver_release_memory(struct evchan_receiver *receiver)
{
	admission_deinit(&receiver->admission);
	/* The loop may be the application's, which may have freed it in the callback that freed us. */
	if (receiver->owns_loop)
		evchan_poll_loop_free(receiver->loop);
	free(receiver->copy);
	free(receiver);
}

bool receiver_leave(struct evchan_receiver *receiver)
{
	if (handle_leave(&receiver->handle)) {
		receiver_release_memory(receiver);
		return true;
	}
	if (receiver->turn_is_owed && receiver->handle.depth == 0) {
		receiver->turn_is_owed = false;
		receiver_want_turn(receiver);
	}
	return false;
}

static void receiver_remove_timer(struct evchan_receiver *receiver, struct evchan_timer **timer)
{
	if (*timer)
		receiver->loop->ops->timer_remove(receiver->loop, *timer);
	*timer = NULL;
}

/* Ends everything that lives in the loop, the kernel or other processes. */
static void receiver_stop(struct evchan_receiver *receiver, bool in_child)
{
	/* In a forked child too: its copy of the loop would call timers of freed memory, and take the numbers of our
	 * descriptors for watched. The parent's epoll instance, should it be shared, does not know the idle
	 * descriptors that stand in for ours here. */
	receiver_stop_accepting(receiver);
	receiver_remove_timer(receiver, &receiver->accept_timer);
	receiver_remove_timer(receiver, &receiver->accept_pause_timer);
	receiver_remove_timer(receiver, &receiver->hello_timer);
	receiver_remove_timer(receiver, &receiver->turn_timer);
	receiver_remove_timer(receiver, &receiver->storm_timer);
	receiver_remove_timer(receiver, &receiver->rest_timer);
	onlookers_free(receiver, in_child);
	receiver_remove_timer(receiver, &receiver->onlooker_timer);
	listener_deinit(&receiver->listener, in_child);
	while (!list_is_empty(&receiver->guests))
		guest_free(LIST_FIRST(&receiver->guests, struct guest, link), in_child);
	while (!list_is_empty(&receiver->lanes))
		lane_close(LIST_FIRST(&receiver->lanes, struct evchan_lane, link), in_child);
	while (!list_is_empty(&receiver->evicted))
		receiver_forget_eviction(receiver);
}

/* The bell lanes get unless they ask for another. */
static int receiver_choose_bell(struct evchan_receiver *receiver)
{
	struct bell probe;
	int r;

	receiver->is_edge = receiver->loop->ops->features & EVCHAN_LOOP_EDGE;
	switch ((enum evchan_bell)receiver->options.bell) {
	case EVCHAN_BELL_DEFAULT:
		receiver->bell = BELL_EVENTFD; /* the pipe is for where there is none: see below */
		break;
	case EVCHAN_BELL_EVENTFD:
		receiver->bell = BELL_EVENTFD;
		break;
	case EVCHAN_BELL_PIPE:
		receiver->bell = BELL_PIPE;
		break;
	case EVCHAN_BELL_SOCKET:
		receiver->bell = BELL_SOCKET;
		return 0;
	}
	/* Rather now than at the first sender: can this kind be had (a seccomp filter may forbid
	 * eventfd2(2))? */
	r = bell_create(&probe, receiver->bell, receiver->is_edge);
	if (r == -ENOTSUP && receiver->options.bell == EVCHAN_BELL_DEFAULT) {
		receiver->bell = BELL_PIPE;
		r = bell_create(&probe, receiver->bell, receiver->is_edge);
	}
	if (r == 0)
		bell_deinit(&probe);
	return r;
}

static int receiver_open(struct evchan_receiver *receiver, const char *address)
{
	struct address parsed;
	int r;

	r = address_parse(&parsed, address, ADDRESS_OF_RECEIVER);
	if (r < 0)
		return r;
	r = receiver_choose_bell(receiver);
	if (r < 0)
		return r;
	r = receiver_turn_init(receiver);
	if (r < 0)
		return r;
	r = receiver_storm_init(receiver);
	if (r < 0)
		return r;
	r = receiver_rest_init(receiver);
	if (r < 0)
		return r;
	r = receiver_accept_init(receiver);
	if (r < 0)
		return r;
	r = onlookers_init(receiver);
	if (r < 0)
		return r;
	r = listener_open(&receiver->listener, &parsed, receiver->options.socket_mode);
	if (r < 0)
		return r;
	if (!receiver->listener.is_lane)
		r = receiver_start_accepting(receiver);
	else
		r = guest_new(receiver, receiver->listener.fd, true);
	if (r < 0)
		listener_give_back(&receiver->listener);
	else if (receiver->listener.is_lane)
		receiver->listener.fd = -1;
	return r;
}

static int receiver_read_options(struct evchan_receiver *receiver,
		const struct evchan_receiver_options *options,
		const struct evchan_receiver_callbacks *callbacks)
{
	int r;

	r = options_read_receiver(&receiver->options, options);
	if (r < 0)
		return r;
	/* Watching may make a turn long by itself: then a share is a share. */
	receiver->renews_shares = options_leave_share(options) && !receiver->options.spin_us;
	r = options_read_receiver_callbacks(&receiver->callbacks, callbacks);
	if (r < 0)
		return r;
	return admission_init(&receiver->admission, &receiver->options);
}

static void receiver_init_lists(struct evchan_receiver *receiver)
{
	list_init(&receiver->guests);
	list_init(&receiver->evicted);
	list_init(&receiver->onlookers);
	list_init(&receiver->lanes);
	list_init(&receiver->ready);
	list_init(&receiver->unfinished);
	list_init(&receiver->resting);
	receiver->listener = (struct listener)LISTENER_NONE;
}

int evchan_receiver_new(struct evchan_receiver **out, struct evchan_loop *loop,
		const char *address, const struct evchan_receiver_options *options,
		const struct evchan_receiver_callbacks *callbacks, void *arg)
{
	struct evchan_receiver *receiver = calloc(1, sizeof(*receiver));
	int r;

	if (!receiver)
		return -ENOMEM;
	receiver_init_lists(receiver);
	receiver->arg = arg;
	receiver->loop = loop;
	receiver->made_at = clock_milliseconds();
	r = receiver_read_options(receiver, options, callbacks);
	if (r < 0)
		goto fail_options;
	if (!loop) {
		r = evchan_poll_loop_new(&receiver->loop);
		if (r < 0)
			goto fail_loop;
		receiver->owns_loop = true;
	}
	r = receiver_open(receiver, address);
	handle_init(&receiver->handle);
	if (r < 0)
		goto fail_open;
	*out = receiver;
	return 0;

fail_open:
	receiver_stop(receiver, false);
	receiver_release_memory(receiver);
	return r;
fail_loop:
	admission_deinit(&receiver->admission);
fail_options:
	free(receiver);
	return r;
}

void evchan_receiver_free(struct evchan_receiver *receiver)
{
	if (!receiver)
		return;
	receiver_enter(receiver);
	receiver->handle.is_freed = true;
	receiver_stop(receiver, handle_is_foreign(&receiver->handle));
	receiver_leave(receiver);
}

/* ---- What the application may ask --------------------------------------------- */

const char *evchan_receiver_address(const struct evchan_receiver *receiver)
{
	return receiver->listener.address.text;
}

int evchan_receiver_adopt(struct evchan_receiver *receiver, int fd)
{
	struct control_socket control = CONTROL_SOCKET_NONE;
	int r;

	if (handle_is_foreign(&receiver->handle))
		return -EOWNERDEAD;
	handle_check_thread(&receiver->handle);
	if (receiver->is_shutting_down)
		return -ESHUTDOWN;
	r = control_socket_adopt(&control, fd);
	if (r < 0)
		return r;
	r = guest_new(receiver, fd, true);
	if (r < 0)
		descriptor_disown(fd);
	return r;
}

void evchan_receiver_pause(struct evchan_receiver *receiver)
{
	if (handle_is_foreign(&receiver->handle))
		return;
	handle_check_thread(&receiver->handle);
	receiver->is_paused = true;
}

/* Those that joined after the lane with this number, or the others. */
static void receiver_look_at_lanes(struct evchan_receiver *receiver, uint64_t number, bool after)
{
	struct list *link;

	for (link = receiver->lanes.next; link != &receiver->lanes; link = link->next) {
		struct evchan_lane *lane = CONTAINER_OF(link, struct evchan_lane, link);

		if (lane->state != LANE_GONE && (lane->number > number) == after)
			receiver_lane_is_ready(receiver, lane, false);
	}
}

void evchan_receiver_resume(struct evchan_receiver *receiver)
{
	if (handle_is_foreign(&receiver->handle) || !receiver->is_paused)
		return;
	handle_check_thread(&receiver->handle);
	receiver->is_paused = false;
	/* Rings while it was paused led nowhere: look at every lane in any case. The one that was served before the pause comes
	 * last, or an application that pauses after each message would hear of no other. */
	receiver_look_at_lanes(receiver, receiver->paused_lane, true);
	receiver_look_at_lanes(receiver, receiver->paused_lane, false);
}

void receiver_count(const struct evchan_receiver *receiver, struct evchan_receiver_stats *stats)
{
	const struct evchan_lane *served = receiver->served;

	*stats = receiver->stats;
	stats->size = sizeof(*stats);
	if (served) {
		stats->messages += served->messages - served->settled_messages;
		stats->bytes += served->bytes - served->settled_bytes;
	}
	stats->ring_bytes = receiver->admission.bytes;
	stats->age = clock_milliseconds() - receiver->made_at;
}

void evchan_receiver_get_stats(const struct evchan_receiver *receiver,
		struct evchan_receiver_stats *stats)
{
	struct evchan_receiver_stats known;
	const struct list *link;

	receiver_count(receiver, &known);
	for (link = receiver->lanes.next; link != &receiver->lanes; link = link->next) {
		const struct evchan_lane *lane = CONTAINER_OF(
				(uintptr_t)link, const struct evchan_lane, link);

		if (lane->state != LANE_GONE)
			known.times_full += ring_reader_times_full(&lane->reader);
	}
	options_copy_out(stats, &known, sizeof(known));
}

struct evchan_loop *evchan_receiver_poll_loop(struct evchan_receiver *receiver)
{
	return receiver->owns_loop ? receiver->loop : NULL;
}

void receiver_report(struct evchan_receiver *receiver, struct evchan_lane *lane, int error,
		const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_line(EVCHAN_LOG_WARNING, "%s: %s", receiver->listener.address.text, text);
	if (receiver->callbacks.error)
		receiver->callbacks.error(receiver, lane, error, text, receiver->arg);
}
