/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_HOSTILE_PEER_H
#define EVCHAN_TESTS_HOSTILE_PEER_H

/*
 * A sender without the library: bare sockets, descriptors and bytes, so that each of them
 * can be wrong. It lives on the stage of the receiver it talks to, and never blocks.
 */

#include <stddef.h>
#include <stdint.h>

#include "control_message.h"
#include "ring_format.h"
#include "stage.h"

struct hostile_peer {
	int socket;
	struct control_hello hello; /* what hostile_say_hello() will say */
	/* its ring */
	int memory;
	struct ring_header *header;
	unsigned char *data;
	size_t mapped;
	/* what a welcome has brought; -1: nothing */
	int page;
	int bell;
};

/* How a ring's memory may be wrong. */
struct hostile_memory {
	unsigned missing_seals; /* of those that are required */
	long added_bytes;       /* to the size that is right */
	int is_unallocated;
};

/* A ring as good as the library's, but for `wrong` (may be NULL), and a hello that
 * goes with it. */
void hostile_make_ring(struct hostile_peer *peer, size_t capacity,
		const struct hostile_memory *wrong);

/* Writes the header of a record at `position`, and nothing else. */
void hostile_put_record(struct hostile_peer *peer, uint64_t position, uint32_t size,
		uint32_t type);
void hostile_publish(struct hostile_peer *peer, uint64_t tail);

void hostile_connect(struct hostile_peer *peer, const char *address);
/* A bare listening socket. */
int hostile_listen(const char *address);
/* Says any bytes, with any descriptors. */
void hostile_say(struct hostile_peer *peer, const void *bytes, size_t size,
		const int *fds, size_t fd_count);
/* peer->hello, with the ring. */
void hostile_say_hello(struct hostile_peer *peer);

/*
 * Waits, on the receiver's stage, for the next frame that is no ring. Returns its type,
 * and writes what was refused if it is REFUSED or EVICTED; 0: the receiver hung up.
 */
enum control_type hostile_hear(struct hostile_peer *peer, struct stage *stage,
		struct control_refused *refused);

/* Connects, says hello, hears a welcome. */
void hostile_join(struct hostile_peer *peer, struct stage *stage, const char *address);

/* Rings through the control socket. */
void hostile_ring(struct hostile_peer *peer);

/* Ends all of it; what was never opened is passed over. */
void hostile_close(struct hostile_peer *peer);

#define HOSTILE_PEER_NONE \
	{ \
		.socket = -1, .memory = -1, .page = -1, .bell = -1 \
	}

#endif
