/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_STAGE_H
#define EVCHAN_TESTS_STAGE_H

/*
 * A libevent base with evchan's loop on it, run turn by turn.
 *
 * A test waits for what must happen with STAGE_UNTIL, which sleeps in the loop; for what
 * must *not* happen it runs stage_look(): all that could happen is ready before it.
 */

#include <stdint.h>
#include <sys/types.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

#include "check.h"

struct stage {
	struct event_base *base;
	struct evchan_loop *loop; /* NULL: freed by the test */
	uint64_t turns;           /* run so far */
};

/* `backend`: "epoll", "poll" or "select"; NULL: whatever libevent takes. */
void stage_open(struct stage *stage, const char *backend);
void stage_close(struct stage *stage);

/* One turn that sleeps until something is ready. */
void stage_turn(struct stage *stage);
/* Turns that only look. */
void stage_look(struct stage *stage, unsigned turns);

#define STAGE_UNTIL(stage, condition) \
	while (!(condition)) \
	stage_turn(stage)

/* Runs the loop until the descriptor is readable, or hung up. */
void stage_await(struct stage *stage, int fd);

/* Runs the loop until the gate (scene.h) is open, and passes it. */
void stage_pass_gate(struct stage *stage, int gate);
/* Runs the loop until the process has ended, see scene_join(). */
void stage_join(struct stage *stage, pid_t process);

/* Takes evchan-libevent into every program that has a stage: this library is linked
 * behind it. */
__attribute__((used)) static int (*const stage_needs)(struct evchan_loop **loop,
		struct event_base *base) = evchan_libevent_loop_new;

#endif
