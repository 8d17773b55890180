/* SPDX-License-Identifier: MIT */

/*
 * evchan's own loop on poll(2) as a source of GLib's main loop: no table of operations, only
 * descriptors and a time-out, which any loop can wait for.
 *
 * GLib asks a source three things in each turn. prepare: what do you wait for, and how long? check: has it
 * come? dispatch: then go ahead. They are what evchan_poll_loop_prepare() and evchan_poll_loop_dispatch() are made for.
 *
 * The price is that poll(2)'s list is looked through in each turn, by GLib as well as here. For hundreds of
 * descriptors an adapter like uv_loop.c is better.
 */

#include "glib_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>

struct glib_source {
	GSource source;
	struct evchan_loop *loop;
	struct pollfd *fds; /* what the last prepare said */
	gpointer *tags;     /* GLib's names for these */
	size_t count;
	size_t capacity;
	gint64 due_us; /* -1: no time-out */
};

static struct glib_source *from_source(GSource *source)
{
	return (struct glib_source *)source;
}

/* ---- The descriptors -------------------------------------------------------------- */

static GIOCondition condition_of(short events)
{
	return (events & POLLIN ? G_IO_IN : 0) | (events & POLLOUT ? G_IO_OUT : 0) |
			G_IO_HUP | G_IO_ERR;
}

static short revents_of(GIOCondition condition)
{
	return (short)((condition & G_IO_IN ? POLLIN : 0) |
			(condition & G_IO_OUT ? POLLOUT : 0) |
			(condition & G_IO_HUP ? POLLHUP : 0) |
			(condition & G_IO_ERR ? POLLERR : 0));
}

/* Tells GLib only what is different, because each change wakes it up. */
static void update(struct glib_source *self, const struct pollfd *now, size_t count)
{
	size_t same = 0;

	while (same < count && same < self->count && now[same].fd == self->fds[same].fd &&
			now[same].events == self->fds[same].events)
		same++;
	for (size_t i = same; i < self->count; i++)
		if (self->tags[i])
			g_source_remove_unix_fd(&self->source, self->tags[i]);
	for (size_t i = same; i < count; i++) {
		self->fds[i] = now[i];
		self->tags[i] = now[i].fd < 0
				? NULL
				: g_source_add_unix_fd(&self->source, now[i].fd,
						  condition_of(now[i].events));
	}
	self->count = count;
}

static void make_room(struct glib_source *self, size_t capacity)
{
	self->fds = g_renew(struct pollfd, self->fds, capacity);
	self->tags = g_renew(gpointer, self->tags, capacity);
	self->capacity = capacity;
}

/* ---- The source ------------------------------------------------------------------- */

static gboolean prepare(GSource *source, gint *timeout_ms)
{
	struct glib_source *self = from_source(source);
	struct pollfd *now;
	size_t count, ready;

	evchan_poll_loop_prepare(self->loop, NULL, 0, &count, timeout_ms);
	now = g_new(struct pollfd, count + 1);
	evchan_poll_loop_prepare(self->loop, now, count, &ready, timeout_ms);
	if (count > self->capacity)
		make_room(self, count * 2);
	update(self, now, count);
	g_free(now);
	self->due_us = *timeout_ms < 0 ? -1
				       : g_source_get_time(source) +
					*timeout_ms * G_GINT64_CONSTANT(1000);
	return *timeout_ms == 0;
}

static gboolean check(GSource *source)
{
	struct glib_source *self = from_source(source);
	gboolean is_ready =
			self->due_us >= 0 && g_source_get_time(source) >= self->due_us;

	for (size_t i = 0; i < self->count; i++) {
		self->fds[i].revents = 0;
		if (self->tags[i])
			self->fds[i].revents = revents_of(
					g_source_query_unix_fd(source, self->tags[i]));
		is_ready |= self->fds[i].revents != 0;
	}
	return is_ready;
}

/* A callback may free the loop, but GLib keeps the source until this returns. If prepare() has said that it need not wait, GLib does
 * not call check(): hence the look at the descriptors here. */
static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer arg)
{
	struct glib_source *self = from_source(source);
	struct pollfd *fds;
	size_t count = self->count;

	(void)callback;
	(void)arg;
	(void)check(source);
	fds = g_new(struct pollfd, count + 1);
	if (count > 0)
		memcpy(fds, self->fds, count * sizeof(*fds));
	evchan_poll_loop_dispatch(self->loop, fds, count);
	g_free(fds);
	return G_SOURCE_CONTINUE;
}

static void finalize(GSource *source)
{
	g_free(from_source(source)->fds);
	g_free(from_source(source)->tags);
}

static GSourceFuncs functions = { prepare, check, dispatch, finalize, NULL, NULL };

/* ---- The loop --------------------------------------------------------------------- */

int glib_loop_new(GSource **source, struct evchan_loop **loop)
{
	int r = evchan_poll_loop_new(loop);

	if (r < 0)
		return r;
	*source = g_source_new(&functions, sizeof(struct glib_source));
	g_source_set_name(*source, "evchan");
	from_source(*source)->loop = *loop;
	from_source(*source)->due_us = -1;
	return 0;
}

void glib_loop_free(GSource *source)
{
	if (!source)
		return;
	g_source_destroy(source);
	evchan_poll_loop_free(from_source(source)->loop);
	g_source_unref(source);
}
