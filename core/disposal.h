/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_DISPOSAL_H
#define EVCHAN_CORE_DISPOSAL_H

/*
 * Closing a descriptor that a stranger made, closing a socket whose queue may hold one, and the
 * last munmap of a large ring can take seconds (design, section 10.9). They happen here, on two
 * detached threads of the process, one for descriptors and one for mappings, with all signals blocked, started
 * on first need and gone when nothing is left to do.
 */

#include <stddef.h>

/*
 * How many descriptors somebody has waiting for disposal. The owner bounds it. Mappings are not counted: nobody
 * can make their end come late, and a crowd of honest senders that leaves at once is not to be shut out for it.
 * Reference counted: the one who made it holds one reference, each item queued holds one.
 */
struct disposal_account;

/* Errors: -ENOMEM. */
int disposal_account_new(struct disposal_account **account);
void disposal_account_release(struct disposal_account *account); /* NULL is allowed */
unsigned disposal_account_pending(const struct disposal_account *account);

/* How many descriptors wait for disposal in all, whoever's they are. */
unsigned disposal_pending_descriptors(void);

/*
 * Closes `fd` some time later. The descriptor may be in the table of descriptor.h: then it is
 * taken out. `account` may be NULL. Never fails: without memory or a thread it closes at once,
 * which may block.
 */
void disposal_close(int fd, struct disposal_account *account);

/* munmap(base, size) some time later if it is large (DISPOSAL_LARGE_MAPPING), else now. On Windows the one view that is there. */
void disposal_unmap(void *base, size_t size, struct disposal_account *account);
#define DISPOSAL_LARGE_MAPPING ((size_t)2 << 20)

/* Waits until all is disposed of and the thread is gone: for tests and for the end of a program
 * that checks itself for leaks. At most `timeout_ms`. Returns 0 or -ETIMEDOUT. */
int disposal_wait(int timeout_ms);

#endif
