/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_DRAMA_H
#define EVCHAN_TESTS_DRAMA_H

/*
 * A receiver and three senders on one base go through all that calls back: joining,
 * messages, full, drained, refused, leaving, shutdown. At the first call of a chosen kind
 * a deed is done, whatever it is; the drama goes on with whatever is left then. A second
 * pair on the same base must not notice anything.
 */

#include "stream.h"

#define DRAMA_LOOKS 12u /* turns in which a step of the drama has come to rest */
#define DRAMA_RING 4096u

struct drama {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender first;  /* there from the beginning to the shutdown */
	struct test_sender denied; /* refused */
	struct test_sender guest;  /* says goodbye in the middle */
	struct test_sender extra;  /* opened by deeds */
	/* who must not notice */
	struct test_receiver other_receiver;
	struct test_sender other_sender;
	struct stream stream;
	struct stream_sink sink;
	/* what is done, and when */
	int chosen; /* enum heard or enum told */
	const struct deed *deed;
	unsigned deeds_done;
};

struct deed {
	const char *name;
	void (*of_receiver)(struct drama *drama, struct evchan_lane *lane,
			const struct evchan_message *message);
	void (*of_sender)(struct drama *drama, struct test_sender *sender);
};

/* Plays it, and checks that the deed was done. */
void drama_play(const struct deed *deed, int chosen, const char *backend);

/* ---- For deeds ----------------------------------------------------------- */

/* Sends a small message, if the sender is there and has room. */
void drama_send(struct test_sender *sender);
/* Opens `extra`, unless it is there, and sends. */
void drama_open_extra(struct drama *drama);
void drama_free_senders(struct drama *drama);
/* Whoever calls is called by something of all this. */
void drama_free_everything(struct drama *drama);

#endif
