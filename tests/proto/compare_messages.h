/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_COMPARE_MESSAGES_H
#define EVCHAN_TESTS_COMPARE_MESSAGES_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

/* Whether two messages are the same to whoever reads them: values, presence, cases, unknown fields, whether a string is the type's
 * default itself. Says on standard error what differs. */
bool messages_are_equal(const ProtobufCMessage *one, const ProtobufCMessage *other);

#endif
