/* SPDX-License-Identifier: MIT */
/*
 * A sender in a storm. It notes in its book what it is about to send before it does,
 * and what was published after that; so between the two counts lies at most one
 * message, or one cork.
 *
 * Slots differ: most flood; every third sends in bursts and goes to sleep between them,
 * so that there is somebody to be woken; every fourth has no loop and waits in
 * evchan_send_wait(). Each message is sent in one of the ways there are.
 */

#include "storm_sender.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

#include "message.h"
#include "process.h"
#include "random.h"

#define SHARE 2000u /* messages before it goes back to its loop */
#define CORKED 16u  /* messages under one cork, at most */
#define PAUSE_US 3000

struct player {
	const struct sender_role *role;
	struct lane_book *book;
	struct event_base *base;
	struct evchan_loop *loop;
	struct evchan_sender *sender;
	struct event *again; /* the next share */
	struct event *finish;
	struct random random;
	uint64_t next;
	size_t most;
	bool is_corked;
	bool is_leaving;
	unsigned char message[MESSAGE_MOST];
};

static volatile sig_atomic_t is_told_to_finish;

static void on_signal(int signal)
{
	(void)signal;
	is_told_to_finish = 1;
}

/* ---- Ways to send one -------------------------------------------------------------- */

static int send_whole(struct player *player, size_t size, unsigned flags)
{
	message_write(player->message, size, player->role->lane, player->next);
	return evchan_send(player->sender, (uint32_t)player->next & 0xffffff,
			player->message, size, flags);
}

static int send_pieces(struct player *player, size_t size)
{
	struct iovec pieces[] = {
		{ player->message, MESSAGE_MIN / 2 },
		{ player->message + MESSAGE_MIN / 2, size - MESSAGE_MIN / 2 },
	};

	message_write(player->message, size, player->role->lane, player->next);
	return evchan_sendv(
			player->sender, (uint32_t)player->next & 0xffffff, pieces, 2, 0);
}

/* Now and then one that is given up is in the way. */
static int send_reserved(struct player *player, size_t size)
{
	struct evchan_span span;
	int r;

	r = evchan_reserve(&span, player->sender, size,
			size + random_below(&player->random, 100));
	if (r < 0)
		return r;
	message_write(span.data, size, player->role->lane, player->next);
	if (random_below(&player->random, 8) == 0) {
		evchan_abort(player->sender);
		return send_reserved(player, size);
	}
	return evchan_commit(player->sender, (uint32_t)player->next & 0xffffff, size, 0);
}

/* Notes that a message was sent. */
static void count_sent(struct player *player)
{
	player->next++;
	if (!player->is_corked)
		atomic_store_explicit(
				&player->book->sent, player->next, memory_order_release);
}

/* 0 or -EAGAIN. */
static int send_one(struct player *player)
{
	size_t size = message_size(player->role->lane, player->next, player->most);
	int r;

	atomic_store_explicit(
			&player->book->begun, player->next + 1, memory_order_release);
	switch (random_below(&player->random, 8)) {
	case 0:
		r = send_pieces(player, size);
		break;
	case 1:
		r = send_reserved(player, size);
		break;
	case 2:
		r = send_whole(player, size, EVCHAN_SEND_NO_WAKE);
		break;
	default:
		r = send_whole(player, size, 0);
	}
	if (r == 0)
		count_sent(player);
	else if (r != -EAGAIN)
		process_check(r, "evchan_send");
	return r;
}

static int send_corked(struct player *player)
{
	uint64_t count = 1 + random_below(&player->random, CORKED);
	int r = 0;

	player->is_corked = true;
	evchan_cork(player->sender);
	while (r == 0 && count--)
		r = send_one(player);
	evchan_uncork(player->sender);
	player->is_corked = false;
	atomic_store_explicit(&player->book->sent, player->next, memory_order_release);
	return r;
}

/* ---- On a loop
 * ----------------------------------------------------------------------- */

static void send_later(struct player *player, uint64_t microseconds)
{
	const struct timeval delay = { 0, (suseconds_t)microseconds };

	if (event_add(player->again, &delay) < 0)
		process_die("event_add");
}

/* It goes when all it has sent is consumed, or at once if somebody has its ring. */
static void leave(struct player *player)
{
	struct evchan_pending pending = EVCHAN_PENDING_INIT;

	player->is_leaving = true;
	evchan_sender_get_pending(player->sender, &pending);
	if (pending.hello_sent && !is_told_to_finish && random_below(&player->random, 2))
		event_base_loopbreak(player->base);
	else
		process_check(evchan_sender_notify_drained(player->sender),
				"evchan_sender_notify_drained");
}

