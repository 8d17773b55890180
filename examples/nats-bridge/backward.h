/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_BACKWARD_H
#define EVCHAN_NATS_BACKWARD_H

/* From NATS to the channel. */

#include "bridge.h"

extern const struct direction backward_direction;

#endif
