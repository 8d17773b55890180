/* SPDX-License-Identifier: MIT */
/*
 * An observer, on its own side: one connection, one question at a time, and callbacks for what is answered.
 *
 * The receiver is a stranger: whoever listens at an address can say anything. So each frame is checked, one that nobody has
 * asked for ends the connection, and so does the first that makes no sense.
 *
 * There is no reconnection: an observer that has ended says so and stays as it is. Its user knows whether to come
 * back, and what to show meanwhile.
 */

#include <errno.h>
#include <stdlib.h>

#include <evchan/loop.h>
#include <evchan/observe.h>

#include "address.h"
#include "control_socket.h"
#include "handle.h"
#include "observe_message.h"
#include "options.h"

/* Frames taken per wake-up: a page and a bit. The watch is level-triggered, and all that was read is told. */
#define OBSERVER_FRAMES_PER_LOOK 32

enum observer_state {
	OBSERVER_GREETING, /* OBSERVE was said */
	OBSERVER_ADMITTED,
	OBSERVER_ENDED,
};

struct evchan_observer {
	struct handle handle;
	struct evchan_loop *loop;
	struct evchan_observer_callbacks callbacks;
	void *arg;
	struct control_socket control;
	struct evchan_watch *watch;
	struct evchan_timer *timer; /* there are frames in the buffer */
	struct evchan_peer receiver;
	enum observer_state state;
	bool is_asking;
	bool said_bye;
};

static void observer_ready(void *arg, unsigned events);
static void observer_read_on(void *arg);

/* ---- Making and freeing ------------------------------------------------------------ */

static void observer_enter(struct evchan_observer *observer)
{
	handle_enter(&observer->handle);
}

static void observer_leave(struct evchan_observer *observer)
{
	if (handle_leave(&observer->handle))
		free(observer);
}

static void observer_unwatch(struct evchan_observer *observer)
{
	struct evchan_loop *loop = observer->loop;

	if (observer->watch)
		loop->ops->watch_remove(loop, observer->watch);
	if (observer->timer)
		loop->ops->timer_remove(loop, observer->timer);
	observer->watch = NULL;
	observer->timer = NULL;
}

static int observer_watch(struct evchan_observer *observer)
{
	struct evchan_loop *loop = observer->loop;
	int r;

	r = loop->ops->timer_add(loop, &observer->timer, observer_read_on, observer);
	if (r < 0)
		return r;
	return loop->ops->watch_add(loop, &observer->watch, observer->control.fd,
			EVCHAN_LOOP_READ, observer_ready, observer);
}

/* With credentials, because the socket may have been handed to the receiver. */
static int observer_say(struct evchan_observer *observer, const unsigned char *frame,
		size_t length)
{
	const struct control_ancillary ancillary = { .credentials = true };
	bool is_first = observer->state == OBSERVER_GREETING;
	int r;

	r = control_socket_send(
			&observer->control, frame, length, is_first ? &ancillary : NULL);
	/* Gone; but why may be there to read. */
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

static int observer_open(struct evchan_observer *observer, const struct address *address)
{
	const struct control_observe observe = { .version = CONTROL_OBSERVE_VERSION };
	unsigned char frame[CONTROL_FRAME_MAX];
	int r;

	if (address->kind == ADDRESS_DESCRIPTOR) {
		r = control_socket_check(address->fd);
		if (r == 0)
			r = control_socket_adopt(&observer->control, address->fd);
	} else {
		r = control_socket_connect(&observer->control, address);
	}
	if (r == 0)
		r = control_socket_peer(&observer->control, &observer->receiver);
	if (r == 0)
		r = observer_watch(observer);
	if (r < 0)
		return r;
	return observer_say(observer, frame, control_encode_observe(frame, &observe));
}

/* What a failed attempt has opened; a descriptor that was handed in is its owner's again. */
static void observer_give_back(
		struct evchan_observer *observer, const struct address *address)
{
	observer_unwatch(observer);
	if (observer->control.fd >= 0 && address->kind == ADDRESS_DESCRIPTOR)
		descriptor_disown(observer->control.fd);
	else
		control_socket_deinit(&observer->control, NULL);
}

int evchan_observer_new(struct evchan_observer **out, struct evchan_loop *loop,
		const char *text, const struct evchan_observer_callbacks *callbacks,
		void *arg)
{
	struct evchan_observer *observer;
	struct address address;
	int r;

	if (!loop)
		return -EINVAL;
	r = address_parse(&address, text, ADDRESS_OF_SENDER);
	if (r < 0)
		return r;
	observer = calloc(1, sizeof(*observer));
	if (!observer)
		return -ENOMEM;
	observer->loop = loop;
	observer->arg = arg;
	observer->control = (struct control_socket)CONTROL_SOCKET_NONE;
	r = options_read_observer_callbacks(&observer->callbacks, callbacks);
	if (r == 0)
		r = observer_open(observer, &address);
	handle_init(&observer->handle);
	if (r < 0) {
		observer_give_back(observer, &address);
		free(observer);
		return r;
	}
	*out = observer;
	return 0;
}

void evchan_observer_free(struct evchan_observer *observer)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	if (!observer)
		return;
	observer_enter(observer);
	observer->handle.is_freed = true;
	observer_unwatch(observer);
	if (handle_is_foreign(&observer->handle)) {
		control_socket_abandon(&observer->control);
	} else if (observer->control.fd >= 0) {
		(void)control_socket_send(&observer->control, frame,
				control_encode_bye(frame), NULL);
		control_socket_deinit(&observer->control, NULL);
	}
	observer_leave(observer);
}

