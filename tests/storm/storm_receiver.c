/* SPDX-License-Identifier: MIT */
/*
 * A receiver in a storm. It writes each message down, in the log that outlives it,
 * before its callback returns, that is before the message can be released. Then it may
 * be killed.
 *
 * Some have a loop and some pull, some copy, some hold messages and release them in any
 * order: in the middle of a callback, or from a timer.
 */

#include "storm_receiver.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

#include "message.h"
#include "process.h"
#include "random.h"

#define HOLDS_MAX 48u
#define HOLDS_ONE_OF 24u
#define RELEASE_US 2000
#define PULL_MS 50

struct held {
	const struct evchan_message *message;
	uint32_t lane;
	uint64_t number;
};

struct player {
	const struct receiver_role *role;
	struct receiver_traits traits;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_receiver *receiver;
	struct event *finish;
	struct event *release;
	struct random random;
	struct held holds[HOLDS_MAX];
	unsigned hold_count;
	bool is_finishing;
};

static volatile sig_atomic_t is_told_to_finish;

static void write_down(
		const struct player *player, enum log_kind kind, struct log_entry entry)
{
	entry.kind = kind;
	board_log(player->role->board, &entry);
}

static uint32_t lane_of(const struct evchan_lane *lane)
{
	return (uint32_t)(uintptr_t)evchan_lane_data(lane);
}

/* ---- Holding ------------------------------------------------------------------------
 * */

/* Written down after it: until then the message counts as held. Its bytes have not
 * changed. */
static void release(struct player *player, unsigned index)
{
	struct held held = player->holds[index];
	uint64_t number;

	if (!message_read(held.message->data, held.message->size, held.lane, &number) ||
			number != held.number)
		process_die("lane %u: message %llu has changed while it was held",
				held.lane, (unsigned long long)held.number);
	player->holds[index] = player->holds[--player->hold_count];
	evchan_message_release(held.message);
	write_down(player, LOG_RELEASED,
			(struct log_entry){ .lane = held.lane, .number = held.number });
}

static void release_all(struct player *player)
{
	while (player->hold_count)
		release(player,
				(unsigned)random_below(
						&player->random, player->hold_count));
}

static void maybe_hold(struct player *player, const struct evchan_message *message,
		uint64_t number)
{
	struct held held = { NULL, lane_of(message->lane), number };
	int r;

	if (!player->traits.holds || player->is_finishing ||
			random_below(&player->random, HOLDS_ONE_OF) != 0)
		return;
	if (player->hold_count == HOLDS_MAX)
		release(player, (unsigned)random_below(&player->random, HOLDS_MAX));
	r = evchan_message_hold(&held.message, message);
	/* Half of a ring may be held. */
	if (r == -ENOBUFS)
		return;
	process_check(r, "evchan_message_hold");
	write_down(player, LOG_HELD,
			(struct log_entry){ .lane = held.lane, .number = number });
	player->holds[player->hold_count++] = held;
}

static void on_release(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	release_all(arg);
}

/* ---- Callbacks
 * ------------------------------------------------------------------------ */

static void take(struct player *player, const struct evchan_message *message)
{
	struct log_entry entry = { .lane = lane_of(message->lane),
		.sequence = message->sequence };

	if (!message_read(message->data, message->size, entry.lane, &entry.number) ||
			message->type != (entry.number & 0xffffff))
		process_die("lane %u, sequence %llu: a message is not what was sent",
				entry.lane, (unsigned long long)message->sequence);
	write_down(player, LOG_MESSAGE, entry);
	maybe_hold(player, message, entry.number);
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	(void)receiver;
	take(arg, message);
}

static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	uint32_t number = (uint32_t)strtoul(evchan_lane_label(lane), NULL, 10);
	struct log_entry entry = { .lane = number,
		.detail = evchan_lane_resumed(lane),
		.uid = evchan_lane_peer(lane).uid };
	uint64_t id[2];

	(void)receiver;
	evchan_lane_set_data(lane, (void *)(uintptr_t)number);
	evchan_lane_id(lane, (uint8_t *)id);
	entry.number = id[0];
	entry.sequence = id[1];
	write_down(arg, LOG_JOINED, entry);
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	(void)receiver;
	write_down(arg, LOG_LEFT,
			(struct log_entry){ .lane = lane_of(lane),
					.detail = (uint32_t)reason });
}

