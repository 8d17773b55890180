/* SPDX-License-Identifier: MIT */
/*
 * The path of every message: find room, write, publish.
 *
 * Everything is checked before the first store that the receiver can see, and publishing is the last thing that
 * happens: after it there is no error left to return.
 *
 * Bursts. The full check whether the receiver sleeps (cursor_publish()) contains a barrier that waits until all stores before
 * it have left this processor, which costs more than the rest of a small message. A sender that sends many
 * messages in one turn of its loop needs it once, at the end: after BURST_MESSAGES of a turn the others
 * are published lazily, and a timer of zero length makes the full check on the loop's next turn. The lazy look, too,
 * rings a receiver that sleeps; it can only miss one that falls asleep at that very moment, and then the next message or the
 * timer rings. A process that dies before that is seen by its hang-up, as always.
 */

#include <errno.h>
#include <string.h>

#include <evchan/loop.h>

#include "sender.h"

/* So many messages in one turn make a burst. Few enough to matter soon, many enough to be worth a timer. */
#define BURST_MESSAGES 16

/* How long to wait for the memory that a ring takes. */
#define RING_RETRY_MS 10

#define SEND_FLAGS (EVCHAN_SEND_IF_EMPTY | EVCHAN_SEND_NO_WAKE)

/* The kernel had no memory for a ring. The next message makes it, or the timer, whichever comes first. */
static void sender_ring_again(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;

	ring_writer_not_rung(&sender->ring);
	(void)loop->ops->timer_set(loop, sender->retry_timer, RING_RETRY_MS);
}

void sender_ring(struct evchan_sender *sender)
{
	int r;

	if (sender->bell == BELL_SOCKET)
		r = control_socket_ring(&sender->control);
	else
		r = bell_ring(sender->bell, sender->bell_fd);
	/* Any other bell that does not work means that the receiver is gone: its hang-up tells that. */
	if (r == -ENOMEM)
		sender_ring_again(sender);
	else
		sender->bells_rung++;
}

void sender_make_check(struct evchan_sender *sender)
{
	if (sender->attempt_is_owed && sender->state == SENDER_WAITING)
		sender_schedule_attempt(sender, 0);
	/* Also while corked: what was published before the cork is waited for. */
	if (ring_writer_owes_check(&sender->ring) && ring_writer_check(&sender->ring))
		sender_ring(sender);
}

/* What a sender that does not get around to its loop would otherwise miss. */
static void sender_catch_up(struct evchan_sender *sender)
{
	/* The receiver's answer may be there; without it there is no bell to ring (design, section 10.17). */
	if (sender->state == SENDER_GREETING) {
		sender_read_control(sender);
		if (sender->due)
			sender_notify_later(sender);
	}
	sender_make_check(sender);
}

void sender_publish(struct evchan_sender *sender)
{
	if (ring_writer_publish(&sender->ring))
		sender_ring(sender);
	if (sender->state != SENDER_CONNECTED)
		sender_catch_up(sender);
}

/* Another message was published in full: is this a burst? */
static void sender_count_burst(struct evchan_sender *sender)
{
	const struct evchan_loop_ops *ops = sender->loop->ops;
	uint64_t turn;

	sender->burst = 0;
	/* Without a loop of the application's nothing makes the later check, and without a receiver there is
	 * its answer to look for. */
	if (sender->owns_loop || !ops->turn || sender->state != SENDER_CONNECTED)
		return;
	turn = ops->turn(sender->loop);
	if (turn == sender->burst_turn) {
		sender_notify_later(sender);
		sender->is_lazy = sender->notify_timer_set;
	}
	sender->burst_turn = turn;
}

static inline void sender_publish_message(struct evchan_sender *sender)
{
	if (sender->is_lazy && sender->state == SENDER_CONNECTED) {
		if (ring_writer_publish_lazily(&sender->ring))
			sender_ring(sender);
		return;
	}
	sender_publish(sender);
	if (++sender->burst >= BURST_MESSAGES)
		sender_count_burst(sender);
}

/* After a commit: publish, unless it is corked. */
static inline void sender_committed(struct evchan_sender *sender, size_t size, unsigned flags)
{
	sender->messages++;
	sender->bytes += size;
	/* After a refusal nothing stays corked: the answer may come when the receiver has released all it knows of, and what is
	 * corked would keep `writable` from coming. */
	if (sender->cork && !sender->wants_room && !sender->wants_empty)
		return;
	if (!(flags & EVCHAN_SEND_NO_WAKE)) {
		sender_publish_message(sender);
		return;
	}
	ring_writer_publish_quietly(&sender->ring);
	sender_notify_later(sender);
	/* Nothing would make the check later. */
	if (!sender->notify_timer_set)
		sender_make_check(sender);
}

