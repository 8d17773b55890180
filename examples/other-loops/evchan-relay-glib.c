/* SPDX-License-Identifier: MIT */

/*
 * evchan-relay-glib: the relay on GLib's main loop, through descriptors (glib_loop.c).
 *
 *	evchan-relay-glib FROM TO
 */

#include <signal.h>
#include <stdlib.h>

#include <glib-unix.h>
#include <glib.h>

#include <evchan/evchan.h>

#include "glib_loop.h"
#include "program.h"
#include "relay.h"

struct program {
	GMainLoop *main_loop;
	struct relay *relay;
	int exit_status;
};

static gboolean on_signal(gpointer arg)
{
	struct program *program = arg;

	relay_end(program->relay);
	return G_SOURCE_CONTINUE;
}

static void on_ended(int status, void *arg)
{
	struct program *program = arg;

	program->exit_status = status;
	g_main_loop_quit(program->main_loop);
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-relay-glib";
	struct program program = { 0 };
	struct relay_options options = { .ended = on_ended, .arg = &program };
	struct evchan_loop *loop;
	GSource *source;

	relay_read_arguments(&options, name, "GLib", argc, argv);
	program.main_loop = g_main_loop_new(NULL, FALSE);
	if (glib_loop_new(&source, &loop) < 0)
		usage_error("no loop");
	g_source_attach(source, NULL);
	g_unix_signal_add(SIGINT, on_signal, &program);
	g_unix_signal_add(SIGTERM, on_signal, &program);
	program.relay = relay_open(loop, &options);
	g_main_loop_run(program.main_loop);
	relay_close(program.relay);
	glib_loop_free(source);
	g_main_loop_unref(program.main_loop);
	return program.exit_status;
}
