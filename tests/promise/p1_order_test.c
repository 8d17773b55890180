/* SPDX-License-Identifier: MIT */
/*
 * P1: each sender's messages arrive in the order sent; and with it the plain part of P2:
 * all of them, once, unchanged.
 *
 * Eight processes send streams (stream.h) through rings from 4 KiB to 16 MiB to one
 * receiver, over each bell and each of libevent's backends, to a reader that keeps up and
 * to one that does not. All rings wrap, the small ones many thousand times.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <event2/event.h>

#include "available.h"
#include "scene.h"
#include "stream.h"

#define SENDERS 8u

struct order_case {
	const char *backend;
	enum evchan_bell bell;
	bool is_slow;
	bool is_long; /* every ring wraps, also the largest */
};

struct audience {
	struct stream_sink sink;
	struct evchan_lane *lanes[SENDERS];
	struct event *resume;
	uint64_t times_full;
	uint64_t wakeups;
	unsigned closed;
};

/* ---- The receiver -------------------------------------------------------- */

static void fall_asleep(struct audience *audience, struct evchan_lane *lane)
{
	static const struct timeval soon = { 0, 1000 };

	evchan_lane_pause(lane);
	if (!event_pending(audience->resume, EV_TIMEOUT, NULL))
		CHECK_EQUAL(event_add(audience->resume, &soon), 0);
}

static void wake_up(evutil_socket_t fd, short what, void *arg)
{
	struct audience *audience = arg;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < SENDERS; i++)
		if (audience->lanes[i])
			evchan_lane_resume(audience->lanes[i]);
}

static void listen_to(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct audience *audience = receiver->arg;
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	CHECK(heard != HEARD_ERROR);
	switch ((int)heard) {
	case HEARD_JOINED:
		audience->lanes[stream_of(lane)] = lane;
		break;
	case HEARD_MESSAGE:
		stream_receive(&audience->sink, message);
		if (audience->resume && audience->sink.next[stream_of(lane)] % 100 == 0)
			fall_asleep(audience, lane);
		break;
	case HEARD_LEFT:
		evchan_lane_get_stats(lane, &stats);
		audience->times_full += stats.times_full;
		audience->wakeups += stats.wakeups;
		audience->closed += receiver->left_reason == EVCHAN_LEFT_CLOSED;
		audience->lanes[stream_of(lane)] = NULL;
	}
}

/* ---- The senders --------------------------------------------------------- */

static uint64_t capacity_of(unsigned sender)
{
	static const uint64_t kibibytes[SENDERS] = { 4, 16, 64, 256, 1024, 4096, 8192,
		16384 };

	return kibibytes[sender] << 10;
}

static void prepare(
		struct stream_role *role, unsigned sender, const struct order_case *this)
{
	uint64_t capacity = capacity_of(sender);

	role->address = scene_address();
	role->backend = this->backend;
	role->options.capacity = capacity;
	role->options.bell = this->bell == EVCHAN_BELL_SOCKET ? EVCHAN_BELL_SOCKET : 0;
	role->stream.id = sender;
	role->stream.count = scene_scaled(this->is_long ? 8000
					: this->is_slow ? 3000
							: 6000);
	role->stream.most = 2048;
	if (capacity <= 16384)
		role->stream.most = (size_t)capacity - 8;
	else if (this->is_long)
		role->stream.most = (size_t)capacity / 64;
}

static void order_is_kept(void **state)
{
	const struct order_case *this = *state;
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct stream_role roles[SENDERS] = { 0 };
	struct audience audience = { 0 };
	struct test_receiver receiver = { .act = listen_to, .arg = &audience };
	pid_t processes[SENDERS];
	struct stage stage;

	if (this->bell == EVCHAN_BELL_EVENTFD &&
			!has_eventfd_for(strcmp(this->backend, "epoll") == 0))
		skip();
	for (unsigned i = 0; i < SENDERS; i++) {
		prepare(&roles[i], i, this);
		processes[i] = scene_start(stream_role, &roles[i]);
	}
	stage_open(&stage, this->backend);
	if (this->is_slow)
		audience.resume = evtimer_new(stage.base, wake_up, &audience);
	options.bell = this->bell == EVCHAN_BELL_SOCKET ? 0 : this->bell;
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == SENDERS);
	for (unsigned i = 0; i < SENDERS; i++) {
		CHECK_EQUAL(audience.sink.next[i], roles[i].stream.count);
		scene_join(processes[i]);
	}
	CHECK_EQUAL(audience.closed, SENDERS);
	/* The small rings were full and the bells were rung, or this would show
	 * nothing. */
	CHECK(audience.times_full > 0);
	CHECK(audience.wakeups > 0);
	test_receiver_free(&receiver);
	if (this->is_slow)
		event_free(audience.resume);
	stage_close(&stage);
}

/* ---- The cases ----------------------------------------------------------- */

#define ORDER(backend, bell, is_slow, is_long) \
	{ \
		"order_is_kept on " backend ", " #bell ", slow " #is_slow \
		", long " #is_long, \
				order_is_kept, scene_set_up, scene_tear_down, \
				&(struct order_case) \
		{ \
			backend, EVCHAN_BELL_##bell, is_slow, is_long \
		} \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ORDER("epoll", EVENTFD, false, true),
		ORDER("epoll", EVENTFD, true, false),
		ORDER("epoll", PIPE, false, false),
		ORDER("epoll", PIPE, true, false),
		ORDER("epoll", SOCKET, false, false),
		ORDER("epoll", SOCKET, true, false),
		ORDER("poll", EVENTFD, false, false),
		ORDER("poll", PIPE, false, false),
		ORDER("poll", PIPE, true, false),
		ORDER("poll", SOCKET, false, false),
		ORDER("select", EVENTFD, false, false),
		ORDER("select", PIPE, false, false),
		ORDER("select", PIPE, true, false),
		ORDER("select", SOCKET, false, false),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
