/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_MESSAGE_H
#define EVCHAN_STORM_MESSAGE_H

/*
 * Numbered, checksummed messages: size and contents follow from lane and number. Small
 * ones are the rule, so that the numbers get large; now and then one is as large as the
 * ring takes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MIN 24u
#define MESSAGE_MOST 65536u

/* Bytes of the message; `most`: what the ring takes, or MESSAGE_MOST. */
size_t message_size(uint32_t lane, uint64_t number, size_t most);

/* Writes that many bytes. */
void message_write(void *out, size_t size, uint32_t lane, uint64_t number);

/* Whether these bytes are a message of this lane, and whole. `*number`: which one. */
bool message_read(const void *data, size_t size, uint32_t lane, uint64_t *number);

#endif
