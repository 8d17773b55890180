/* SPDX-License-Identifier: MIT */
/*
 * A loop of the application's own whose timers and watches can fail at any time, which <evchan/loop.h> allows: what a timer
 * was for waits for the next event or call of the same handle, and no longer.
 *
 * So there is always a next event here: another sender, which sends something each turn.
 */

#include "world.h"

#include <errno.h>
#include <string.h>

#include <evchan/loop.h>

#define TICKER "ticker"
#define MESSAGES 60u

/* ---- The loop: the one on poll(2), and failures ------------------------------------------------ */

static struct evchan_loop *inner;

static int watch_add(struct evchan_loop *loop, struct evchan_watch **watch, int fd,
		unsigned events, void (*ready)(void *arg, unsigned events), void *arg)
{
	(void)loop;
	if (fault(FAULT_EVENTS, "watch_add", FAULT_ERRORS(ENOMEM)))
		return -errno;
	return inner->ops->watch_add(inner, watch, fd, events, ready, arg);
}

static int watch_change(
		struct evchan_loop *loop, struct evchan_watch *watch, unsigned events)
{
	(void)loop;
	if (fault(FAULT_EVENTS, "watch_change", FAULT_ERRORS(ENOMEM)))
		return -errno;
	return inner->ops->watch_change(inner, watch, events);
}

static void watch_remove(struct evchan_loop *loop, struct evchan_watch *watch)
{
	(void)loop;
	inner->ops->watch_remove(inner, watch);
}

static int timer_add(struct evchan_loop *loop, struct evchan_timer **timer,
		void (*fired)(void *arg), void *arg)
{
	(void)loop;
	if (fault(FAULT_EVENTS, "timer_add", FAULT_ERRORS(ENOMEM)))
		return -errno;
	return inner->ops->timer_add(inner, timer, fired, arg);
}

static int timer_set(struct evchan_loop *loop, struct evchan_timer *timer,
		uint32_t milliseconds)
{
	(void)loop;
	if (fault(FAULT_TIMERS, "timer_set", FAULT_ERRORS(ENOMEM)))
		return -errno;
	return inner->ops->timer_set(inner, timer, milliseconds);
}

static void timer_clear(struct evchan_loop *loop, struct evchan_timer *timer)
{
	(void)loop;
	inner->ops->timer_clear(inner, timer);
}

static void timer_remove(struct evchan_loop *loop, struct evchan_timer *timer)
{
	(void)loop;
	inner->ops->timer_remove(inner, timer);
}

static uint64_t turn_number(struct evchan_loop *loop)
{
	(void)loop;
	return inner->ops->turn(inner);
}

static const struct evchan_loop_ops operations = {
	.size = sizeof(struct evchan_loop_ops),
	.watch_add = watch_add,
	.watch_change = watch_change,
	.watch_remove = watch_remove,
	.timer_add = timer_add,
	.timer_set = timer_set,
	.timer_clear = timer_clear,
	.timer_remove = timer_remove,
	.turn = turn_number,
};

static struct evchan_loop foreign = { &operations };

/* ---- The world on it --------------------------------------------------------------------------- */

static struct evchan_sender *ticker;

static void run_inner(struct world *world)
{
	(void)world;
	CHECK_EQUAL(evchan_poll_loop_run_once(inner, 5), 0);
}

/* The next event of the receiver, and the next call of each sender. */
static void run_inner_and_tick(struct world *world)
{
	run_inner(world);
	evchan_sender_wake(world->sender);
	(void)evchan_send(ticker, 0, NULL, 0, 0);
	/* Time goes on only where nothing is ready. */
	run_inner(world);
	run_inner(world);
}

static void ignore_ticks(struct world *world, const struct evchan_message *message)
{
	if (strcmp(evchan_lane_label(message->lane), TICKER) != 0)
		world_received(world, message);
}

static void make_ticker(const struct world *world)
{
	struct evchan_sender_options options = world->sender_options;

	options.label = TICKER;
	CHECK_EQUAL(evchan_sender_new(&ticker, &foreign, world->address, &options, NULL,
				    NULL),
			0);
}

static void open_world(struct world *world)
{
	world_init(world);
	CHECK_EQUAL(evchan_poll_loop_new(&inner), 0);
	world->loop = &foreign;
	world->is_raw = true;
	world->message = ignore_ticks;
	world->turn = run_inner_and_tick;
	/* Shares that leave something for later turns. */
	world->receiver_options.turn_messages = 4;
	world->receiver_options.turn_total_messages = 6;
	world_make_receiver(world);
	make_ticker(world);
}

static void close_world(struct world *world)
{
	evchan_sender_free(world->sender);
	evchan_sender_free(ticker);
	evchan_receiver_free(world->receiver);
	evchan_poll_loop_free(inner);
}

static void stream(void)
{
	struct world world;

	open_world(&world);
	faults_begin();
	world_make_sender(&world);
	world_stream(&world, MESSAGES);
	faults_end();
	close_world(&world);
}

/* Attempts to connect have no other event than their timer: there the next call makes up for it. */
static void next_receiver(void)
{
	struct world world;

	open_world(&world);
	world_make_sender(&world);
	world_stream(&world, 2);
	faults_begin();
	evchan_receiver_free(world.receiver);
	(void)world_send(&world, 0);
	world_make_receiver(&world);
	world_stream(&world, 2);
	faults_end();
	close_world(&world);
}

/* If nothing can wake the receiver later, it is woken now: without any event or call more. */
static void message_that_is_not_to_wake(void)
{
	struct world world;

	open_world(&world);
	world_make_sender(&world);
	world_stream(&world, 1);
	world.turn = run_inner;
	faults_begin();
	(void)world_send(&world, EVCHAN_SEND_NO_WAKE);
	WORLD_UNTIL(&world, world.received == world.sent);
	faults_end();
	close_world(&world);
}

#define CALLS (FAULT_EVENTS | FAULT_TIMERS)

SCENARIOS({ .name = "stream", .play = stream, .calls = CALLS },
		{ .name = "next_receiver", .play = next_receiver, .calls = CALLS },
		{ .name = "message_that_is_not_to_wake",
				.play = message_that_is_not_to_wake,
				.calls = CALLS })