/* There is no room (or the ring is not empty). Notes the want; the answer is -EAGAIN, or -EPIPE if looking for room
 * ended the sender. */
static int sender_refuse(struct evchan_sender *sender, uint64_t size, bool wants_empty)
{
	/* What is written must be the receiver's to read, or it could never make room; and if it
	 * sleeps on something it was not rung for, it is rung now. */
	sender_publish(sender);
	sender->times_full++;
	ring_writer_tell_times_full(&sender->ring, sender->times_full);
	if (wants_empty) {
		sender->wants_empty = true;
	} else {
		sender->wants_room = true;
		if (ring_record_bytes(size) > sender->room_needed)
			sender->room_needed = ring_record_bytes(size);
	}
	sender_look_for_room(sender);
	if (sender->due)
		sender_notify_later(sender);
	return sender->send_error ? sender->send_error : -EAGAIN;
}

/* What forbids any message now. */
static inline int sender_check(struct evchan_sender *sender)
{
	if (handle_is_foreign(&sender->handle))
		return -EOWNERDEAD;
	handle_check_thread(&sender->handle);
	if (sender->send_error)
		return sender->send_error;
	return sender->ring.is_reserved ? -EBUSY : 0;
}

/* Whether the receiver has released everything. */
static bool sender_is_empty(struct evchan_sender *sender)
{
	return ring_writer_observe(&sender->ring) == 0 && ring_writer_fill(&sender->ring) == 0;
}

/* Finds room. A receiver whose head is impossible has lost the ring: there is no room for now. */
static inline int sender_reserve(struct evchan_sender *sender, uint64_t at_least,
		uint64_t at_most, void **space, uint64_t *size)
{
	if (ring_writer_reserve(&sender->ring, at_least, at_most, space, size) == 0)
		return 0;
	return sender_refuse(sender, at_least, false);
}

/* Checks and reserves for one message of a known size. */
static inline int sender_begin(struct evchan_sender *sender, uint32_t type, size_t size,
		unsigned flags, void **space)
{
	uint64_t reserved;
	int r;

	r = sender_check(sender);
	if (r < 0)
		return r;
	if (type >= EVCHAN_TYPE_RESERVED || (flags & ~SEND_FLAGS))
		return -EINVAL;
	if (size > ring_writer_message_max(&sender->ring))
		return -EMSGSIZE;
	if ((flags & EVCHAN_SEND_IF_EMPTY) && !sender_is_empty(sender))
		return sender_refuse(sender, size, true);
	return sender_reserve(sender, size, size, space, &reserved);
}

/* Whether a message can be written without a look at anything that another process writes, and nothing forbids it:
 * sender_begin() would say the same, in twice the instructions. */
static inline bool sender_may_write(const struct evchan_sender *sender, uint32_t type, size_t size,
		unsigned flags)
{
	return !handle_is_foreign(&sender->handle) && !sender->send_error &&
	       !sender->ring.is_reserved && type < EVCHAN_TYPE_RESERVED && !flags &&
	       ring_writer_has_room(&sender->ring, size);
}

/* Whether the next message is one of a burst: published lazily, and nothing else to be done. */
static inline bool sender_is_in_burst(const struct evchan_sender *sender)
{
	return sender->is_lazy && !sender->cork && sender->state == SENDER_CONNECTED;
}

static inline void sender_committed_in_burst(struct evchan_sender *sender, size_t size)
{
	sender->messages++;
	sender->bytes += size;
	if (ring_writer_publish_lazily(&sender->ring))
		sender_ring(sender);
}

/* A message for which there is more to check, or to do first. A function of its own: what it saves on the stack is not
 * saved for those that need none of it. */
static __attribute__((noinline)) int sender_send_checked(struct evchan_sender *sender, uint32_t type,
		const void *data, size_t size, unsigned flags)
{
	void *space = NULL;
	int r;

	r = sender_begin(sender, type, size, flags, &space);
	if (r < 0)
		return r;
	if (size)
		memcpy(space, data, size);
	ring_writer_commit(&sender->ring, type, size);
	sender_committed(sender, size, flags);
	return 0;
}

