/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_OPTIONS_H
#define EVCHAN_CORE_OPTIONS_H

/*
 * Reads the public structs by the size their caller was compiled with (evchan.h,
 * "Structs"), fills in the defaults and checks every value. What comes out has no zero
 * that means "default" any more, but for two that cannot be known here: `bell` (depends
 * on the loop) and the receiver's `max_held_bytes` (half the capacity of each lane). On
 * error nothing is written.
 */

#include <stdbool.h>

#include <evchan/evchan.h>
#include <evchan/observe.h>

/*
 * The rule of openat2(2): copies `given` (whose first member is its size_t size) into
 * `known` of `known_size` bytes; missing members become zero. given == NULL: all zero.
 * The copy's own size is known_size in any case. Errors: -EINVAL size below
 * sizeof(size_t); -E2BIG a member this library does not know is not zero, or the size is
 * above a page: not a struct at all.
 */
int options_copy(void *known, size_t known_size, const void *given);

/* The other way: writes the library's struct to a caller's, no more than its size
 * says, and sets that size to what was written (0 if it is too small for the size
 * itself). */
void options_copy_out(void *given, const void *known, size_t known_size);

/* The lists allow_uids and allow_gids still point to the caller's memory; an empty one
 * stays empty (admission.h knows what that means). Errors: -EINVAL; -E2BIG. */
int options_read_receiver(struct evchan_receiver_options *options,
		const struct evchan_receiver_options *given);

/* Whether such options leave it to the library how many messages a lane has per turn. */
bool options_leave_share(const struct evchan_receiver_options *given);

/* `label` still points to the caller's memory and is never NULL; capacity is rounded
 * up; the low watermark is filled in. Errors: -EINVAL; -E2BIG. */
int options_read_sender(struct evchan_sender_options *options,
		const struct evchan_sender_options *given);

int options_read_receiver_callbacks(struct evchan_receiver_callbacks *callbacks,
		const struct evchan_receiver_callbacks *given);
int options_read_observer_callbacks(struct evchan_observer_callbacks *callbacks,
		const struct evchan_observer_callbacks *given);
int options_read_sender_callbacks(struct evchan_sender_callbacks *callbacks,
		const struct evchan_sender_callbacks *given);

#define OPTIONS_LABEL_MAX 63
#define OPTIONS_NOTES_MAX 65152u /* 64 KiB, what a hello may announce, less the header itself */
#define OPTIONS_CAPACITY_MAX ((uint64_t)(sizeof(void *) >= 8 ? 1u << 30 : 1u << 28))

#endif
