/* SPDX-License-Identifier: MIT */
/*
 * The listener's side: connections become guests, guests that take too long are shown out.
 *
 * Four things stop the listener for a while: this process has no descriptors or memory left, or too many descriptors of
 * strangers wait to be let go of (a timer tries again); or too many guests have not said hello yet (the next one to go makes
 * room); or newcomers have had their share of a busy receiver's time (a short timer). What waits meanwhile waits in the kernel's queue, with its messages in its ring: nothing is lost by it.
 */

#include <errno.h>
#include <string.h>

#include <evchan/loop.h>

#include "clock.h"
#include "disposal.h"
#include "guest.h"
#include "log.h"
#include "receiver.h"

/* Accepted per turn: a flood of connections must not keep lanes waiting. */
#define ACCEPT_PER_TURN 32
/* Accepting counts as one lane among so many at the most: with more, a newcomer would wait too long. */
#define ACCEPT_LANES_MAX 16
/* How much of the lanes' time newcomers may have taken in advance. */
#define ACCEPT_OWED_NS UINT64_C(2000000)
/* For how long a busy receiver does not look at the listener once they have. */
#define ACCEPT_PAUSE_MS 1
/* How long to wait for descriptors or memory. */
#define ACCEPT_RETRY_MS 50
/* Descriptors of all users that may wait for disposal: each is taken from the process's limit, and a user can make any
 * number of connections that leave some. */
#define ACCEPT_PENDING_MAX 128

static void receiver_listener_ready(void *arg, unsigned events);

int receiver_start_accepting(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	/* A shutdown accepts by itself. */
	if (receiver->listener.fd < 0 || receiver->listen_watch || receiver->is_shutting_down)
		return 0;
	return loop->ops->watch_add(loop, &receiver->listen_watch, receiver->listener.fd,
			EVCHAN_LOOP_READ, receiver_listener_ready, receiver);
}

void receiver_stop_accepting(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	if (receiver->listen_watch)
		loop->ops->watch_remove(loop, receiver->listen_watch);
	receiver->listen_watch = NULL;
}

static int receiver_set_accept_timer(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;
	int r = loop->ops->timer_set(loop, receiver->accept_timer, ACCEPT_RETRY_MS);

	if (r < 0)
		log_line(EVCHAN_LOG_WARNING, "%s: no memory for a timer: %s",
				receiver->listener.address.text, evchan_strerror(r));
	return r;
}

void receiver_suspend_accepting(struct evchan_receiver *receiver)
{
	receiver->is_suspended = true;
	if (receiver_set_accept_timer(receiver) == 0)
		receiver_stop_accepting(receiver);
	/* Otherwise nothing would end the wait: the listener's next event does, however soon it comes, or the next turn. */
	else if (receiver->is_shutting_down)
		receiver_want_turn(receiver);
}

void receiver_retry_later(struct evchan_receiver *receiver)
{
	/* If there is no timer to be had, the guest's own time-out looks again. */
	(void)receiver_set_accept_timer(receiver);
}

void receiver_guest_is_gone(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	if (receiver->handle.is_freed)
		return;
	if (list_is_empty(&receiver->guests) && receiver->hello_timer) {
		loop->ops->timer_clear(loop, receiver->hello_timer);
		receiver->hello_timer_set = false;
	}
	if (receiver->is_shutting_down)
		receiver_want_turn(receiver);
	if (receiver->listen_watch || receiver->accept_is_paused)
		return;
	/* Suspended for descriptors: the timer goes on; there is one more free now in any case. */
	if (receiver_start_accepting(receiver) < 0)
		receiver_suspend_accepting(receiver);
}

/* Whether strangers' descriptors must go before more may come. A shutdown cannot wait for those: its end closes what
 * is left in the queue in the same way. */
static bool receiver_is_choked(const struct evchan_receiver *receiver)
{
	return !receiver->is_shutting_down && disposal_pending_descriptors() > ACCEPT_PENDING_MAX;
}

/* Accepts one. Errors: -EAGAIN none there, or no room for guests; others: suspended. Callback: as guest_new(). */
static int receiver_accept_one(struct evchan_receiver *receiver)
{
	int fd, r;

	if (receiver->listener.fd < 0)
		return -EAGAIN;
	if (receiver->admission.guests >= ADMISSION_GUESTS_MAX) {
		receiver_stop_accepting(receiver);
		return -EAGAIN;
	}
	if (receiver_is_choked(receiver)) {
		receiver_suspend_accepting(receiver);
		return -EBUSY;
	}
	r = listener_accept(&receiver->listener, &fd);
	if (r == -ECONNABORTED)
		return 0;
	if (r == -EAGAIN)
		return r;
	if (r == 0)
		r = guest_new(receiver, fd, false);
	if (r < 0 && !receiver->handle.is_freed) {
		receiver_suspend_accepting(receiver);
		receiver_report(receiver, NULL, r, "cannot accept senders for now: %s%s",
				evchan_strerror(r),
				r == -EMFILE ? " (raise RLIMIT_NOFILE of this process)" : "");
	}
	return r;
}

int receiver_accept_some(struct evchan_receiver *receiver, unsigned most)
{
	int r = 0;

	while (most-- && r == 0 && !receiver->handle.is_freed)
		r = receiver_accept_one(receiver);
	return r;
}

/*
 * Newcomers have had their share. What that does not count is what each of them interrupts: the loop's look at the listener in
 * every turn, and senders that have to make way for the process that goes on connecting. So the listener is left alone
 * for a while, and then as many come in a row as have their share by then.
 */
static void receiver_pause_accepting(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	/* Without a timer it is looked at again in the next turn. */
	if (loop->ops->timer_set(loop, receiver->accept_pause_timer, ACCEPT_PAUSE_MS) < 0)
		return;
	receiver->accept_is_paused = true;
	receiver_stop_accepting(receiver);
}

