/* SPDX-License-Identifier: MIT */

/*
 * The adapter to libuv of examples/other-loops keeps the contract of <evchan/loop.h>.
 */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "loop_contract.h"
#include "uv_loop.h"

struct host {
	uv_loop_t uv;
	uv_timer_t limit; /* ends a turn in which nothing becomes ready */
};

static void on_limit(uv_timer_t *timer)
{
	(void)timer;
}

static int make(struct evchan_loop **loop, void **out)
{
	struct host *host = malloc(sizeof(*host));

	if (!host)
		return -ENOMEM;
	uv_loop_init(&host->uv);
	uv_timer_init(&host->uv, &host->limit);
	*out = host;
	return uv_loop_adapter_new(loop, &host->uv);
}

static void free_host(void *arg)
{
	struct host *host = arg;

	uv_close((uv_handle_t *)&host->limit, NULL);
	uv_run(&host->uv, UV_RUN_DEFAULT);
	/* A handle that an adapter has left is a failure. */
	if (uv_loop_close(&host->uv) < 0)
		abort();
	free(host);
}

static int run_turn(void *arg, int timeout_ms)
{
	struct host *host = arg;

	if (timeout_ms == 0) {
		uv_run(&host->uv, UV_RUN_NOWAIT);
		return 0;
	}
	uv_update_time(&host->uv);
	uv_timer_start(&host->limit, on_limit, (uint64_t)timeout_ms, 0);
	uv_run(&host->uv, UV_RUN_ONCE);
	uv_timer_stop(&host->limit);
	return 0;
}

int main(void)
{
	static const struct loop_contract_adapter adapter = { "libuv", make,
		uv_loop_adapter_free, free_host, run_turn };
	uv_loop_t probe;

	/* As in a sandbox that refuses eventfds. */
	if (uv_loop_init(&probe) < 0) {
		printf("libuv has no loop here\n");
		return 77;
	}
	uv_loop_close(&probe);
	return loop_contract_run(&adapter) > 0;
}
