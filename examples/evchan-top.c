/* SPDX-License-Identifier: MIT */

/*
 * evchan-top: what a receiver is doing, in a terminal, on libevent.
 *
 * There is one question under way at most: if the receiver has not answered when the next look is due, that is
 * said, and no other question is asked. A receiver that is gone is looked for again at each interval.
 *
 * Writing to a terminal may block, as long as its user stops it. Nobody else has to wait for that: the
 * receiver answers only when it is asked.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <evchan/libevent.h>
#include <evchan/observe.h>

#include "look_options.h"
#include "program.h"
#include "snapshot.h"
#include "top_terminal.h"

#define EVENTS_MAX 6
#define NOTICE_MAX 256

struct program {
	struct look_options options;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_observer *observer; /* NULL: there is none, or it has ended */
	struct event *events[EVENTS_MAX];
	size_t event_count;
	struct terminal terminal;
	struct snapshot now;
	struct snapshot shown;   /* the last that was whole */
	uint32_t waited_ms;      /* for the answer under way */
	char notice[NOTICE_MAX]; /* why what is shown is old; "": it is not */
	int exit_status;
};

static void finish(struct program *program, int status)
{
	program->exit_status = status;
	event_base_loopbreak(program->base);
}

/* ---- What is shown -------------------------------------------------------------------- */

static struct table_style style_of(const struct program *program)
{
	const struct terminal *terminal = &program->terminal;
	struct table_style style = {
		.key = program->options.key,
		.reversed = program->options.reversed,
		.clear = "",
		.bold = "",
		.plain = "",
	};

	if (!terminal->is_screen || program->options.once || program->options.as_json)
		return style;
	/* The last line is for notices, and has no newline. */
	style.rows = terminal->rows > 1 ? terminal->rows - 1 : 1;
	style.columns = terminal->columns;
	style.clear = TERMINAL_CLEAR_LINE;
	style.bold = TERMINAL_BOLD;
	style.plain = TERMINAL_PLAIN;
	return style;
}

static bool has_screen(const struct program *program)
{
	return program->terminal.is_screen;
}

static void print(struct program *program)
{
	const struct table_style style = style_of(program);

	if (program->options.as_json)
		snapshot_print_json(stdout, &program->shown, program->options.address);
	else
		snapshot_print_table(stdout, &program->shown, program->options.address,
				&style);
}

static void draw(struct program *program)
{
	if (!has_screen(program)) {
		if (program->shown.is_whole)
			print(program);
	} else {
		fputs(TERMINAL_HOME, stdout);
		if (program->shown.is_whole)
			print(program);
		fprintf(stdout, TERMINAL_CLEAR_REST "%.*s",
				(int)program->terminal.columns - 1, program->notice);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		finish(program, EXIT_FAILURE);
}

static void notice(struct program *program, const char *text)
{
	snprintf(program->notice, sizeof(program->notice), "%s: %s",
			program->options.address, text);
	/* Both are partly the words of others. */
	for (char *at = program->notice; *at; at++)
		if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
			*at = '?';
	if (has_screen(program))
		draw(program);
}

/* ---- What is seen ---------------------------------------------------------------------- */

static void failed(struct program *program, int error, const char *text)
{
	if (program->options.once)
		finish(program, look_failed(&program->options, error, text));
	else
		notice(program, text);
}

static void on_lane(struct evchan_observer *observer,
		const struct evchan_observed_lane *lane, void *arg)
{
	struct program *program = arg;

	(void)observer;
	if (snapshot_add(&program->now, lane) < 0)
		finish(program, look_failed(&program->options, -ENOMEM, "out of memory"));
}

/* Two snapshots take turns: the one that is shown, and is compared with next, and the one that is taken. */
static void take_turns(struct program *program)
{
	struct snapshot old = program->shown;

	program->shown = program->now;
	program->now = old;
	snapshot_clear(&program->now);
}

static void on_snapshot(struct evchan_observer *observer,
		const struct evchan_receiver_stats *totals, void *arg)
{
	struct program *program = arg;
	bool is_first = !program->shown.is_whole;

	program->now.receiver = evchan_observer_receiver(observer);
	snapshot_finish(&program->now, totals, &program->shown);
	take_turns(program);
	program->waited_ms = 0;
	program->notice[0] = '\0';
	/* Without a screen a table without rates is worth nothing: the next one has them. */
	if (is_first && (program->options.once || !has_screen(program)))
		return;
	draw(program);
	if (program->options.once)
		finish(program, program->exit_status);
}

static void on_ended(
		struct evchan_observer *observer, int error, const char *text, void *arg)
{
	struct program *program = arg;

	program->observer = NULL;
	evchan_observer_free(observer);
	snapshot_clear(&program->now);
	failed(program, error, text);
}

static bool connect_observer(struct program *program)
{
	struct evchan_observer_callbacks callbacks = EVCHAN_OBSERVER_CALLBACKS_INIT;
	int r;

	callbacks.lane = on_lane;
	callbacks.snapshot = on_snapshot;
	callbacks.ended = on_ended;
	r = evchan_observer_new(&program->observer, program->loop,
			program->options.address, &callbacks, program);
	if (r == 0)
		return true;
	/* What will not change by itself is not tried again. */
	if (r == -EINVAL || r == -ENAMETOOLONG || r == -ENOTSOCK || r == -EBADF)
		program->options.once = true;
	failed(program, r, evchan_strerror(r));
	return false;
}

static void look(struct program *program)
{
	if (!program->observer && !connect_observer(program))
		return;
	program->waited_ms += program->options.interval_ms;
	if (evchan_observer_ask(program->observer) != -EALREADY)
		return;
	if (!program->options.once)
		notice(program, "the receiver does not answer");
	else if (program->waited_ms > program->options.timeout_ms)
		failed(program, -ETIMEDOUT, "the receiver does not answer");
}

/* ---- Events ------------------------------------------------------------------------------ */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	look(arg);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	finish(arg, 128 + (int)number);
}

