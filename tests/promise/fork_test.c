/* SPDX-License-Identifier: MIT */
/*
 * Handles across fork(2): in the child every call is refused and freeing touches nothing
 * of the parent's; the parent goes on unharmed; and a child that lives on hides neither
 * its parent's death nor keeps its address taken.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include <evchan/loop.h>

#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define HELLO_TIMEOUT_MS 20

/* Both ends on one base, with a message under way and one held. */
struct parent {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender sender;
	const struct evchan_message *held;
};

static void hold_first(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct parent *parent = receiver->arg;

	(void)lane;
	if (heard == HEARD_MESSAGE && !parent->held)
		CHECK_EQUAL(evchan_message_hold(&parent->held, message), 0);
}

static void send_one(struct parent *parent)
{
	CHECK_EQUAL(evchan_send(parent->sender.sender, 0, "message", 7, 0), 0);
}

static void open_parent(struct parent *parent, const char *backend)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	memset(parent, 0, sizeof(*parent));
	options.hello_timeout_ms = HELLO_TIMEOUT_MS;
	stage_open(&parent->stage, backend);
	parent->receiver.act = hold_first;
	parent->receiver.arg = parent;
	test_receiver_open(&parent->receiver, &parent->stage, scene_address(), &options);
	test_sender_open(&parent->sender, &parent->stage, scene_address(), NULL);
	send_one(parent);
	STAGE_UNTIL(&parent->stage, parent->held && parent->sender.calls[TOLD_CONNECTED]);
}

/* Everything still works: messages, holds, a new sender, a goodbye. */
static void close_parent(struct parent *parent)
{
	struct test_sender another = { 0 };
	unsigned messages = parent->receiver.calls[HEARD_MESSAGE];

	send_one(parent);
	STAGE_UNTIL(&parent->stage,
			parent->receiver.calls[HEARD_MESSAGE] == messages + 1);
	CHECK(memcmp(parent->held->data, "message", 7) == 0);
	evchan_message_release(parent->held);
	STAGE_UNTIL(&parent->stage, test_sender_unconsumed(&parent->sender) == 0);
	test_sender_open(&another, &parent->stage, scene_address(), NULL);
	STAGE_UNTIL(&parent->stage, another.calls[TOLD_CONNECTED]);
	test_sender_free(&another);
	STAGE_UNTIL(&parent->stage, parent->receiver.calls[HEARD_LEFT] == 1);
	CHECK_EQUAL(parent->receiver.left_reason, EVCHAN_LEFT_CLOSED);
	CHECK_EQUAL(parent->sender.calls[TOLD_DISCONNECTED], 0);
	test_sender_free(&parent->sender);
	test_receiver_free(&parent->receiver);
	stage_close(&parent->stage);
}

/* ---- In the child -------------------------------------------------------- */