/* A message that is not small, or not in a burst. Of its own for the same reason. */
static __attribute__((noinline)) int sender_send_any(struct evchan_sender *sender, uint32_t type,
		const void *data, size_t size, unsigned flags)
{
	if (!sender_may_write(sender, type, size, flags))
		return sender_send_checked(sender, type, data, size, flags);
	handle_check_thread(&sender->handle);
	if (size)
		memcpy(ring_writer_space(&sender->ring), data, size);
	ring_writer_commit(&sender->ring, type, size);
	if (sender_is_in_burst(sender))
		sender_committed_in_burst(sender, size);
	else
		sender_committed(sender, size, 0);
	return 0;
}

int evchan_send(struct evchan_sender *sender, uint32_t type, const void *data, size_t size,
		unsigned flags)
{
	/* Nearly every message of a stream of small ones: no call but for a ring, so nothing is saved. */
	if (!sender_is_in_burst(sender) || !small_copy_fits(size) ||
			!sender_may_write(sender, type, size, flags))
		return sender_send_any(sender, type, data, size, flags);
	handle_check_thread(&sender->handle);
	ring_writer_put_small(&sender->ring, type, data, size);
	sender_committed_in_burst(sender, size);
	return 0;
}

/* The sum of the pieces. Errors: -EINVAL; -EMSGSIZE it overflows. */
static int pieces_size(const struct iovec *pieces, int count, size_t *size)
{
	*size = 0;
	if (count < 0)
		return -EINVAL;
	for (int i = 0; i < count; i++)
		if (__builtin_add_overflow(*size, pieces[i].iov_len, size))
			return -EMSGSIZE;
	return 0;
}

int evchan_sendv(struct evchan_sender *sender, uint32_t type, const struct iovec *pieces, int count,
		unsigned flags)
{
	unsigned char *at;
	void *space = NULL;
	size_t size;
	int r;

	if (handle_is_foreign(&sender->handle))
		return -EOWNERDEAD;
	r = pieces_size(pieces, count, &size);
	if (r < 0)
		return r;
	r = sender_begin(sender, type, size, flags, &space);
	if (r < 0)
		return r;
	at = space;
	for (int i = 0; i < count; i++) {
		if (pieces[i].iov_len)
			memcpy(at, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	ring_writer_commit(&sender->ring, type, size);
	sender_committed(sender, size, flags);
	return 0;
}

int evchan_reserve(struct evchan_span *span, struct evchan_sender *sender, size_t at_least,
		size_t at_most)
{
	uint64_t most = ring_writer_message_max(&sender->ring);
	uint64_t size = 0;
	void *space = NULL;
	int r;

	r = sender_check(sender);
	if (r < 0)
		return r;
	if (at_least > at_most)
		return -EINVAL;
	if (at_least > most)
		return -EMSGSIZE;
	if (at_most < most)
		most = at_most;
	r = sender_reserve(sender, at_least, most, &space, &size);
	if (r < 0)
		return r;
	span->data = space;
	span->size = (size_t)size;
	return 0;
}

int evchan_commit(struct evchan_sender *sender, uint32_t type, size_t used, unsigned flags)
{
	if (handle_is_foreign(&sender->handle))
		return -EOWNERDEAD;
	handle_check_thread(&sender->handle);
	if (!sender->ring.is_reserved || used > sender->ring.reserved ||
			type >= EVCHAN_TYPE_RESERVED || (flags & ~EVCHAN_SEND_NO_WAKE))
		return -EINVAL;
	ring_writer_commit(&sender->ring, type, used);
	sender_committed(sender, used, flags);
	return 0;
}

void evchan_abort(struct evchan_sender *sender)
{
	if (!handle_is_foreign(&sender->handle))
		ring_writer_abort(&sender->ring);
}

void evchan_cork(struct evchan_sender *sender)
{
	if (!handle_is_foreign(&sender->handle))
		sender->cork++;
}

void evchan_uncork(struct evchan_sender *sender)
{
	if (handle_is_foreign(&sender->handle) || sender->cork == 0 || --sender->cork)
		return;
	sender_publish(sender);
	/* What was asked for while corked could not be armed beyond what was published. */
	if (sender->wants_room || sender->wants_empty || sender->wants_drained)
		sender_look_for_room(sender);
	if (sender->due)
		sender_notify_later(sender);
}

void evchan_sender_wake(struct evchan_sender *sender)
{
	if (handle_is_foreign(&sender->handle))
		return;
	sender_catch_up(sender);
}
