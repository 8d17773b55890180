/* SPDX-License-Identifier: MIT */

/*
 * evchan-receive: prints what any number of senders send, on libevent.
 *
 * Two wishes pull in different directions. Millions of lines in a second need a buffer in front
 * of write(2). But a message whose callback has returned is released: its sender may overwrite
 * it, and if this process is killed before the buffer is written, nobody has the message any more.
 *
 * Both are had by holding the *oldest* message of each lane whose line is not written yet. Releasing
 * goes in order along a lane, so one hold keeps all that came behind it, and costs one malloc for each
 * write, not for each message. The buffer is written, and the holds are released, when it is full and at
 * the end of every pass of the loop: an event that is activated in a callback runs in the same pass, behind
 * all events that were active with it.
 *
 * Where there is no later moment, the line is written before its callback returns: behind the last message of
 * --count, and during a shutdown, which ends the lanes of living senders in the midst of a pass. What is
 * held then would be printed a second time by the next receiver.
 *
 * write(2) may block if standard output is a pipe. This program has nothing better to do than to wait
 * for its reader, and its senders are told that their rings are full. A program with other duties would write to
 * a bufferevent and use evchan_receiver_pause().
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>

#include <evchan/libevent.h>

#include "program.h"
#include "receive_options.h"
#include "receive_output.h"
#include "system.h"

/* What the text around a message takes at most: received "", newline, tab. */
#define LINE_EXTRA 16
#define LABEL_MAX 63

/* The data of a lane. */
struct source {
	LIST_ENTRY(source) link;
	/* The oldest message whose line is not written, held; NULL: there is none. */
	const struct evchan_message *unwritten;
	SLIST_ENTRY(source) unwritten_link;
	size_t prefix_length;
	char prefix[LABEL_MAX * OUTPUT_ESCAPED_MAX + 1]; /* label and tab, or nothing */
};

struct program {
	struct receive_options options;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_receiver *receiver; /* NULL once freed */
	struct event *flush_event;
	struct event *resume_event;
	struct event *interrupt_event;
	struct event *terminate_event;
	LIST_HEAD(, source) sources;
	SLIST_HEAD(, source) unwritten_sources;
	bool is_shutting_down;
	bool has_failed;
	int exit_status;
	uint64_t messages;
	uint64_t bytes;
	struct evchan_receiver_stats stats; /* taken when the receiver is freed */
	struct output output;
};

/* Ends at once without giving anything back: all messages that were not released stay their senders',
 * and go to the next receiver. */
static _Noreturn void die(const char *what)
{
	complain("%s", what);
	_exit(EXIT_FAILURE);
}

/* ---- Output ---------------------------------------------------------------- */

/* Standard output takes nothing any more. What is held is not released, so nothing is lost. */
static void fail_output(struct program *program, int error)
{
	program->has_failed = true;
	evchan_receiver_pause(program->receiver);
	/* Then on_signal() comes next, and knows which signal it was. */
	if (error == -EINTR)
		return;
	complain("standard output: %s", strerror(-error));
	program->exit_status = EXIT_FAILURE;
	event_base_loopbreak(program->base);
}

static void release_written(struct program *program)
{
	struct source *source;

	while ((source = SLIST_FIRST(&program->unwritten_sources))) {
		SLIST_REMOVE_HEAD(&program->unwritten_sources, unwritten_link);
		evchan_message_release(source->unwritten);
		source->unwritten = NULL;
	}
}