static void call_receiver(struct parent *parent)
{
	struct evchan_receiver *receiver = parent->receiver.receiver;
	const struct evchan_message *message = NULL;

	CHECK_EQUAL(evchan_receiver_shutdown(receiver), -EOWNERDEAD);
	CHECK_EQUAL(evchan_receiver_adopt(receiver, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_lane_evict(parent->receiver.lane, NULL), -EOWNERDEAD);
	CHECK_EQUAL(evchan_message_hold(&message, parent->held), -EOWNERDEAD);
	CHECK(!message);
	evchan_receiver_pause(receiver);
	evchan_receiver_resume(receiver);
	evchan_lane_pause(parent->receiver.lane);
	evchan_lane_resume(parent->receiver.lane);
	evchan_receive_done(receiver);
}

static void call_sender(struct evchan_sender *sender)
{
	struct iovec piece = { (char[]){ "piece" }, 5 };
	struct evchan_span span = { NULL, 0 };

	CHECK_EQUAL(evchan_send(sender, 0, "child", 5, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_sendv(sender, 0, &piece, 1, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_reserve(&span, sender, 1, 1), -EOWNERDEAD);
	CHECK_EQUAL(evchan_commit(sender, 0, 0, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_sender_notify_drained(sender), -EOWNERDEAD);
	CHECK_EQUAL(evchan_send_wait(sender, 0, NULL, 0, 0, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_drain_wait(sender, 0), -EOWNERDEAD);
	CHECK(!span.data);
	evchan_abort(sender);
	evchan_cork(sender);
	evchan_uncork(sender);
	evchan_sender_wake(sender);
}

static void free_handles(struct parent *parent)
{
	evchan_message_release(parent->held);
	test_sender_free(&parent->sender);
	test_receiver_free(&parent->receiver);
}

/* The watches stay on the parent's loop, which a child leaves alone: they leak, as
 * documented. The leak check would say so. */
static void end_child(void)
{
	_exit(0);
}

static void call_everything(void *arg)
{
	struct parent *parent = arg;

	call_receiver(parent);
	call_sender(parent->sender.sender);
	end_child();
}

static void free_everything(void *arg)
{
	free_handles(arg);
	end_child();
}

static void note_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(int *)arg = 1;
}

/* Runs the loop until all that the parent had set a time for, a hello time-out for
 * one, is over. */
static void outlast_timers(struct stage *stage)
{
	static const struct timeval longer = { 0, 4 * HELLO_TIMEOUT_MS * 1000 };
	int is_over = 0;

	CHECK_EQUAL(event_base_once(stage->base, -1, EV_TIMEOUT, note_time, &is_over,
				    &longer),
			0);
	STAGE_UNTIL(stage, is_over);
}

/* The usual way of going on with a libevent base in a child. */
static void reinitialise_and_free(void *arg)
{
	struct parent *parent = arg;

	CHECK_EQUAL(event_reinit(parent->stage.base), 0);
	stage_look(&parent->stage, 3);
	free_handles(parent);
	outlast_timers(&parent->stage);
	end_child();
}

/* Or without freeing anything. */
static void reinitialise_and_go_on(void *arg)
{
	struct parent *parent = arg;

	CHECK_EQUAL(event_reinit(parent->stage.base), 0);
	outlast_timers(&parent->stage);
	end_child();
}

static void check_child(void (*role)(void *arg), const char *backend)
{
	struct parent parent;

	open_parent(&parent, backend);
	scene_join(scene_start(role, &parent));
	close_parent(&parent);
}

/* In a child every call says -EOWNERDEAD or does nothing, and the parent notices
 * nothing. */
static void child_is_refused_everything(void **state)
{
	(void)state;
	check_child(call_everything, NULL);
}

/* A child may free what it inherited; the parent notices nothing, whatever its loop. */
static void child_may_free(void **state)
{
	(void)state;
	check_child(free_everything, "epoll");
	check_child(free_everything, "poll");
	check_child(free_everything, "select");
}

/* Also after event_reinit(3), which works, and with the inherited watches in its loop. */
static void child_may_reinitialise_its_base(void **state)
{
	(void)state;
	check_child(reinitialise_and_free, "epoll");
	check_child(reinitialise_and_free, "poll");
}

/* Its loop runs with all the parent's handles on it, and nothing happens. */
static void inherited_handles_do_nothing(void **state)
{
	(void)state;
	check_child(reinitialise_and_go_on, "epoll");
	check_child(reinitialise_and_go_on, "poll");
}

/* A sender that waits for a receiver does so in its own process only. */
static void child_does_not_connect(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	const struct evchan_message *message;
	struct test_receiver receiver = { 0 };
	struct parent parent = { 0 };

	(void)state;
	stage_open(&parent.stage, NULL);
	options.flags = EVCHAN_SENDER_WAIT;
	options.reconnect_max_ms = 5;
	test_sender_open(&parent.sender, &parent.stage, scene_address(), &options);
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	scene_join(scene_start(reinitialise_and_go_on, &parent));
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EAGAIN);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED] + receiver.calls[HEARD_ERROR], 0);
	test_receiver_free(&receiver);
	test_receiver_open(&receiver, &parent.stage, scene_address(), NULL);
	STAGE_UNTIL(&parent.stage, parent.sender.calls[TOLD_CONNECTED]);
	test_sender_free(&parent.sender);
	test_receiver_free(&receiver);
	stage_close(&parent.stage);
}

static void make_own_handles(void *arg)
{
	struct parent own;

	free_handles(arg);
	scene_change_address();
	open_parent(&own, NULL);
	close_parent(&own);
	end_child();
}

/* Handles that a child makes itself work as usual. */
static void child_may_have_its_own(void **state)
{
	(void)state;
	check_child(make_own_handles, NULL);
}

/* ---- Without a loop ------------------------------------------------------ */

struct waiting_parent {
	struct test_receiver receiver;
	struct test_sender sender;
};

static void use_waiting_handles(void *arg)
{
	struct waiting_parent *parent = arg;
	const struct evchan_message *message;
	struct evchan_loop *loop = evchan_receiver_poll_loop(parent->receiver.receiver);
	struct pollfd *none = NULL;
	size_t count;
	int timeout_ms;

	CHECK_EQUAL(evchan_receive_wait(&message, parent->receiver.receiver, 0),
			-EOWNERDEAD);
	CHECK_EQUAL(evchan_drain_wait(parent->sender.sender, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_poll_loop_run_once(loop, 0), -EOWNERDEAD);
	CHECK_EQUAL(evchan_poll_loop_prepare(loop, none, 0, &count, &timeout_ms),
			-EOWNERDEAD);
	CHECK_EQUAL(evchan_poll_loop_dispatch(loop, none, 0), -EOWNERDEAD);
	test_sender_free(&parent->sender);
	test_receiver_free(&parent->receiver);
	/* Here all memory is the library's own, and the leak check is right. */
}

/* Handles that brought their own loops leave nothing behind in a child that frees
 * them. */
static void child_may_free_handles_without_a_loop(void **state)
{
	struct waiting_parent parent = { 0 };
	const struct evchan_message *message;

	(void)state;
	test_receiver_open(&parent.receiver, NULL, scene_address(), NULL);
	test_sender_open(&parent.sender, NULL, scene_address(), NULL);
	CHECK_EQUAL(evchan_send(parent.sender.sender, 0, "message", 7, 0), 0);
	CHECK_EQUAL(evchan_receive_wait(&message, parent.receiver.receiver, -1), 0);
	scene_join(scene_start(use_waiting_handles, &parent));
	CHECK(memcmp(message->data, "message", 7) == 0);
	evchan_receive_done(parent.receiver.receiver);
	CHECK_EQUAL(evchan_drain_wait(parent.sender.sender, 0), 0);
	test_sender_free(&parent.sender);
	test_receiver_free(&parent.receiver);
}

/* ---- Inside a callback --------------------------------------------------- */

static void fork_inside(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct parent *parent = receiver->arg;

	hold_first(receiver, heard, lane, message);
	if (heard == HEARD_MESSAGE && receiver->calls[HEARD_MESSAGE] == 2)
		scene_join(scene_start(free_everything, parent));
}

/* Forking in a callback, and freeing everything in the child there, is as good as
 * anywhere. */
static void fork_inside_a_callback(void **state)
{
	struct parent parent;

	(void)state;
	open_parent(&parent, NULL);
	parent.receiver.act = fork_inside;
	send_one(&parent);
	STAGE_UNTIL(&parent.stage, parent.receiver.calls[HEARD_MESSAGE] == 2);
	close_parent(&parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(child_is_refused_everything),
		SCENE_TEST(child_may_free),
		SCENE_TEST(child_may_reinitialise_its_base),
		SCENE_TEST(inherited_handles_do_nothing),
		SCENE_TEST(child_does_not_connect),
		SCENE_TEST(child_may_have_its_own),
		SCENE_TEST(child_may_free_handles_without_a_loop),
		SCENE_TEST(fork_inside_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
