/* SPDX-License-Identifier: MIT */
/*
 * Turns of a libevent base. Surprising: a zero timer of evchan's runs in the turn after
 * the one it was set in, and a message may take a hang-up, a drain and a farewell to come
 * through: hence stage_look() is asked for more turns than one would think.
 */

#include "stage.h"

#include <event2/event.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"

static struct event_base *make_base(const char *backend)
{
	static const char *const backends[] = { "epoll", "poll", "select" };
	struct event_config *config = event_config_new();
	struct event_base *base;

	CHECK(config);
	/* A test that names one means it; the others take what tests/run --backend leaves them. */
	if (backend)
		CHECK_EQUAL(event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV), 0);
	for (unsigned i = 0; backend && i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(backends[i], backend) != 0)
			CHECK_EQUAL(event_config_avoid_method(config, backends[i]), 0);
	base = event_base_new_with_config(config);
	event_config_free(config);
	CHECK(base);
	CHECK(!backend || strcmp(event_base_get_method(base), backend) == 0);
	return base;
}

void stage_open(struct stage *stage, const char *backend)
{
	stage->turns = 0;
	stage->base = make_base(backend);
	CHECK_EQUAL(evchan_libevent_loop_new(&stage->loop, stage->base), 0);
}

void stage_close(struct stage *stage)
{
	evchan_libevent_loop_free(stage->loop);
	event_base_free(stage->base);
}

static void stage_run(struct stage *stage, int flags)
{
	stage->turns++;
	CHECK(event_base_loop(stage->base, flags) >= 0);
}

void stage_turn(struct stage *stage)
{
	/* Otherwise nothing would ever happen, and the turn would not sleep. */
	CHECK(event_base_get_num_events(stage->base, EVENT_BASE_COUNT_ADDED));
	stage_run(stage, EVLOOP_ONCE);
}

void stage_look(struct stage *stage, unsigned turns)
{
	while (turns--)
		stage_run(stage, EVLOOP_NONBLOCK);
}

static void note_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(int *)arg = 1;
}

void stage_await(struct stage *stage, int fd)
{
	int is_ready = 0;
	struct event *event = event_new(stage->base, fd, EV_READ, note_ready, &is_ready);

	CHECK(event && event_add(event, NULL) == 0);
	STAGE_UNTIL(stage, is_ready);
	event_free(event);
}

void stage_pass_gate(struct stage *stage, int gate)
{
	stage_await(stage, gate);
	scene_pass_gate(gate);
}

static int has_ended(pid_t process)
{
	siginfo_t info = { .si_pid = 0 };

	CHECK_EQUAL(waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid != 0;
}

static void look_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Where there are no descriptors of processes (valgrind does not know the call): asks again and again. */
static void await_end(struct stage *stage, pid_t process)
{
	static const struct timeval pause = { 0, 10000 };
	struct event *event = event_new(stage->base, -1, EV_PERSIST, look_again, NULL);

	CHECK(event && event_add(event, &pause) == 0);
	STAGE_UNTIL(stage, has_ended(process));
	event_free(event);
}

void stage_join(struct stage *stage, pid_t process)
{
	int fd = (int)syscall(SYS_pidfd_open, process, 0);

	if (fd >= 0) {
		stage_await(stage, fd);
		close(fd);
	} else {
		await_end(stage, process);
	}
	scene_join(process);
}
