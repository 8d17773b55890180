/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_IDLE_DESCRIPTOR_H
#define EVCHAN_CORE_IDLE_DESCRIPTOR_H

/*
 * A descriptor that stands in for another one: any loop can watch it, and it is never readable, never
 * writable, never hung up. Both functions may be called in the child of a fork (system calls only).
 */

/* Makes one, close-on-exec. Returns it, or -EMFILE, -ENFILE, -ENOMEM, or whatever a sandbox says. */
int idle_descriptor_new(void);

/*
 * Puts a copy of `idle`, close-on-exec, in the place of `fd`, and so lets go of what `fd` was, in one step: the
 * number is at no time free for somebody else's open(2). May block like close(2), and then, too, `fd` is
 * the copy already. Returns 0, or -EBADF: nothing was done, because `idle` is no
 * descriptor or `fd` is above a limit that was lowered since.
 */
int idle_descriptor_replace(int idle, int fd);

#endif
