/* SPDX-License-Identifier: MIT */
/*
 * When a receiver accepts nobody for a while: strangers' descriptors wait to be let go of,
 * accept(2) fails, the loop has no timer left. Whoever comes meanwhile waits in the
 * listener's queue, gets in afterwards, and nothing spins or stays shut out.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/syscall.h>

#include <evchan/loop.h>

#include "../unit/slow_descriptor.h"
#include "clock.h"
#include "hostile_peer.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define PENDING_MOST 128 /* ACCEPT_PENDING_MAX */
#define RETRY_MS 50u     /* ACCEPT_RETRY_MS */

/* ---- Strangers' descriptors ---------------------------------------------- */

/* So many descriptors wait for disposal, behind one that takes for ever. */
static void open_pending(struct slow_descriptor *slow, unsigned count)
{
	if (!slow_open(slow)) {
		print_message("no descriptor whose close blocks\n");
		skip();
	}
	disposal_close(slow->fd, NULL);
	while (disposal_pending_descriptors() < count)
		disposal_close(open_something(), NULL);
}

static void close_pending(struct slow_descriptor *slow)
{
	close(slow->peer);
	CHECK_EQUAL(disposal_wait(LONG_MS), 0);
}

/* While too many descriptors wait nobody is accepted, and nobody is told so again and
 * again; when they are gone, whoever waits gets in. */
static void pending_descriptors_hold_up_newcomers(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct slow_descriptor slow;
	struct stage stage;

	(void)state;
	open_pending(&slow, PENDING_MOST + 1);
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	/* Each of them sleeps until the receiver tries again. */
	for (int i = 0; i < 3; i++)
		stage_turn(&stage);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 0);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	close_pending(&slow);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A few do not matter. */
static void few_pending_descriptors_hold_up_nobody(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct slow_descriptor slow;
	struct stage stage;

	(void)state;
	open_pending(&slow, PENDING_MOST);
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
	close_pending(&slow);
}

/* A shutdown does not wait for them. */
static void pending_descriptors_delay_no_shutdown(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct slow_descriptor slow;
	struct stage stage;

	(void)state;
	open_pending(&slow, PENDING_MOST + 1);
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	CHECK_EQUAL(evchan_send(sender.sender, 0, "x", 1, 0), 0);
	test_sender_free(&sender);
	stage_look(&stage, 5);
	CHECK_EQUAL(evchan_receiver_shutdown(receiver.receiver), 0);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_SHUT_DOWN]);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 1);
	test_receiver_free(&receiver);
	stage_close(&stage);
	close_pending(&slow);
}

/* ---- accept(2) fails ----------------------------------------------------- */

static void accept_in_vain(void *arg)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	uint64_t start;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	if (forbid_system_call(SYS_accept4, *(const int *)arg) < 0)
		_exit(CHILD_SKIPPED);
	start = clock_milliseconds();
	STAGE_UNTIL(&stage, receiver.calls[HEARD_ERROR] == 4);
	/* The loop's clock may be one millisecond behind at each end. */
	CHECK(clock_milliseconds() - start >= 3 * (RETRY_MS - 2));
	CHECK_EQUAL(receiver.error, -*(const int *)arg);
	_exit(0);
}

/* A listener that lets nothing be accepted, whatever the reason, is asked again after a
 * while, and not as fast as the loop can turn. */
static void accept_that_fails_does_not_spin(void **state)
{
	int errors[] = { EPERM, EBADF, ENOTSOCK, EOPNOTSUPP }, result;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		result = scene_wait(scene_start(accept_in_vain, &errors[i]));
		if (result == CHILD_SKIPPED)
			skip();
		CHECK_EQUAL(result, 0);
	}
}

/* ---- A loop without timers ----------------------------------------------- */

/* The poll loop, whose timers cannot be set while `fails`. */
struct poor_loop {
	struct evchan_loop loop;
	struct evchan_loop *real;
	bool fails;
};

static struct poor_loop *poor(struct evchan_loop *loop)
{
	return (struct poor_loop *)(void *)loop;
}

static int poor_watch_add(struct evchan_loop *loop, struct evchan_watch **watch, int fd,
		unsigned events, void (*ready)(void *arg, unsigned events), void *arg)
{
	struct evchan_loop *real = poor(loop)->real;

	return real->ops->watch_add(real, watch, fd, events, ready, arg);
}

static int poor_watch_change(
		struct evchan_loop *loop, struct evchan_watch *watch, unsigned events)
{
	struct evchan_loop *real = poor(loop)->real;

