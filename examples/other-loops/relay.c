/* SPDX-License-Identifier: MIT */

/*
 * A relay: every message that comes is sent on, in the order in which it came. It knows no loop, only `struct
 * evchan_loop`; evchan-relay-uv.c and evchan-relay-glib.c bring one each.
 *
 * When the ring ahead is full, the message in hand is held where it is, in its sender's ring, and the receiver is paused; `writable`
 * sends it and goes on. So the relay needs no memory of its own, and a slow receiver ahead slows the senders
 * behind.
 *
 * A relay that is killed has sent at most one batch of messages on without having released them: they come again,
 * through the next one.
 */

#include "relay.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <evchan/evchan.h>

#include "program.h"

struct relay {
	struct evchan_receiver *receiver;
	struct evchan_sender *sender;
	const struct evchan_message *waiting; /* for room ahead; NULL: none */
	bool is_ending;
	bool is_shut_down; /* the receiver: nothing more will come */
	struct relay_options options;
};

/* ---- The command line ------------------------------------------------------------ */

static void print_help(const char *program, const char *loop_name)
{
	printf("Usage: %s FROM TO\n"
	       "Receives messages at the address FROM and sends them on to TO, on the "
	       "loop of %s.\n"
	       "SIGINT or SIGTERM ends it when all that it has received is consumed "
	       "ahead.\n",
			program, loop_name);
}

void relay_read_arguments(struct relay_options *options, char *program,
		const char *loop_name, int argc, char **argv)
{
	static const struct option known[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int code;

	program_init(program, argv);
	while ((code = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (code != 'h')
			exit(EXIT_USAGE);
		print_help(program, loop_name);
		exit(EXIT_SUCCESS);
	}
	if (optind + 2 != argc)
		usage_error("two addresses are needed");
	options->from = argv[optind];
	options->to = argv[optind + 1];
}

/* ---- Messages ---------------------------------------------------------------------- */

static void fail(struct relay *relay, int error)
{
	complain("%s: %s", relay->options.to, evchan_strerror(error));
	evchan_receiver_pause(relay->receiver);
	relay->options.ended(EXIT_FAILURE, relay->options.arg);
}

static void wait_for_room(struct relay *relay, const struct evchan_message *message)
{
	int r = evchan_message_hold(&relay->waiting, message);

	if (r < 0)
		fail(relay, r);
	else
		evchan_receiver_pause(relay->receiver);
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct relay *relay = arg;
	int r;

	(void)receiver;
	r = evchan_send(relay->sender, message->type, message->data, message->size, 0);
	if (r == -EAGAIN)
		wait_for_room(relay, message);
	else if (r < 0)
		fail(relay, r);
}

/* Everything was received; what remains is to see it consumed. */
static void ask_for_drained(struct relay *relay)
{
	int r = evchan_sender_notify_drained(relay->sender);

	if (r < 0)
		fail(relay, r);
}

static void forget_waiting(struct relay *relay)
{
	evchan_message_release(relay->waiting);
	relay->waiting = NULL;
}

/* No message waits any more. */
static void go_on(struct relay *relay)
{
	if (relay->is_shut_down)
		ask_for_drained(relay);
	else if (relay->is_ending && evchan_receiver_shutdown(relay->receiver) == 0)
		return; /* that resumes it */
	else
		evchan_receiver_resume(relay->receiver);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	struct relay *relay = arg;
	const struct evchan_message *message = relay->waiting;
	int r;

	if (!message)
		return;
	r = evchan_send(sender, message->type, message->data, message->size, 0);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		fail(relay, r);
		return;
	}
	forget_waiting(relay);
	go_on(relay);
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	struct relay *relay = arg;

	(void)sender;
	relay->options.ended(EXIT_SUCCESS, relay->options.arg);
}

static void on_shut_down(struct evchan_receiver *receiver, void *arg)
{
	struct relay *relay = arg;

	(void)receiver;
	relay->is_shut_down = true;
	if (!relay->waiting)
		go_on(relay);
}

/* After a shutdown the ring of a living sender is the next receiver's, and with it the message that waits. */
static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct relay *relay = arg;

	(void)receiver;
	if (reason != EVCHAN_LEFT_SHUTDOWN || !relay->waiting ||
			relay->waiting->lane != lane)
		return;
	forget_waiting(relay);
	go_on(relay);
}

static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	(void)receiver;
	(void)lane;
	(void)error;
	(void)arg;
	complain("%s", text);
}

static void on_refused(struct evchan_sender *sender, int error, const char *text,
		int final, void *arg)
{
	(void)sender;
	complain("refused: %s", text);
	if (final)
		fail(arg, error);
}

/* ---- The whole --------------------------------------------------------------------- */

static void open_sender(struct relay *relay, struct evchan_loop *loop)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	int r;

	callbacks.writable = on_writable;
	callbacks.drained = on_drained;
	callbacks.refused = on_refused;
	options.flags = EVCHAN_SENDER_WAIT;
	options.label = "relay";
	r = evchan_sender_new(&relay->sender, loop, relay->options.to, &options,
			&callbacks, relay);
	if (r < 0) {
		complain("%s: %s", relay->options.to, evchan_strerror(r));
		exit(EXIT_FAILURE);
	}
}

static void open_receiver(struct relay *relay, struct evchan_loop *loop)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	int r;

	callbacks.message = on_message;
	callbacks.left = on_left;
	callbacks.error = on_error;
	callbacks.shut_down = on_shut_down;
	/* One message at a time, however large it is. */
	options.max_held_bytes = UINT64_MAX;
	r = evchan_receiver_new(&relay->receiver, loop, relay->options.from, &options,
			&callbacks, relay);
	if (r < 0) {
		complain("%s: %s", relay->options.from, evchan_strerror(r));
		exit(EXIT_FAILURE);
	}
}

struct relay *relay_open(struct evchan_loop *loop, const struct relay_options *options)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay) {
		complain("out of memory");
		exit(EXIT_FAILURE);
	}
	relay->options = *options;
	open_sender(relay, loop);
	open_receiver(relay, loop);
	return relay;
}

void relay_end(struct relay *relay)
{
	if (relay->is_ending)
		return;
	relay->is_ending = true;
	/* A shutdown would resume the receiver, and what comes then would overtake the message that waits. */
	if (!relay->waiting)
		go_on(relay);
}

void relay_close(struct relay *relay)
{
	evchan_receiver_free(relay->receiver);
	evchan_message_release(relay->waiting);
	evchan_sender_free(relay->sender);
	free(relay);
}