/* Writes all lines, which are whole, then gives their messages back. */
static void flush(struct program *program)
{
	int r;

	if (program->has_failed)
		return;
	r = output_flush(&program->output);
	if (r < 0)
		fail_output(program, r);
	else
		release_written(program);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

/* Sees to it that the message outlives its callback until its line is written. */
static void hold_until_written(struct program *program, struct source *source,
		const struct evchan_message *message)
{
	if (source->unwritten)
		return;
	if (evchan_message_hold(&source->unwritten, message) < 0)
		die("out of memory");
	SLIST_INSERT_HEAD(&program->unwritten_sources, source, unwritten_link);
	event_active(program->flush_event, EV_TIMEOUT, 0);
}

static void append_line(struct program *program, const struct source *source,
		const struct evchan_message *message)
{
	struct output *output = &program->output;

	output_bytes(output, source->prefix, source->prefix_length);
	if (program->options.is_raw) {
		output_bytes(output, message->data, message->size);
		output_bytes(output, "\n", 1);
		return;
	}
	output_bytes(output, "received \"", 10);
	output_escaped(output, message->data, message->size);
	output_bytes(output, "\"\n", 2);
}

/* A line that may not fit into the buffer. Returns 0 or a negative errno. */
static int write_long_line(struct program *program, const struct source *source,
		const struct evchan_message *message)
{
	struct output *output = &program->output;
	int r;

	r = output_write_bytes(output, source->prefix, source->prefix_length);
	if (r < 0)
		return r;
	if (program->options.is_raw) {
		r = output_write_bytes(output, message->data, message->size);
		return r < 0 ? r : output_write_bytes(output, "\n", 1);
	}
	r = output_write_bytes(output, "received \"", 10);
	if (r < 0)
		return r;
	r = output_write_escaped(output, message->data, message->size);
	return r < 0 ? r : output_write_bytes(output, "\"\n", 2);
}

/* The most that the line can take. Sizes are 32 bits in the ring. */
static uint64_t line_max(const struct program *program, const struct source *source,
		const struct evchan_message *message)
{
	uint64_t size = message->size;

	if (!program->options.is_raw)
		size *= OUTPUT_ESCAPED_MAX;
	return size + source->prefix_length + LINE_EXTRA;
}

static void print_message(struct program *program, struct source *source,
		const struct evchan_message *message)
{
	uint64_t most = line_max(program, source, message);
	int r;

	/* Before the hold: a flush releases whatever is held, and this line is not in it. */
	if (most > output_room(&program->output))
		flush(program);
	hold_until_written(program, source, message);
	if (program->has_failed)
		return;
	if (most <= OUTPUT_SIZE) {
		append_line(program, source, message);
		if (!program->is_shutting_down)
			return;
	} else {
		r = write_long_line(program, source, message);
		if (r < 0) {
			fail_output(program, r);
			return;
		}
	}
	flush(program);
}

/* ---- The end --------------------------------------------------------------- */

/* Frees the receiver; what is held then is the next receiver's. */
static void free_receiver(struct program *program)
{
	if (!program->receiver)
		return;
	program->stats.size = sizeof(program->stats);
	evchan_receiver_get_stats(program->receiver, &program->stats);
	evchan_receiver_free(program->receiver);
	program->receiver = NULL;
}

/* The last message of --count, from inside its callback: freeing the receiver here makes it the last one
 * that is released. */
static void end_after_count(struct program *program)
{
	flush(program);
	if (program->has_failed)
		return;
	free_receiver(program);
	event_base_loopbreak(program->base);
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	struct program *program = arg;

	(void)what;
	if (!program->has_failed && !program->is_shutting_down) {
		program->is_shutting_down = true;
		program->output.ends_on_signal = true;
		flush(program);
		if (program->has_failed || evchan_receiver_shutdown(program->receiver) == 0)
			return;
	}
	program->exit_status = 128 + (int)signal_number;
	event_base_loopbreak(program->base);
}

static void on_shut_down(struct evchan_receiver *receiver, void *arg)
{
	struct program *program = arg;

	(void)receiver;
	event_base_loopbreak(program->base);
}

/* ---- Messages -------------------------------------------------------------- */

static void pause_for_slowness(struct program *program)
{
	struct timeval pause = {
		.tv_sec = (long)(program->options.slow_usec / 1000000),
		.tv_usec = (int)(program->options.slow_usec % 1000000),
	};

	evchan_receiver_pause(program->receiver);
	if (event_add(program->resume_event, &pause) < 0)
		die("out of memory");
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct program *program = arg;

	(void)fd;
	(void)what;
	if (!program->has_failed)
		evchan_receiver_resume(program->receiver);
}

static void on_message(struct evchan_receiver *receiver, const struct evchan_message *message,
		void *arg)
{
	struct program *program = arg;

	(void)receiver;
	program->messages++;
	program->bytes += message->size;
	if (!program->options.is_quiet)
		print_message(program, evchan_lane_data(message->lane), message);
	if (program->messages == program->options.count)
		end_after_count(program);
	else if (program->options.slow_usec)
		pause_for_slowness(program);
}

static void on_joined(struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	struct program *program = arg;
	const char *label = evchan_lane_label(lane);
	struct source *source = calloc(1, sizeof(*source));

	(void)receiver;
	if (!source)
		die("out of memory");
	if (program->options.with_label) {
		source->prefix_length = escape(source->prefix, label, strnlen(label, LABEL_MAX));
		source->prefix[source->prefix_length++] = '\t';
	}
	evchan_lane_set_data(lane, source);
	LIST_INSERT_HEAD(&program->sources, source, link);
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct program *program = arg;
	struct source *source = evchan_lane_data(lane);

	(void)receiver;
	(void)reason;
	flush(program);
	/* After a failure it may still be held; then it goes with the others at the end. */
	if (source->unwritten)
		return;
	LIST_REMOVE(source, link);
	free(source);
}

static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane, int error,
		const char *text, void *arg)
{
	(void)receiver;
	(void)lane;
	(void)error;
	(void)arg;
	complain("%s", text);
}

