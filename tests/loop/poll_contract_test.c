/* SPDX-License-Identifier: MIT */

/*
 * The library's own loop on poll(2) keeps the contract of <evchan/loop.h>: when it waits
 * itself (run_once), and when a loop of another kind waits for it (prepare and dispatch).
 */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>

#include <evchan/loop.h>

#include "loop_contract.h"

static int make(struct evchan_loop **loop, void **host)
{
	int r;

	r = evchan_poll_loop_new(loop);
	if (r < 0)
		return r;
	*host = *loop;
	return 0;
}

static void free_host(void *host)
{
	(void)host; /* the loop itself, which is gone */
}

static int run_once(void *host, int timeout_ms)
{
	return evchan_poll_loop_run_once(host, timeout_ms);
}

static int shorter(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* What a loop of another kind does in one turn. It asks for the number of descriptors
 * first, and gives its array back before anything is called. */
static int prepare_and_dispatch(void *host, int timeout_ms)
{
	struct pollfd *fds = NULL;
	size_t capacity = 0, count;
	int wait, r;

	r = evchan_poll_loop_prepare(host, NULL, 0, &capacity, &wait);
	if (r < 0)
		return r;
	fds = calloc(capacity + 1, sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	r = evchan_poll_loop_prepare(host, fds, capacity, &count, &wait);
	if (r < 0)
		goto done;
	assert(count == capacity);
	if (poll(fds, count, shorter(wait, timeout_ms)) < 0) {
		r = -errno;
		goto done;
	}
	r = evchan_poll_loop_dispatch(host, fds, count);
done:
	free(fds);
	return r;
}

/* The same by a loop that knows the ready descriptors only, and these in an order of
 * its own. */
static int dispatch_ready_in_reverse(void *host, int timeout_ms)
{
	struct pollfd fds[512], ready[512];
	size_t count, found = 0;
	int wait, r;

	r = evchan_poll_loop_prepare(host, fds, 512, &count, &wait);
	if (r < 0)
		return r;
	assert(count <= 512);
	if (poll(fds, count, shorter(wait, timeout_ms)) < 0)
		return -errno;
	while (count-- > 0) {
		if (fds[count].revents)
			ready[found++] = fds[count];
	}
	return evchan_poll_loop_dispatch(host, ready, found);
}

static const struct loop_contract_adapter adapters[] = {
	{ "poll loop, run_once", make, evchan_poll_loop_free, free_host, run_once },
	{ "poll loop, prepare and dispatch", make, evchan_poll_loop_free, free_host,
			prepare_and_dispatch },
	{ "poll loop, ready descriptors in reverse", make, evchan_poll_loop_free,
			free_host, dispatch_ready_in_reverse },
};

int main(void)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof(adapters) / sizeof(adapters[0]); i++)
		failed += loop_contract_run(&adapters[i]);
	return failed > 0;
}