struct evchan_peer evchan_observer_receiver(const struct evchan_observer *observer)
{
	return observer->receiver;
}

/* ---- Asking ---------------------------------------------------------------------------- */

static void observer_send_ask(struct evchan_observer *observer, bool next)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	/* There is room for it: all questions before it were answered, so read. Should there be none all the same, the
	 * connection is of no use, and its end is what the watch sees next. */
	if (observer_say(observer, frame, control_encode_ask(frame, next)) < 0)
		control_socket_shut(&observer->control);
}

int evchan_observer_ask(struct evchan_observer *observer)
{
	if (handle_is_foreign(&observer->handle))
		return -EOWNERDEAD;
	handle_check_thread(&observer->handle);
	if (observer->state == OBSERVER_ENDED)
		return -EPIPE;
	if (observer->is_asking)
		return -EALREADY;
	observer->is_asking = true;
	/* Before it is admitted it has to wait; see observer_admitted(). */
	if (observer->state == OBSERVER_ADMITTED)
		observer_send_ask(observer, false);
	return 0;
}

/* ---- What the receiver says --------------------------------------------------------------- */

/* Callback: ended. */
static void observer_end(struct evchan_observer *observer, int error, const char *text)
{
	observer->state = OBSERVER_ENDED;
	observer_unwatch(observer);
	control_socket_deinit(&observer->control, NULL);
	if (observer->callbacks.ended)
		observer->callbacks.ended(observer, error, text, observer->arg);
}

static int observer_admitted(struct evchan_observer *observer, const unsigned char *frame,
		size_t length)
{
	struct control_observe observed;
	int r;

	r = control_decode_observed(&observed, frame, length);
	if (r < 0)
		return r;
	observer->state = OBSERVER_ADMITTED;
	if (observer->is_asking)
		observer_send_ask(observer, false);
	return 0;
}

/* Callback: ended. Returns -ECANCELED, or -EPROTO without having called. */
static int observer_refused(struct evchan_observer *observer, const unsigned char *frame,
		size_t length)
{
	struct control_refused refused;

	if (control_decode_refused(&refused, frame, length) < 0)
		return -EPROTO;
	observer_end(observer, control_refusal_error(refused.refusal), refused.text);
	return -ECANCELED;
}

/* Callback: lane. */
static int observer_told_lane(struct evchan_observer *observer,
		const unsigned char *frame, size_t length)
{
	struct evchan_observed_lane observed;
	struct control_lane lane;

	if (control_decode_lane(&lane, frame, length) < 0)
		return -EPROTO;
	observed = (struct evchan_observed_lane){
		.number = lane.number,
		.peer = lane.peer,
		.state = (enum evchan_lane_state)lane.state,
		.flags = lane.flags,
		.capacity = lane.capacity,
		.label = lane.label,
		.stats = &lane.stats,
	};
	if (observer->callbacks.lane)
		observer->callbacks.lane(observer, &observed, observer->arg);
	return 0;
}

