/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_IMPOSTOR_H
#define EVCHAN_TESTS_IMPOSTOR_H

/*
 * A receiver without the library, at scene_address(): it accepts one sender, and can say
 * and pass to it whatever it likes. It never blocks once the sender has connected.
 */

#include "hostile_peer.h"
#include "shared_memory.h"

struct impostor {
	int listener;
	struct hostile_peer peer; /* only its socket */
	struct shared_memory page_memory;
	struct ring_page *page;
	int bell;
	struct control_welcome welcome;
};

/* Listens, with a page and a bell as good as the library's. */
void impostor_open(struct impostor *impostor);
void impostor_close(struct impostor *impostor);

/* Takes the sender's connection and hello, and drops the ring that came with it. */
void impostor_accept(struct impostor *impostor);

/* impostor->welcome, with any descriptors, or with page and bell. */
void impostor_say_welcome(struct impostor *impostor, const int *fds, size_t count);
void impostor_welcome(struct impostor *impostor);

#endif