	return real->ops->watch_change(real, watch, events);
}

static void poor_watch_remove(struct evchan_loop *loop, struct evchan_watch *watch)
{
	struct evchan_loop *real = poor(loop)->real;

	real->ops->watch_remove(real, watch);
}

static int poor_timer_add(struct evchan_loop *loop, struct evchan_timer **timer,
		void (*fired)(void *arg), void *arg)
{
	struct evchan_loop *real = poor(loop)->real;

	return real->ops->timer_add(real, timer, fired, arg);
}

static int poor_timer_set(
		struct evchan_loop *loop, struct evchan_timer *timer, uint32_t milliseconds)
{
	struct evchan_loop *real = poor(loop)->real;

	/* Turns have to come all the same: those are not what is tested. */
	if (poor(loop)->fails && milliseconds)
		return -ENOMEM;
	return real->ops->timer_set(real, timer, milliseconds);
}

static void poor_timer_clear(struct evchan_loop *loop, struct evchan_timer *timer)
{
	struct evchan_loop *real = poor(loop)->real;

	real->ops->timer_clear(real, timer);
}

static void poor_timer_remove(struct evchan_loop *loop, struct evchan_timer *timer)
{
	struct evchan_loop *real = poor(loop)->real;

	real->ops->timer_remove(real, timer);
}

static const struct evchan_loop_ops poor_ops = {
	.size = sizeof(poor_ops),
	.watch_add = poor_watch_add,
	.watch_change = poor_watch_change,
	.watch_remove = poor_watch_remove,
	.timer_add = poor_timer_add,
	.timer_set = poor_timer_set,
	.timer_clear = poor_timer_clear,
	.timer_remove = poor_timer_remove,
};

static void open_poor_receiver(struct poor_loop *loop, struct test_receiver *receiver,
		const struct evchan_receiver_options *options)
{
	struct stage stage = { .loop = &loop->loop };

	*loop = (struct poor_loop){ .loop = { &poor_ops } };
	CHECK_EQUAL(evchan_poll_loop_new(&loop->real), 0);
	test_receiver_open(receiver, &stage, scene_address(), options);
}

static void close_poor_receiver(struct poor_loop *loop, struct test_receiver *receiver)
{
	test_receiver_free(receiver);
	evchan_poll_loop_free(loop->real);
}

#define POOR_UNTIL(poor, condition) \
	while (!(condition)) \
	CHECK_EQUAL(evchan_poll_loop_run_once((poor)->real, LONG_MS), 0)

/* A receiver that should wait and has no timer goes on trying. */
static void accepting_needs_no_timer(void **state)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct slow_descriptor slow;
	struct poor_loop loop;

	(void)state;
	open_pending(&slow, PENDING_MOST + 1);
	open_poor_receiver(&loop, &receiver, NULL);
	loop.fails = true;
	test_sender_open(&sender, NULL, scene_address(), NULL);
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(evchan_poll_loop_run_once(loop.real, LONG_MS), 0);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 0);
	close_pending(&slow);
	POOR_UNTIL(&loop, receiver.calls[HEARD_JOINED]);
	test_sender_free(&sender);
	close_poor_receiver(&loop, &receiver);
}

/* A silent connection for which no timer could be set is shown out with the next one. */
static void silent_connection_outlives_no_other(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct hostile_peer first = HOSTILE_PEER_NONE, second = HOSTILE_PEER_NONE;
	struct test_receiver receiver = { 0 };
	struct poor_loop loop;

	(void)state;
	options.hello_timeout_ms = 20;
	open_poor_receiver(&loop, &receiver, &options);
	loop.fails = true;
	hostile_connect(&first, scene_address());
	CHECK_EQUAL(evchan_poll_loop_run_once(loop.real, LONG_MS), 0);
	loop.fails = false;
	hostile_connect(&second, scene_address());
	POOR_UNTIL(&loop, receiver.calls[HEARD_ERROR] == 2);
	CHECK_EQUAL(receiver.error, -ETIMEDOUT);
	hostile_close(&first);
	hostile_close(&second);
	close_poor_receiver(&loop, &receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(pending_descriptors_hold_up_newcomers),
		SCENE_TEST(few_pending_descriptors_hold_up_nobody),
		SCENE_TEST(pending_descriptors_delay_no_shutdown),
		SCENE_TEST(accept_that_fails_does_not_spin),
		SCENE_TEST(accepting_needs_no_timer),
		SCENE_TEST(silent_connection_outlives_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
