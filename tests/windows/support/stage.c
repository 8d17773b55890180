/* SPDX-License-Identifier: MIT */
/* Turns of a libevent base, as ../../support/stage.c has them; what is awaited here is an event handle. */

#include "stage.h"

#include <event2/event.h>
#include <winsock2.h>

static void start_sockets(void)
{
	WSADATA data;

	CHECK_EQUAL(WSAStartup(MAKEWORD(2, 2), &data), 0);
}

void stage_open(struct stage *stage, const char *backend)
{
	(void)backend; /* there is one */
	start_sockets();
	stage->turns = 0;
	stage->base = event_base_new();
	CHECK(stage->base);
	CHECK_EQUAL(evchan_libevent_loop_new(&stage->loop, stage->base), 0);
}

void stage_close(struct stage *stage)
{
	evchan_libevent_loop_free(stage->loop);
	event_base_free(stage->base);
	WSACleanup();
}

void stage_turn(struct stage *stage)
{
	/* Otherwise nothing would ever happen, and the turn would not sleep. */
	CHECK(event_base_get_num_events(stage->base, EVENT_BASE_COUNT_ADDED));
	stage->turns++;
	CHECK(event_base_loop(stage->base, EVLOOP_ONCE) >= 0);
}

static void nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(int *)arg = 1;
}

/* Where the system's pool may still be at it, what can happen is not there at once: looks go on until some in a row, each of a
 * moment, have seen nothing. */
#define QUIET_LOOKS 5u

void stage_look(struct stage *stage, unsigned turns)
{
	static const struct timeval pause = { 0, 1500 };
	unsigned quiet = 0;

	for (unsigned looks = 0; looks < turns / 4 || quiet < QUIET_LOOKS; looks++) {
		int is_over = 0;
		uint64_t before = stage->turns;
		struct event *event = event_new(stage->base, -1, 0, nothing, &is_over);

		CHECK(event && event_add(event, &pause) == 0);
		while (!is_over)
			stage_turn(stage);
		event_free(event);
		quiet = stage->turns - before > 1 ? 0 : quiet + 1;
		/* What never comes to rest is not waited for. */
		if (looks > 20 * (turns + QUIET_LOOKS))
			return;
	}
}
