/* SPDX-License-Identifier: MIT */
#ifndef OTHER_LOOPS_UV_LOOP_H
#define OTHER_LOOPS_UV_LOOP_H

/* evchan's table of operations on libuv. */

#include <uv.h>

#include <evchan/loop.h>

/* `uv` must outlive it. Returns 0 or a negative errno. */
int uv_loop_adapter_new(struct evchan_loop **loop, uv_loop_t *uv);

/* NULL is allowed; also in a callback. As always with libuv, handles close in its next turn: run the loop once more
 * before uv_loop_close(). */
void uv_loop_adapter_free(struct evchan_loop *loop);

#endif
