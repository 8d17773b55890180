/* SPDX-License-Identifier: MIT */
#ifndef OTHER_LOOPS_GLIB_LOOP_H
#define OTHER_LOOPS_GLIB_LOOP_H

/* evchan inside GLib's main loop, through descriptors. */

#include <glib.h>

#include <evchan/loop.h>

/* A source to be attached to a context, and its loop for evchan's handles. Returns 0 or a negative errno. */
int glib_loop_new(GSource **source, struct evchan_loop **loop);

/* Frees both; NULL is allowed; also in a callback. All handles on the loop must be freed first. */
void glib_loop_free(GSource *source);

#endif
