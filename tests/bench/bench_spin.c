/* SPDX-License-Identifier: MIT */
/*
 * What handing over a message to another CPU can be at best: one process copies it into
 * a ring of shared memory, the other waits for it in a loop that never sleeps. No system
 * call, no wake-up, no record before a message, nothing that is checked. Both CPUs are
 * busy all the time, whether there is anything to do or not, which is why no transport is like
 * that.
 *
 * Each side's position has lines of its own, and each looks at the other's only when it
 * has nothing to do by what it saw last.
 */

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "process.h"
#include "transport.h"

#define RING_BYTES ((size_t)1 << 30) /* of addresses; memory only where it is used */
#define LOOKS_BEFORE_YIELD 20000

struct place {
	_Alignas(128) _Atomic uint64_t written; /* messages */
	uint64_t slots;
	_Alignas(128) _Atomic uint64_t taken;
	_Atomic bool is_over;
	_Alignas(4096) unsigned char ring[];
};

static struct place *place;

static void prepare(unsigned senders)
{
	if (place)
		munmap(place, sizeof(*place) + RING_BYTES);
	place = NULL;
	if (senders == 0)
		return;
	place = mmap(NULL, sizeof(*place) + RING_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (place == MAP_FAILED)
		process_die("spin: %s", strerror(errno));
}

/* Waits until the other's position is beyond `mine`, or the round is over. With fewer CPUs
 * than processes the other one must get its turn. */
static uint64_t await(const _Atomic uint64_t *position, uint64_t mine)
{
	uint64_t at;

	for (unsigned looks = 1;; looks++) {
		at = atomic_load_explicit(position, memory_order_acquire);
		if (at > mine ||
				atomic_load_explicit(
						&place->is_over, memory_order_relaxed))
			return at;
		if (looks % LOOKS_BEFORE_YIELD == 0)
			sched_yield();
	}
}

static void send_stream(struct sender_task *task)
{
	struct payload *payload = &task->payload;
	uint64_t slots = task->capacity / payload->size, taken = 0;

	if (slots * payload->size > RING_BYTES)
		process_die("spin: too large a ring");
	place->slots = slots;
	for (uint64_t n = 0;; n++) {
		if (n - taken == slots)
			taken = await(&place->taken, n - slots);
		if (atomic_load_explicit(&place->is_over, memory_order_relaxed))
			return;
		memcpy(place->ring + n % slots * payload->size, payload_next(payload),
				payload->size);
		payload_advance(payload);
		atomic_store_explicit(&place->written, n + 1, memory_order_release);
	}
}

static void receive_stream(struct receiver_task *task)
{
	size_t size = task->tally.size;
	uint64_t written = 0;
	bool is_over = false;

	transport_ready(task->tally.board);
	for (uint64_t n = 0; !is_over; n++) {
		if (n == written)
			written = await(&place->written, n);
		is_over = tally_message(&task->tally,
				place->ring + n % place->slots * size, size);
		atomic_store_explicit(&place->taken, n + 1, memory_order_release);
	}
	atomic_store(&place->is_over, true);
}

const struct transport transport_spin = {
	.name = "spin",
	.is_extra = true,
	.is_limit = true,
	.size_min = 16384,
	.prepare = prepare,
	.send = send_stream,
	.receive = receive_stream,
};
