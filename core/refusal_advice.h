/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_REFUSAL_ADVICE_H
#define EVCHAN_CORE_REFUSAL_ADVICE_H

/* What whoever runs a receiver should know of a refusal besides its reason: which limit it was, and what to do about it. For logs and the
 * error callback, not for the one who is refused. */

#include <stddef.h>

#include "control_message.h"

struct evchan_receiver;

/* `hello` is what was refused; NULL: it has not been said. Writes "" if there is nothing to add, else " (...)". */
void refusal_advice(char *out, size_t size, const struct evchan_receiver *receiver,
		enum control_refusal refusal, const struct control_hello *hello);

#endif
