/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_UTF8_H
#define EVCHAN_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether these bytes are UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(const char *text, size_t length);

#endif
