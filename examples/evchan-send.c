/* SPDX-License-Identifier: MIT */

/*
 * evchan-send: sends lines as messages, on libevent.
 *
 * The program is a cycle of slices. A slice sends the lines that were read, reads some more, and gives
 * the loop a turn; what comes next depends on how it ended:
 *
 *	MORE   another slice on the loop's next turn (a zero timer)
 *	WAIT   nothing to read now: the descriptor wakes the next slice
 *	FULL   the ring is full: nothing is read until `writable` says that there is room
 *	END    all is sent: `drained` says when all is consumed, which is the end
 *
 * Input that cannot be read, or makes no message, ends there. The error is told at once, but what
 * was sent before is waited for as at any other end.
 *
 * A slice is corked, so that it costs one wake-up at most; the library publishes before that if the ring
 * fills up.
 *
 * The receiver's end. With --wait the library looks for the next receiver, and the ring goes with it;
 * there is nothing to do here but to watch the time. Without, it is an error if anything is not
 * consumed; that includes what was not read yet, so if everything sent so far was consumed, the input has
 * the last word: a line more, and it is an error; no line more, and all is well. A pipe may
 * take a moment to say so.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <evchan/libevent.h>

#include "program.h"
#include "send_input.h"
#include "send_options.h"

/* How long the input may take to say that it ends, once the receiver is gone. */
#define LAST_WORD_MS 500

/* What opening a file and reading count in the budget of a slice, so that a million empty files are
 * not one slice. */
#define READ_COST 64

enum slice { SLICE_MORE, SLICE_WAIT, SLICE_FULL, SLICE_END, SLICE_FAILED };

struct program {
	struct send_options options;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_sender *sender;
	struct input input;
	const char *line;          /* the next to be sent; NULL: none is read */
	size_t line_size;
	struct event *slice_timer;
	struct event *read_event;  /* of input.fd; NULL: none */
	struct event *time_out;    /* of --wait, or for the input's last word */
	struct event *interrupt_event;
	struct event *terminate_event;
	bool was_connected;
	bool input_failed;         /* there is no more of it; the exit status will tell */
	bool is_drained;
	bool is_gone;              /* the receiver, after it had consumed all that was sent */
	bool told_refused;         /* since the last connection */
	bool is_over;
	int exit_status;
};

static void finish(struct program *program, int exit_status)
{
	program->is_over = true;
	program->exit_status = exit_status;
	event_base_loopbreak(program->base);
}

