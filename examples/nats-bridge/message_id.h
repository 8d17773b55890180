/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_MESSAGE_ID_H
#define EVCHAN_NATS_MESSAGE_ID_H

/* Names of messages and of schemas that may leave the machine: BLAKE2b of 128 bits, in hexadecimal. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HASH_TEXT 33 /* with the NUL */

/* The name under which JetStream recognises a message that it has got already. */
void message_id(char text[HASH_TEXT], uid_t uid, const uint8_t lane_id[16],
		uint64_t sequence);

/* The name of a description, see docs/protobuf.md. */
void schema_signature(char text[HASH_TEXT], const void *description, size_t size);

#endif
