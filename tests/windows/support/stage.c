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

/* The system's pool may still be at it when something is ready: so each of a number of looks waits a little. */
void stage_look(struct stage *stage, unsigned turns)
{
	static const struct timeval pause = { 0, 1000 };

	for (unsigned pauses = turns / 4 + 4; pauses > 0; pauses--) {
		int is_over = 0;
		struct event *event = event_new(stage->base, -1, 0, nothing, &is_over);

		CHECK(event && event_add(event, &pause) == 0);
		while (!is_over)
			stage_turn(stage);
		event_free(event);
	}
}