/* A connection without a hello is refused by a receiver that is about to end. */
static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	const struct player *player = arg;

	(void)receiver;
	if (error == -ESHUTDOWN && player->is_finishing)
		return;
	fprintf(stderr, "storm: a receiver reports: %s\n", text);
	write_down(player, LOG_ERROR,
			(struct log_entry){ .lane = lane ? lane_of(lane) : LANES_MAX,
					.detail = (uint32_t)-error });
}

static void on_shut_down(struct evchan_receiver *receiver, void *arg)
{
	const struct player *player = arg;

	(void)receiver;
	if (player->base)
		event_base_loopbreak(player->base);
}

/* Nothing is held any more, so nothing may be repeated. */
static void shut_down(struct player *player)
{
	player->is_finishing = true;
	release_all(player);
	process_check(evchan_receiver_shutdown(player->receiver),
			"evchan_receiver_shutdown");
}

static void open_receiver(struct player *player)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;

	callbacks.message = on_message;
	callbacks.joined = on_joined;
	callbacks.left = on_left;
	callbacks.error = on_error;
	callbacks.shut_down = on_shut_down;
	process_check(evchan_receiver_new(&player->receiver, player->loop,
				      player->role->address, &player->traits.options,
				      &callbacks, player),
			"evchan_receiver_new");
}

/* ---- On a loop, or without one
 * ---------------------------------------------------------- */

static void on_finish(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	shut_down(arg);
}

static void receive_in_loop(struct player *player)
{
	static const struct timeval soon = { 0, RELEASE_US };

	player->base = event_base_new();
	if (!player->base)
		process_die("event_base_new");
	process_check(evchan_libevent_loop_new(&player->loop, player->base),
			"evchan_libevent_loop_new");
	player->finish = evsignal_new(player->base, SIGTERM, on_finish, player);
	player->release = event_new(player->base, -1, EV_PERSIST, on_release, player);
	if (!player->finish || !player->release || event_add(player->finish, NULL) < 0 ||
			(player->traits.holds && event_add(player->release, &soon) < 0))
		process_die("event_new");
	open_receiver(player);
	process_accept_signal(SIGTERM);
	event_base_dispatch(player->base);
	evchan_receiver_free(player->receiver);
	event_free(player->finish);
	event_free(player->release);
	evchan_libevent_loop_free(player->loop);
	event_base_free(player->base);
}

static void on_signal(int signal)
{
	(void)signal;
	is_told_to_finish = 1;
}

static void receive_by_pulling(struct player *player)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const struct evchan_message *message;
	int r;

	open_receiver(player);
	sigaction(SIGTERM, &action, NULL);
	process_accept_signal(SIGTERM);
	do {
		r = evchan_receive_wait(&message, player->receiver, PULL_MS);
		if (r == 0)
			take(player, message);
		else if (r == -ETIMEDOUT)
			release_all(player);
		else if (r != -EINTR && r != -ESHUTDOWN)
			process_check(r, "evchan_receive_wait");
		if (is_told_to_finish && !player->is_finishing)
			shut_down(player);
	} while (r != -ESHUTDOWN);
	evchan_receiver_free(player->receiver);
}

void storm_receiver(void *arg)
{
	const struct receiver_role *role = arg;
	struct player *player = calloc(1, sizeof(*player));

	if (!player)
		process_die("no memory");
	player->role = role;
	player->traits = options_of_receiver(role->options, role->generation);
	player->random = random_of(
			role->options->seed, UINT64_C(2) << 32 | role->generation);
	if (player->traits.pulls)
		receive_by_pulling(player);
	else
		receive_in_loop(player);
	free(player);
}