/* Everything that was sent is consumed. */
static void finish_in_order(struct program *program)
{
	finish(program, program->input_failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- Slices ---------------------------------------------------------------- */

/* Makes program->line the next line. Whether there is one, among what was read. */
static bool find_line(struct program *program)
{
	struct input *input = &program->input;
	int r;

	if (program->input_failed)
		return false;
	r = input_next(input, &program->line, &program->line_size);
	if (r < 0) {
		complain("line %" PRIu64 " of %s has more than %zu bytes, which do not fit into a "
			 "message",
				input->line_number, input_name(input), input->line_max);
		program->input_failed = true;
	}
	return r > 0;
}

/* Goes on reading. MORE: there may be a line now; or WAIT or END. */
static enum slice read_on(struct program *program)
{
	struct input *input = &program->input;
	int r;

	if (program->input_failed)
		return SLICE_END;
	/* It is about to be closed. */
	if (input->is_at_end && program->read_event) {
		event_free(program->read_event);
		program->read_event = NULL;
	}
	r = input_fill(input);
	if (r > 0)
		return SLICE_MORE;
	if (r == -EAGAIN)
		return SLICE_WAIT;
	if (r < 0) {
		complain("%s: %s", input_name(input), strerror(-r));
		program->input_failed = true;
	}
	return SLICE_END;
}

static enum slice send_failed(struct program *program, int error)
{
	if (error == -EAGAIN)
		return SLICE_FULL;
	/* Refused for good: `refused` will say why, unless it has been there already. */
	if (error == -EPIPE && !program->is_gone)
		return SLICE_FULL;
	complain("%s: %s", program->options.address,
			error == -EPIPE ? "the receiver is gone, and there is more to send"
					: evchan_strerror(error));
	finish(program, EXIT_FAILURE);
	return SLICE_FAILED;
}

static enum slice send_slice(struct program *program)
{
	size_t done = 0;
	int r;

	while (done < INPUT_SLICE) {
		if (!program->line && !find_line(program)) {
			enum slice slice = read_on(program);

			if (slice != SLICE_MORE)
				return slice;
			done += READ_COST;
			continue;
		}
		r = evchan_send(program->sender, 0, program->line, program->line_size, 0);
		if (r < 0)
			return send_failed(program, r);
		done += program->line_size + 1;
		program->line = NULL;
	}
	return SLICE_MORE;
}

static void on_readable(evutil_socket_t fd, short what, void *arg);

static void out_of_memory(struct program *program)
{
	complain("out of memory");
	finish(program, EXIT_FAILURE);
}

static void watch_input(struct program *program)
{
	if (!program->read_event)
		program->read_event = event_new(program->base, program->input.fd,
				EV_READ | EV_PERSIST, on_readable, program);
	if (!program->read_event || event_add(program->read_event, NULL) < 0)
		out_of_memory(program);
}

static void another_slice(struct program *program)
{
	static const struct timeval at_once;

	if (event_add(program->slice_timer, &at_once) < 0)
		out_of_memory(program);
}

/* All is sent. */
static void wait_until_drained(struct program *program)
{
	int r;

	if (program->is_gone) {
		finish_in_order(program);
		return;
	}
	r = evchan_sender_notify_drained(program->sender);
	/* Refused for good: `refused` will come. */
	if (r < 0 && r != -EPIPE)
		out_of_memory(program);
}

static void stop_watching_input(struct program *program)
{
	if (program->read_event)
		event_del(program->read_event);
}

static void run_slice(struct program *program)
{
	enum slice slice;

	if (program->is_over)
		return;
	evchan_cork(program->sender);
	slice = send_slice(program);
	evchan_uncork(program->sender);
	switch (slice) {
	case SLICE_MORE:
		another_slice(program);
		break;
	case SLICE_WAIT:
		watch_input(program);
		break;
	case SLICE_FULL:
		stop_watching_input(program);
		break;
	case SLICE_END:
		stop_watching_input(program);
		wait_until_drained(program);
		break;
	case SLICE_FAILED:
		break;
	}
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_slice(arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct program *program = arg;

	(void)fd;
	(void)what;
	program->input.is_readable = true;
	run_slice(program);
}

/* ---- The receiver ----------------------------------------------------------- */

/* All is consumed; and some receiver was there, though perhaps there was nothing to consume. */
static void finish_if_done(struct program *program)
{
	if (program->is_drained && program->was_connected)
		finish_in_order(program);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	run_slice(arg);
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	struct program *program = arg;

	(void)sender;
	program->is_drained = true;
	finish_if_done(program);
}

static void on_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	struct program *program = arg;

	(void)sender;
	(void)resumed;
	program->was_connected = true;
	program->told_refused = false;
	event_del(program->time_out);
	finish_if_done(program);
}

static void start_waiting(struct program *program)
{
	if (program->options.wait_text &&
			event_add(program->time_out, &program->options.wait_time) < 0)
		out_of_memory(program);
}

static void on_disconnected(struct evchan_sender *sender, int error, void *arg)
{
	struct program *program = arg;

	(void)sender;
	(void)error;
	/* Without --wait `refused` follows. */
	if (program->options.waits)
		start_waiting(program);
}

static uint64_t unconsumed(const struct program *program)
{
	struct evchan_pending pending = EVCHAN_PENDING_INIT;

	evchan_sender_get_pending(program->sender, &pending);
	return pending.unconsumed_bytes;
}

static void ask_input_for_last_word(struct program *program)
{
	static const struct timeval patience = { .tv_usec = LAST_WORD_MS * 1000 };

	program->is_gone = true;
	if (event_add(program->time_out, &patience) < 0)
		out_of_memory(program);
	run_slice(program);
}

static void refused_for_good(struct program *program, int error, const char *text)
{
	uint64_t bytes = unconsumed(program);

	if (error == -EPIPE && program->was_connected && bytes == 0) {
		ask_input_for_last_word(program);
		return;
	}
	if (bytes > 0)
		complain("%s: %s (%" PRIu64 " bytes of the ring were not consumed)",
				program->options.address, text, bytes);
	else
		complain("%s: %s", program->options.address, text);
	finish(program, EXIT_FAILURE);
}

static void on_refused(struct evchan_sender *sender, int error, const char *text, int final,
		void *arg)
{
	struct program *program = arg;

	(void)sender;
	/* "Not now" is an answer too, for those who do not want to wait. */
	if (final || !program->options.waits) {
		refused_for_good(program, error, text);
		return;
	}
	if (!program->told_refused)
		complain("%s: %s; trying again", program->options.address, text);
	program->told_refused = true;
}

static void on_time_out(evutil_socket_t fd, short what, void *arg)
{
	struct program *program = arg;

	(void)fd;
	(void)what;
	if (program->is_gone)
		complain("%s: the receiver is gone, and the input has not ended",
				program->options.address);
	else
		complain("%s: no receiver within %s s", program->options.address,
				program->options.wait_text);
	finish(program, EXIT_FAILURE);
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	(void)what;
	finish(arg, 128 + (int)signal_number);
}

/* ---- Start and finish -------------------------------------------------------- */

static bool make_events(struct program *program)
{
	struct event_base *base = program->base;

	program->slice_timer = evtimer_new(base, on_slice, program);
	program->time_out = evtimer_new(base, on_time_out, program);
	program->interrupt_event = evsignal_new(base, SIGINT, on_signal, program);
	program->terminate_event = evsignal_new(base, SIGTERM, on_signal, program);
	return program->slice_timer && program->time_out && program->interrupt_event &&
	       program->terminate_event && event_add(program->interrupt_event, NULL) == 0 &&
	       event_add(program->terminate_event, NULL) == 0;
}

static int make_sender(struct program *program)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	int r;

	callbacks.connected = on_connected;
	callbacks.disconnected = on_disconnected;
	callbacks.refused = on_refused;
	callbacks.writable = on_writable;
	callbacks.drained = on_drained;
	r = evchan_sender_new(&program->sender, program->loop, program->options.address,
			&program->options.sender, &callbacks, program);
	if (r == -ENOENT || r == -ECONNREFUSED)
		complain("%s: no receiver is there", program->options.address);
	else if (r < 0)
		complain("%s: %s", program->options.address, evchan_strerror(r));
	return r;
}

static bool start(struct program *program)
{
	struct send_options *options = &program->options;

	program->base = event_base_new();
	if (!program->base || evchan_libevent_loop_new(&program->loop, program->base) < 0 ||
			!make_events(program)) {
		complain("cannot make the loop");
		return false;
	}
	if (make_sender(program) < 0)
		return false;
	if (input_init(&program->input, options->files, options->file_count, options->repeat,
			    evchan_sender_message_max(program->sender)) < 0) {
		complain("out of memory");
		return false;
	}
	if (options->waits)
		start_waiting(program);
	another_slice(program);
	return true;
}

static void print_stats(const struct program *program)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	evchan_sender_get_stats(program->sender, &stats);
	fprintf(stderr,
			"messages=%" PRIu64 " bytes=%" PRIu64 " wakeups=%" PRIu64 " full=%" PRIu64
			" rung=%" PRIu64 "\n",
			stats.messages, stats.bytes, stats.wakeups, stats.times_full,
			stats.bells_rung);
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void clean_up(struct program *program)
{
	evchan_sender_free(program->sender);
	evchan_libevent_loop_free(program->loop);
	free_event(program->read_event);
	free_event(program->slice_timer);
	free_event(program->time_out);
	free_event(program->interrupt_event);
	free_event(program->terminate_event);
	if (program->base)
		event_base_free(program->base);
	input_deinit(&program->input);
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-send";
	struct program program = { .exit_status = EXIT_FAILURE, .input.fd = -1 };

	program_init(name, argv);
	send_options_init(&program.options, argc, argv);
	if (start(&program) && event_base_dispatch(program.base) < 0)
		complain("the loop failed");
	if (program.sender && program.options.with_stats)
		print_stats(&program);
	clean_up(&program);
	return program.exit_status;
}
