/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_SCENE_H
#define EVCHAN_TESTS_SCENE_H

/*
 * What a test between processes needs besides evchan: an address nobody else has,
 * processes that play a part, gates to keep them in step, memory they share. All of it is
 * gone when the test is over, and nothing else may be left: no descriptor, no thread, no
 * process.
 */

#include <stddef.h>
#include <sys/types.h>

/* A test with these around it, see SCENE_TEST. */
int scene_set_up(void **state);
int scene_tear_down(void **state);
#define SCENE_TEST(test) \
	cmocka_unit_test_setup_teardown(test, scene_set_up, scene_tear_down)

/* An abstract address that belongs to this test; the same in all its processes. */
const char *scene_address(void);
/* Another one, for this process and those it forks from now on. */
void scene_change_address(void);

/* A path in a folder that belongs to this test. Static; three results are valid at a
 * time. */
const char *scene_path(const char *name);
/* The number of names in that folder. */
unsigned scene_count_files(void);

/* How many times slower than usual everything is here, and `count` made smaller by
 * that much. */
unsigned scene_slowdown(void);
unsigned scene_scaled(unsigned count);

/* ---- Processes ----------------------------------------------------------- */

/* Forks a process that plays `role` and ends with status 0. It dies with the test
 * program. */
pid_t scene_start(void (*role)(void *arg), void *arg);

/* In such a process, as root: goes on as another user and group. */
void scene_become(uid_t id);

/* Waits until it has ended. Returns its exit status, or minus the signal that killed
 * it. */
int scene_wait(pid_t process);
/* The same; the status must be 0. */
void scene_join(pid_t process);

/* SIGKILL, and waits until it is gone. */
void scene_kill(pid_t process);

/* SIGSTOP, and waits until it stands still. */
void scene_stop(pid_t process);

/* ---- Between processes --------------------------------------------------- */

/* A counter that one process raises and another waits for, made before the fork. It is a
 * descriptor that is readable while the counter is not zero. */
int scene_gate(void);
void scene_open_gate(int gate);
/* Blocks until the counter is above zero, and takes one. */
void scene_pass_gate(int gate);

/* Zeroed memory that processes forked later share. */
void *scene_share(size_t size);

#endif
