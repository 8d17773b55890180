/* SPDX-License-Identifier: MIT */

/*
 * evchan-relay-uv: the relay on libuv, through a table of operations (uv_loop.c).
 *
 *	evchan-relay-uv FROM TO
 */

#include <stdlib.h>

#include <uv.h>

#include <evchan/evchan.h>

#include "program.h"
#include "relay.h"
#include "uv_loop.h"

struct program {
	uv_loop_t uv;
	uv_signal_t interrupt;
	uv_signal_t terminate;
	struct relay *relay;
	int exit_status;
};

static void on_signal(uv_signal_t *handle, int number)
{
	struct program *program = handle->data;

	(void)number;
	relay_end(program->relay);
}

static void on_ended(int status, void *arg)
{
	struct program *program = arg;

	program->exit_status = status;
	uv_stop(&program->uv);
}

static void watch_signal(struct program *program, uv_signal_t *handle, int number)
{
	uv_signal_init(&program->uv, handle);
	handle->data = program;
	uv_signal_start(handle, on_signal, number);
}

int main(int argc, char **argv)
{
	static char name[] = "evchan-relay-uv";
	struct program program = { 0 };
	struct relay_options options = { .ended = on_ended, .arg = &program };
	struct evchan_loop *loop;

	relay_read_arguments(&options, name, "libuv", argc, argv);
	if (uv_loop_init(&program.uv) < 0 || uv_loop_adapter_new(&loop, &program.uv) < 0)
		usage_error("no loop");
	watch_signal(&program, &program.interrupt, SIGINT);
	watch_signal(&program, &program.terminate, SIGTERM);
	program.relay = relay_open(loop, &options);
	uv_run(&program.uv, UV_RUN_DEFAULT);
	relay_close(program.relay);
	uv_loop_adapter_free(loop);
	uv_close((uv_handle_t *)&program.interrupt, NULL);
	uv_close((uv_handle_t *)&program.terminate, NULL);
	/* Until all handles are closed. */
	uv_run(&program.uv, UV_RUN_DEFAULT);
	if (uv_loop_close(&program.uv) < 0)
		complain("something is left on the loop");
	return program.exit_status;
}