static int observer_told_more(struct evchan_observer *observer,
		const unsigned char *frame, size_t length)
{
	if (control_decode_more(frame, length) < 0)
		return -EPROTO;
	observer_send_ask(observer, true);
	return 0;
}

/* Callback: snapshot. */
static int observer_told_totals(struct evchan_observer *observer,
		const unsigned char *frame, size_t length)
{
	struct evchan_receiver_stats totals;

	if (control_decode_totals(&totals, frame, length) < 0)
		return -EPROTO;
	observer->is_asking = false;
	if (observer->callbacks.snapshot)
		observer->callbacks.snapshot(observer, &totals, observer->arg);
	return 0;
}

/* A frame of an answer. Callback: lane, snapshot. */
static int observer_told(struct evchan_observer *observer, enum control_type type,
		const unsigned char *frame, size_t length)
{
	if (!observer->is_asking)
		return -EPROTO;
	if (type == CONTROL_LANE)
		return observer_told_lane(observer, frame, length);
	if (type == CONTROL_MORE)
		return observer_told_more(observer, frame, length);
	if (type == CONTROL_TOTALS)
		return observer_told_totals(observer, frame, length);
	return -EPROTO;
}

/* Returns 0, -ECANCELED (the end was told), or what is wrong with the frame. Callback: all. */
static int observer_handle_frame(struct evchan_observer *observer, enum control_type type,
		const unsigned char *frame, size_t length)
{
	if (type == CONTROL_BYE && !observer->said_bye) {
		observer->said_bye = true;
		return 0;
	}
	if (observer->state == OBSERVER_ADMITTED)
		return observer_told(observer, type, frame, length);
	if (type == CONTROL_REFUSED)
		return observer_refused(observer, frame, length);
	if (type == CONTROL_OBSERVED)
		return observer_admitted(observer, frame, length);
	return -EPROTO;
}

/* Descriptors are nobody's idea here. */
static int observer_drop_descriptors(struct control_arrival *arrival)
{
	for (size_t i = 0; i < arrival->fd_count; i++)
		disposal_close(arrival->fds[i], NULL);
	return arrival->fd_count ? -EPROTO : 0;
}

/* Takes one frame. Returns 0, -EAGAIN no more, or an error: what ended the connection. Callback: all. */
static int observer_read_frame(struct evchan_observer *observer)
{
	struct control_arrival arrival;
	const unsigned char *frame;
	enum control_type type;
	int r;

	r = control_socket_receive(&observer->control, &type, &frame, &arrival, NULL);
	if (r < 0)
		return r;
	if (observer_drop_descriptors(&arrival) < 0)
		return -EPROTO;
	return observer_handle_frame(observer, type, frame, (size_t)r);
}

/* No frame more, because of `error`. Callback: ended. */
static void observer_lose(struct evchan_observer *observer, int error)
{
	if (error == -EPIPE && observer->said_bye)
		observer_end(observer, 0, "the receiver said goodbye");
	else if (error == -EPIPE)
		observer_end(observer, -ECONNRESET,
				"the receiver is gone, or has hung up");
	else if (error == -EPROTONOSUPPORT)
		observer_end(observer, error, evchan_strerror(error));
	else
		observer_end(observer, -EPROTO, "what the receiver says makes no sense");
}

static void observer_read(struct evchan_observer *observer)
{
	struct evchan_loop *loop = observer->loop;
	int r = 0;

	for (int i = 0; i < OBSERVER_FRAMES_PER_LOOK && r == 0; i++) {
		r = observer_read_frame(observer);
		if (observer->handle.is_freed || observer->state == OBSERVER_ENDED)
			return;
	}
	/* What is in the buffer would wake nobody. */
	if (r == 0 && loop->ops->timer_set(loop, observer->timer, 0) < 0)
		observer_end(observer, -ENOMEM, evchan_strerror(-ENOMEM));
	else if (r < 0 && r != -EAGAIN)
		observer_lose(observer, r);
}

static void observer_ready(void *arg, unsigned events)
{
	struct evchan_observer *observer = arg;

	(void)events;
	observer_enter(observer);
	observer_read(observer);
	observer_leave(observer);
}

static void observer_read_on(void *arg)
{
	struct evchan_observer *observer = arg;

	if (handle_is_foreign(&observer->handle))
		return;
	observer_ready(observer, EVCHAN_LOOP_READ);
}
