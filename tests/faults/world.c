/* SPDX-License-Identifier: MIT */
/*
 * Invariant: `sent` messages of this generation of senders were sent, and `received` is the number expected next from the
 * generation that was heard last. A message above that was lost, which somebody must have been told of; one below is a
 * repeat, which only a lane that had another receiver before may bring.
 */

#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longer than any back-off or time-out together. */
#define PATIENCE_MS 120000u
#define TURN_MS 5
#define TRIES 64

struct payload {
	uint32_t generation, number;
};

/* ---- What the receiver tells ----------------------------------------------------------------- */

void world_received(struct world *world, const struct evchan_message *message)
{
	struct payload payload;

	CHECK_EQUAL(message->size, world->message_size);
	memcpy(&payload, message->data, sizeof(payload));
	if (payload.generation != world->received_generation) {
		CHECK(payload.generation > world->received_generation);
		world->received_generation = payload.generation;
		world->received = 0;
	}
	CHECK_EQUAL(message->type, payload.number);
	CHECK(payload.number <= world->received || world->may_lose);
	CHECK(payload.number >= world->received || evchan_lane_resumed(message->lane));
	if (payload.number >= world->received)
		world->received = payload.number + 1;
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	struct world *world = arg;

	(void)receiver;
	if (!world->is_raw)
		world_received(world, message);
	if (world->message)
		world->message(world, message);
}

static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	struct world *world = arg;

	(void)receiver;
	world->joined++;
	world->lane = lane;
}

static void on_hung_up(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct world *world = arg;

	(void)receiver;
	(void)lane;
	(void)reason;
	world->hung_up++;
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct world *world = arg;

	(void)receiver;
	(void)reason;
	world->left++;
	if (world->gone)
		world->gone(world, lane);
	if (world->lane == lane)
		world->lane = NULL;
}

static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	struct world *world = arg;

	(void)receiver;
	(void)lane;
	CHECK(error < 0 && *text);
	if (!world->is_provoked)
		scenario_told();
	world->errors++;
	world->may_lose = true;
}

static void on_shut_down(struct evchan_receiver *receiver, void *arg)
{
	struct world *world = arg;

	(void)receiver;
	world->shut_down++;
}

/* ---- What the sender tells ------------------------------------------------------------------- */

static void on_connected(struct evchan_sender *sender, int resumed, void *arg)
{
	struct world *world = arg;

	(void)sender;
	(void)resumed;
	world->connected++;
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	struct world *world = arg;

	(void)sender;
	world->writable++;
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	struct world *world = arg;

	(void)sender;
	world->drained++;
}

static void on_disconnected(struct evchan_sender *sender, int error, void *arg)
{
	struct world *world = arg;

	(void)sender;
	(void)error;
	world->disconnected++;
}

static void on_refused(struct evchan_sender *sender, int error, const char *text,
		int final, void *arg)
{
	struct world *world = arg;

	(void)sender;
	CHECK(error < 0 && *text);
	if (!final)
		return;
	world->is_over = true;
	world->may_lose = true;
}

/* ---- Making ---------------------------------------------------------------------------------- */

void world_init(struct world *world)
{
	static unsigned number;

	*world = (struct world){
		.receiver_options = EVCHAN_RECEIVER_OPTIONS_INIT,
		.sender_options = EVCHAN_SENDER_OPTIONS_INIT,
		.message_size = 100,
		.generation = 1,
		.deadline = faults_clock_ms() + PATIENCE_MS,
	};
	snprintf(world->address, sizeof(world->address), "@evchan-faults-%ld-%u",
			(long)getpid(), ++number);
	world->sender_options.capacity = 4096;
	world->sender_options.flags = EVCHAN_SENDER_WAIT;
	world->sender_options.reconnect_max_ms = 100;
}

void world_make_loop(struct world *world)
{
	world->loop = UNTOUCHED;
	for (int i = 0; i < TRIES; i++) {
		if (scenario_result(EVCHAN_POLL_LOOP_NEW,
				    evchan_poll_loop_new(&world->loop)) == 0)
			return;
		CHECK(world->loop == UNTOUCHED);
	}
	CHECK(!"there is a loop after so many tries");
}