static void receiver_accept_pause_is_over(void *arg)
{
	struct evchan_receiver *receiver = arg;

	if (handle_is_foreign(&receiver->handle))
		return;
	receiver->accept_is_paused = false;
	if (receiver->is_suspended)
		return;
	receiver_enter(receiver);
	if (receiver_start_accepting(receiver) < 0)
		receiver_suspend_accepting(receiver);
	receiver_leave(receiver);
}

/*
 * While lanes have work, accepting gets the share of time that one of them would: each connection is followed by as long a
 * time without one as it took, once for each lane. (A number per turn would not do: a connection that is refused costs
 * more than many messages, and a turn may have few.) A few newcomers in a row are not a flood: the time may be owed. It is
 * the thread's own time that counts, so that nobody waits because another process had the CPU meanwhile.
 */
static void receiver_accept_its_share(struct evchan_receiver *receiver)
{
	uint64_t lanes = receiver->stats.lanes, now = clock_nanoseconds(), start;

	if (receiver->accept_due > now) {
		receiver_pause_accepting(receiver);
		return;
	}
	if (lanes > ACCEPT_LANES_MAX)
		lanes = ACCEPT_LANES_MAX;
	start = clock_thread_nanoseconds();
	(void)receiver_accept_some(receiver, 1);
	if (receiver->accept_due + ACCEPT_OWED_NS < now)
		receiver->accept_due = now - ACCEPT_OWED_NS;
	receiver->accept_due += (clock_thread_nanoseconds() - start) * (lanes + 1);
}

/* The watch is level-triggered: whoever was not accepted makes it ready again on the next turn. */
static void receiver_listener_ready(void *arg, unsigned events)
{
	struct evchan_receiver *receiver = arg;
	bool is_busy = receiver->stats.messages != receiver->accept_messages;

	(void)events;
	receiver->accept_messages = receiver->stats.messages;
	receiver_enter(receiver);
	if (is_busy)
		receiver_accept_its_share(receiver);
	else
		(void)receiver_accept_some(receiver, ACCEPT_PER_TURN);
	receiver_leave(receiver);
}

/* One that was not looked at in this round. */
static struct guest *receiver_waiting_guest(struct evchan_receiver *receiver)
{
	struct list *link;

	for (link = receiver->guests.next; link != &receiver->guests; link = link->next) {
		struct guest *guest = CONTAINER_OF(link, struct guest, link);

		if (guest->is_waiting && guest->round != receiver->accept_round)
			return guest;
	}
	return NULL;
}

/* There may be descriptors or memory again: the waiting guests first, they were here before. */
static void receiver_accept_again(void *arg)
{
	struct evchan_receiver *receiver = arg;
	struct guest *guest;

	if (handle_is_foreign(&receiver->handle))
		return;
	receiver_enter(receiver);
	receiver->is_suspended = false;
	receiver->accept_round++;
	if (receiver_start_accepting(receiver) < 0)
		receiver_suspend_accepting(receiver);
	/* Each look ends a guest's wait, or sets the timer again. The list is searched anew each time: looking calls
	 * back. Without descriptors for one there are none for the others. */
	while (!receiver->handle.is_freed && !receiver->is_suspended &&
			(guest = receiver_waiting_guest(receiver))) {
		guest->round = receiver->accept_round;
		guest_look(guest);
	}
	if (!receiver->handle.is_freed && receiver->is_shutting_down)
		receiver_want_turn(receiver);
	receiver_leave(receiver);
}

/* Should it fail, the next guest tries again. */
static void receiver_set_hello_timer(struct evchan_receiver *receiver, uint64_t milliseconds)
{
	struct evchan_loop *loop = receiver->loop;

	receiver->hello_timer_set = loop->ops->timer_set(loop, receiver->hello_timer,
						    (uint32_t)milliseconds) == 0;
	if (!receiver->hello_timer_set)
		log_line(EVCHAN_LOG_WARNING, "%s: no memory for a timer: a silent connection stays",
				receiver->listener.address.text);
}

/* The oldest guest's time is over. The list is in the order of the deadlines: all wait equally long. */
static void receiver_hello_timed_out(void *arg)
{
	struct evchan_receiver *receiver = arg;
	uint64_t now = clock_milliseconds();
	struct guest *guest;

	if (handle_is_foreign(&receiver->handle))
		return;
	receiver_enter(receiver);
	receiver->hello_timer_set = false;
	while (!receiver->handle.is_freed && !list_is_empty(&receiver->guests)) {
		guest = LIST_FIRST(&receiver->guests, struct guest, link);
		if (guest->deadline > now) {
			receiver_set_hello_timer(receiver, guest->deadline - now);
			break;
		}
		guest_expire(guest);
	}
	receiver_leave(receiver);
}

void receiver_expect_hello(struct evchan_receiver *receiver, struct guest *guest)
{
	guest->deadline = clock_milliseconds() + receiver->options.hello_timeout_ms;
	list_append(&receiver->guests, &guest->link);
	/* If it is set, then for the oldest guest, or for one that was older. */
	if (!receiver->hello_timer_set)
		receiver_set_hello_timer(receiver, receiver->options.hello_timeout_ms);
}

int receiver_accept_init(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;
	int r;

	r = loop->ops->timer_add(loop, &receiver->accept_timer, receiver_accept_again, receiver);
	if (r == 0)
		r = loop->ops->timer_add(loop, &receiver->accept_pause_timer,
				receiver_accept_pause_is_over, receiver);
	if (r < 0)
		return r;
	return loop->ops->timer_add(loop, &receiver->hello_timer, receiver_hello_timed_out,
			receiver);
}
