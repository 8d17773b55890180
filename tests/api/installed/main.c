/* SPDX-License-Identifier: MIT */

/*
 * A program of a user: sees nothing but what is installed. It uses both libraries and libevent, so
 * that a flag or a library missing from a package file stops it.
 */

#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

int main(void)
{
	struct event_base *base = event_base_new();
	struct evchan_loop *loop = NULL;
	int r;

	if (!base)
		return 1;
	r = evchan_libevent_loop_new(&loop, base);
	if (r < 0) {
		fprintf(stderr, "evchan_libevent_loop_new: %s\n", evchan_strerror(r));
		return 1;
	}
	evchan_libevent_loop_free(loop);
	event_base_free(base);

	if (strcmp(evchan_version(), EVCHAN_VERSION) != 0) {
		fprintf(stderr, "headers of %s, library of %s\n", EVCHAN_VERSION,
				evchan_version());
		return 1;
	}
	return 0;
}
