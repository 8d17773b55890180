/* SPDX-License-Identifier: MIT */

/*
 * evchan-stat: the counters of a receiver, for scripts. On the loop that comes with the library.
 *
 * With an interval it looks twice: the first snapshot is only there to be compared with. Nothing is printed
 * before all is known, so a script gets all lines or none.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <evchan/observe.h>

#include "look_options.h"
#include "program.h"
#include "snapshot.h"

struct program {
	struct look_options options;
	struct evchan_loop *loop;
	struct evchan_observer *observer;
	struct snapshot before;
	struct snapshot now;
	bool has_ended;
	int exit_status;
};

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void end(struct program *program, int error, const char *text)
{
	program->has_ended = true;
	program->exit_status = look_failed(&program->options, error, text);
}

static void on_lane(struct evchan_observer *observer,
		const struct evchan_observed_lane *lane, void *arg)
{
	struct program *program = arg;

	(void)observer;
	if (!program->has_ended && snapshot_add(&program->now, lane) < 0)
		end(program, -ENOMEM, "out of memory");
}

static void on_snapshot(struct evchan_observer *observer,
		const struct evchan_receiver_stats *totals, void *arg)
{
	struct program *program = arg;

	program->now.receiver = evchan_observer_receiver(observer);
	snapshot_finish(&program->now, totals, &program->before);
}

static void on_ended(
		struct evchan_observer *observer, int error, const char *text, void *arg)
{
	(void)observer;
	end(arg, error, text);
}

/* Runs the loop until something has come of it, or the time is over. */
static void run_until(struct program *program, uint64_t deadline)
{
	uint64_t now;
	int r;

	while (!program->has_ended && !program->now.is_whole &&
			(now = milliseconds()) < deadline) {
		r = evchan_poll_loop_run_once(program->loop, (int)(deadline - now));
		if (r < 0 && r != -EINTR)
			end(program, r, evchan_strerror(r));
	}
}

static void look(struct program *program)
{
	int r = evchan_observer_ask(program->observer);

	if (r < 0) {
		end(program, r, evchan_strerror(r));
		return;
	}
	run_until(program, milliseconds() + program->options.timeout_ms);
	if (!program->has_ended && !program->now.is_whole)
		end(program, -ETIMEDOUT, "the receiver does not answer");
}

/* The snapshot becomes the one to compare with; then the interval passes. */
static void pause_between(struct program *program)
{
	struct snapshot emptied = program->before;

	program->before = program->now;
	program->now = emptied;
	snapshot_clear(&program->now);
	run_until(program, milliseconds() + program->options.interval_ms);
}

static void print(struct program *program)
{
	if (program->options.as_json)
		snapshot_print_json(stdout, &program->now, program->options.address);
	else
		snapshot_print_lines(stdout, &program->now, program->options.only_totals);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("cannot write to standard output");
		program->exit_status = EXIT_FAILURE;
	}
}

static void run(struct program *program)
{
	struct evchan_observer_callbacks callbacks = EVCHAN_OBSERVER_CALLBACKS_INIT;
	int r;

	callbacks.lane = on_lane;
	callbacks.snapshot = on_snapshot;
	callbacks.ended = on_ended;
	r = evchan_observer_new(&program->observer, program->loop,
			program->options.address, &callbacks, program);
	if (r < 0) {
		end(program, r, evchan_strerror(r));
		return;
	}
	look(program);
	if (!program->has_ended && program->options.interval_ms) {
		pause_between(program);
		if (!program->has_ended)
			look(program);
	}
	if (!program->has_ended)
		print(program);
	evchan_observer_free(program->observer);
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-stat";
	struct program program = { .exit_status = EXIT_SUCCESS };

	program_init(name, argv);
	look_options_of_stat(&program.options, argc, argv);
	if (evchan_poll_loop_new(&program.loop) < 0) {
		complain("out of memory");
		return EXIT_FAILURE;
	}
	run(&program);
	evchan_poll_loop_free(program.loop);
	snapshot_deinit(&program.before);
	snapshot_deinit(&program.now);
	return program.exit_status;
}
