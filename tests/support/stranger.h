/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_STRANGER_H
#define EVCHAN_TESTS_STRANGER_H

/*
 * Hostile peers in company (company.h): attempts to get in that must fail, and one that
 * succeeds.
 */

#include "company.h"
#include "hostile_peer.h"

#define STRANGER_CAPACITY 65536u

/* A way in that is refused. */
struct stranger_attempt {
	const char *name;
	enum control_refusal refusal;
	struct hostile_memory memory;
	/* Makes peer->hello or peer->header bad; NULL: nothing. */
	void (*spoil)(struct hostile_peer *peer);
	/* Says what is to be refused; NULL: hello and ring. */
	void (*say)(struct hostile_peer *peer);
};

/* Each attempt is refused for its reason, both sides are told, and the neighbour
 * notices nothing. */
void strangers_try_all(const struct stranger_attempt *attempts, size_t count);
#define TRY_ALL(attempts) \
	strangers_try_all(attempts, sizeof(attempts) / sizeof((attempts)[0]))

/* What this peer has said is refused for this reason, and both sides are told. */
void stranger_check_refused(struct company *company, struct hostile_peer *peer,
		enum control_refusal refusal);

/* The hello of the peer, with these descriptors instead of its ring. */
void stranger_say_hello_with(struct hostile_peer *peer, const int *fds, size_t count);

/* A peer with a small ring is admitted, and has sent one good message, of 16 bytes. */
#define STRANGER_SMALL_CAPACITY 4096u
#define STRANGER_FIRST_TAIL 24u
void stranger_join(struct hostile_peer *peer, struct company *company);

/* Publishes this tail, and rings. */
void stranger_publish(struct hostile_peer *peer, uint64_t tail);

#endif