static void on_resize(evutil_socket_t number, short what, void *arg)
{
	struct program *program = arg;

	(void)number;
	(void)what;
	if (!has_screen(program))
		return;
	terminal_measure(&program->terminal);
	draw(program);
}

static void sort_by(struct program *program, int key)
{
	if (key < 0)
		for (key = 0; sort_key_name(key + 1); key++)
			;
	program->options.key = sort_key_name(key) ? key : 0;
}

static void press(struct program *program, char key)
{
	switch (key) {
	case 'q':
		finish(program, EXIT_SUCCESS);
		break;
	case 's':
		sort_by(program, program->options.key + 1);
		break;
	case 'S':
		sort_by(program, program->options.key - 1);
		break;
	case 'r':
		program->options.reversed = !program->options.reversed;
		break;
	default:
		break;
	}
}

static void on_key(evutil_socket_t fd, short what, void *arg)
{
	struct program *program = arg;
	char keys[64];
	ssize_t got = read(fd, keys, sizeof(keys));

	(void)what;
	if (got <= 0) {
		finish(program, EXIT_SUCCESS);
		return;
	}
	for (ssize_t i = 0; i < got; i++)
		press(program, keys[i]);
	draw(program);
}

/* ---- Start and finish ---------------------------------------------------------------------- */

/* NULL is allowed, and not good. */
static bool add_event(
		struct program *program, struct event *event, const struct timeval *time)
{
	if (!event)
		return false;
	program->events[program->event_count++] = event;
	return event_add(event, time) == 0;
}

static bool make_events(struct program *program)
{
	struct event_base *base = program->base;
	const struct timeval interval = {
		.tv_sec = (time_t)(program->options.interval_ms / 1000),
		.tv_usec = (suseconds_t)(program->options.interval_ms % 1000 * 1000),
	};

	return add_event(program, event_new(base, -1, EV_PERSIST, on_tick, program),
			       &interval) &&
			add_event(program, evsignal_new(base, SIGINT, on_signal, program),
					NULL) &&
			add_event(program,
					evsignal_new(base, SIGTERM, on_signal, program),
					NULL) &&
			add_event(program,
					evsignal_new(base, SIGWINCH, on_resize, program),
					NULL) &&
			(!program->terminal.has_keys ||
					add_event(program,
							event_new(base, STDIN_FILENO,
									EV_READ | EV_PERSIST,
									on_key, program),
							NULL));
}

static void run(struct program *program)
{
	/* One table, or objects, are left on the screen as they are. */
	if (!program->options.once && !program->options.as_json)
		terminal_open(&program->terminal);
	if (!make_events(program)) {
		complain("cannot make the events");
		program->exit_status = EXIT_FAILURE;
	} else {
		look(program);
		/* The look may have ended it already. */
		if (!event_base_got_break(program->base) &&
				program->exit_status == EXIT_SUCCESS)
			event_base_dispatch(program->base);
	}
	terminal_close(&program->terminal);
}

static void clean_up(struct program *program)
{
	evchan_observer_free(program->observer);
	evchan_libevent_loop_free(program->loop);
	while (program->event_count)
		event_free(program->events[--program->event_count]);
	if (program->base)
		event_base_free(program->base);
	snapshot_deinit(&program->now);
	snapshot_deinit(&program->shown);
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-top";
	struct program program = { .exit_status = EXIT_SUCCESS };

	program_init(name, argv);
	look_options_of_top(&program.options, argc, argv);
	program.base = event_base_new();
	if (!program.base || evchan_libevent_loop_new(&program.loop, program.base) < 0) {
		complain("cannot make the loop");
		program.exit_status = EXIT_FAILURE;
	} else {
		run(&program);
	}
	clean_up(&program);
	return program.exit_status;
}