static void send_share(struct player *player)
{
	bool sleeps = player->role->slot % 3 == 2;
	uint64_t count = sleeps ? random_below(&player->random, SHARE) : SHARE;

	while (count--) {
		bool corks = random_below(&player->random, 64) == 0;

		if (player->next >= player->role->leave_at) {
			leave(player);
			return;
		}
		/* `writable` will come. */
		if ((corks ? send_corked(player) : send_one(player)) < 0)
			return;
	}
	send_later(player, sleeps ? random_below(&player->random, PAUSE_US) : 0);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct player *player = arg;

	(void)fd;
	(void)what;
	if (!player->is_leaving)
		send_share(player);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	on_again(-1, 0, arg);
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	const struct player *player = arg;

	(void)sender;
	atomic_store(&player->book->is_drained, 1);
	event_base_loopbreak(player->base);
}

static void on_refused(struct evchan_sender *sender, int error, const char *text,
		int final, void *arg)
{
	(void)sender;
	(void)arg;
	if (final)
		process_die("a sender was refused: %s (%s)", text,
				evchan_strerror(error));
}

static void open_sender(struct player *player)
{
	const struct sender_role *role = player->role;
	struct evchan_sender_options options =
			options_of_sender(role->options, role->slot);
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	char label[16];

	snprintf(label, sizeof(label), "%u", role->lane);
	options.label = label;
	if (player->loop) {
		callbacks.writable = on_writable;
		callbacks.drained = on_drained;
	}
	callbacks.refused = on_refused;
	process_check(evchan_sender_new(&player->sender, player->loop, role->address,
				      &options, &callbacks, player),
			"evchan_sender_new");
	player->most = evchan_sender_message_max(player->sender);
	if (player->most > MESSAGE_MOST)
		player->most = MESSAGE_MOST;
}

static void on_finish(evutil_socket_t fd, short what, void *arg)
{
	struct player *player = arg;

	(void)fd;
	(void)what;
	is_told_to_finish = 1;
	if (!player->is_leaving)
		leave(player);
}

static void open_loop(struct player *player)
{
	player->base = event_base_new();
	if (!player->base)
		process_die("event_base_new");
	process_check(evchan_libevent_loop_new(&player->loop, player->base),
			"evchan_libevent_loop_new");
	player->again = evtimer_new(player->base, on_again, player);
	player->finish = evsignal_new(player->base, SIGTERM, on_finish, player);
	if (!player->again || !player->finish || event_add(player->finish, NULL) < 0)
		process_die("event_new");
}

static void close_loop(struct player *player)
{
	event_free(player->again);
	event_free(player->finish);
	evchan_libevent_loop_free(player->loop);
	event_base_free(player->base);
}

/* ---- Without one
 * ----------------------------------------------------------------------- */

static void send_patiently(struct player *player)
{
	const struct sigaction action = { .sa_handler = on_signal };
	int r = 0;

	open_sender(player);
	sigaction(SIGTERM, &action, NULL);
	process_accept_signal(SIGTERM);
	while (!is_told_to_finish && player->next < player->role->leave_at) {
		size_t size = message_size(
				player->role->lane, player->next, player->most);

		message_write(player->message, size, player->role->lane, player->next);
		atomic_store_explicit(&player->book->begun, player->next + 1,
				memory_order_release);
		r = evchan_send_wait(player->sender, (uint32_t)player->next & 0xffffff,
				player->message, size, 0, -1);
		if (r == 0)
			count_sent(player);
		else if (r != -EINTR)
			process_check(r, "evchan_send_wait");
	}
	do
		r = evchan_drain_wait(player->sender, -1);
	while (r == -EINTR);
	process_check(r, "evchan_drain_wait");
	atomic_store(&player->book->is_drained, 1);
}

static void send_in_loop(struct player *player)
{
	open_loop(player);
	open_sender(player);
	process_accept_signal(SIGTERM);
	send_later(player, 0);
	event_base_dispatch(player->base);
}

/* ---- Both
 * --------------------------------------------------------------------------------- */

void storm_sender(void *arg)
{
	const struct sender_role *role = arg;
	struct player *player = calloc(1, sizeof(*player));

	if (!player)
		process_die("no memory");
	player->role = role;
	player->book = &role->board->books[role->lane];
	player->random = random_of(role->options->seed, role->lane);
	if (role->slot % 4 == 1)
		send_patiently(player);
	else
		send_in_loop(player);
	atomic_store(&player->book->is_leaving, 1);
	evchan_sender_free(player->sender);
	if (player->base)
		close_loop(player);
	free(player);
}
