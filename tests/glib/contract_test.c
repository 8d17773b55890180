/* SPDX-License-Identifier: MIT */

/*
 * evchan's poll loop inside GLib's main loop, as examples/other-loops puts it there, keeps the contract of <evchan/loop.h>.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <glib.h>

#include "glib_loop.h"
#include "loop_contract.h"

static GMainContext *context;
static GSource *evchan_source; /* of the loop; there is one at a time */

static int make(struct evchan_loop **loop, void **host)
{
	int r;

	context = g_main_context_new();
	r = glib_loop_new(&evchan_source, loop);
	if (r == 0)
		g_source_attach(evchan_source, context);
	*host = context;
	return r;
}

static void free_loop(struct evchan_loop *loop)
{
	(void)loop;
	glib_loop_free(evchan_source);
	evchan_source = NULL;
}

static void free_host(void *host)
{
	g_main_context_unref(host);
}

static gboolean on_limit(gpointer arg)
{
	(void)arg;
	return G_SOURCE_REMOVE;
}

static int run_turn(void *host, int timeout_ms)
{
	GSource *limit;

	if (timeout_ms == 0) {
		g_main_context_iteration(host, FALSE);
		return 0;
	}
	limit = g_timeout_source_new((guint)timeout_ms);
	g_source_set_callback(limit, on_limit, NULL, NULL);
	g_source_attach(limit, host);
	g_main_context_iteration(host, TRUE);
	g_source_destroy(limit);
	g_source_unref(limit);
	return 0;
}

int main(void)
{
	static const struct loop_contract_adapter adapter = { "poll loop in GLib", make,
		free_loop, free_host, run_turn };

	return loop_contract_run(&adapter) > 0;
}