void world_make_receiver(struct world *world)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;

	callbacks.message = world->loop ? on_message : NULL;
	callbacks.joined = on_joined;
	callbacks.hung_up = on_hung_up;
	callbacks.left = on_left;
	callbacks.error = on_error;
	callbacks.shut_down = on_shut_down;
	world->receiver = UNTOUCHED;
	for (int i = 0; i < TRIES; i++) {
		if (scenario_result(EVCHAN_RECEIVER_NEW,
				    evchan_receiver_new(&world->receiver, world->loop,
						    world->address,
						    &world->receiver_options, &callbacks,
						    world)) == 0)
			return;
		CHECK(world->receiver == UNTOUCHED);
		/* A listener that could not be emptied is closed there, and has the name until then. */
		faults_settle();
	}
	CHECK(!"there is a receiver after so many tries");
}

void world_make_sender(struct world *world)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;

	callbacks.connected = on_connected;
	callbacks.writable = on_writable;
	callbacks.drained = on_drained;
	callbacks.disconnected = on_disconnected;
	callbacks.refused = on_refused;
	world->sender = UNTOUCHED;
	for (int i = 0; i < TRIES; i++) {
		if (scenario_result(EVCHAN_SENDER_NEW,
				    evchan_sender_new(&world->sender, world->loop,
						    world->address,
						    &world->sender_options, &callbacks,
						    world)) == 0)
			return;
		CHECK(world->sender == UNTOUCHED);
	}
	CHECK(!"there is a sender after so many tries");
}

void world_open(struct world *world)
{
	world_make_loop(world);
	world_make_receiver(world);
	world_make_sender(world);
}

void world_close(struct world *world)
{
	evchan_sender_free(world->sender);
	evchan_receiver_free(world->receiver);
	evchan_poll_loop_free(world->loop);
}

void world_replace_sender(struct world *world)
{
	if (!world->is_over)
		return;
	if (!world->is_provoked)
		scenario_told();
	evchan_sender_free(world->sender);
	world->is_over = false;
	world->generation++;
	world->sent = 0;
	world_make_sender(world);
}

/* ---- Going on -------------------------------------------------------------------------------- */

void world_check_patience(const struct world *world, const char *waits_for)
{
	static char text[256];

	if (faults_clock_ms() <= world->deadline)
		return;
	snprintf(text, sizeof(text), "waits in vain for %s", waits_for);
	check_failed(text, 0, "and nobody was told why");
}

void world_turn(struct world *world, const char *waits_for)
{
	world_check_patience(world, waits_for);
	check_context = waits_for;
	if (world->turn)
		world->turn(world);
	else
		(void)scenario_result(EVCHAN_POLL_LOOP_RUN_ONCE,
				evchan_poll_loop_run_once(world->loop, TURN_MS));
	check_context = NULL;
	world_replace_sender(world);
}

int world_send(struct world *world, unsigned flags)
{
	unsigned char bytes[4096] = { 0 };
	const struct payload payload = { world->generation, world->sent };
	int r;

	memcpy(bytes, &payload, sizeof(payload));
	r = evchan_send(world->sender, payload.number, bytes, world->message_size, flags);
	if (r == 0)
		world->sent++;
	else if (r != -EAGAIN)
		/* Over, which a callback will tell. */
		CHECK_EQUAL(scenario_result(EVCHAN_SEND, r), -EPIPE);
	return r;
}

/* Whether all of this generation that was sent has come. */
static bool all_is_received(const struct world *world)
{
	return world->sent == 0 ||
			(world->received_generation == world->generation &&
					world->received == world->sent);
}

void world_stream(struct world *world, uint32_t count)
{
	uint32_t generation = world->generation;
	unsigned writable = world->writable;
	int r;

	while (count && generation == world->generation) {
		r = world_send(world, 0);
		if (r == 0)
			count--;
		else if (r == -EAGAIN)
			WORLD_UNTIL(world,
					world->writable > writable ||
							world->generation != generation);
		else
			WORLD_UNTIL(world, world->generation != generation);
		writable = world->writable;
	}
	/* The others are for the one that follows, and one is enough to see that it works. */
	if (count)
		CHECK_EQUAL(world_send(world, 0), 0);
	WORLD_UNTIL(world, all_is_received(world));
}