/* ---- Start and finish ------------------------------------------------------- */

/* libevent's usual timers go by whole milliseconds, which is too coarse for a pause of
 * microseconds; the precise ones cost a system call in each turn. */
static struct event_base *make_base(bool is_precise)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	if (is_precise)
		event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static void make_events(struct program *program)
{
	struct event_base *base = program->base;

	program->flush_event = evtimer_new(base, on_flush, program);
	program->resume_event = evtimer_new(base, on_resume, program);
	program->interrupt_event = evsignal_new(base, SIGINT, on_signal, program);
	program->terminate_event = evsignal_new(base, SIGTERM, on_signal, program);
	if (!program->flush_event || !program->resume_event || !program->interrupt_event ||
			!program->terminate_event ||
			event_add(program->interrupt_event, NULL) < 0 ||
			event_add(program->terminate_event, NULL) < 0)
		die("cannot make the events");
	system_let_signal_interrupt(SIGINT);
	system_let_signal_interrupt(SIGTERM);
}

/* Returns 0 or a negative errno. */
static int make_receiver(struct program *program)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct receive_options *options = &program->options;

	callbacks.message = on_message;
	callbacks.joined = on_joined;
	callbacks.left = on_left;
	callbacks.error = on_error;
	callbacks.shut_down = on_shut_down;
	/* One message of a lane is held at a time, however large it is. */
	options->receiver.max_held_bytes = UINT64_MAX;
	return evchan_receiver_new(&program->receiver, program->loop, options->address,
			&options->receiver, &callbacks, program);
}

static void print_stats(const struct program *program)
{
	const struct evchan_receiver_stats *stats = &program->stats;

	fprintf(stderr,
			"messages=%" PRIu64 " bytes=%" PRIu64 " lanes=%" PRIu64 " wakeups=%" PRIu64
			" turns=%" PRIu64 " full=%" PRIu64 " left=%" PRIu64 "\n",
			program->messages, program->bytes, stats->joined, stats->wakeups,
			stats->turns, stats->times_full, stats->left);
}

static void free_sources(struct program *program)
{
	struct source *source;

	while ((source = LIST_FIRST(&program->sources))) {
		LIST_REMOVE(source, link);
		/* The data ended with the receiver, the duty did not. */
		evchan_message_release(source->unwritten);
		free(source);
	}
}

static void clean_up(struct program *program)
{
	free_receiver(program);
	free_sources(program);
	evchan_libevent_loop_free(program->loop);
	event_free(program->flush_event);
	event_free(program->resume_event);
	event_free(program->interrupt_event);
	event_free(program->terminate_event);
	event_base_free(program->base);
	receive_options_deinit(&program->options);
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-receive";
	static struct program program; /* large: it contains the buffer */
	int r;

	program_init(name, argv);
	receive_options_init(&program.options, argc, argv);
	system_ignore_broken_pipes();
	program.base = make_base(program.options.slow_usec != 0);
	if (!program.base || evchan_libevent_loop_new(&program.loop, program.base) < 0)
		die("cannot make the loop");
	make_events(&program);
	r = make_receiver(&program);
	if (r < 0) {
		complain("%s: %s", program.options.address, evchan_strerror(r));
		program.exit_status = EXIT_FAILURE;
	} else {
		if (event_base_dispatch(program.base) < 0)
			die("the loop failed");
		flush(&program);
	}
	clean_up(&program);
	if (r == 0 && program.options.with_stats)
		print_stats(&program);
	return program.exit_status;
}
