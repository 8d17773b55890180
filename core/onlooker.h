/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_ONLOOKER_H
#define EVCHAN_CORE_ONLOOKER_H

/*
 * An observer as its receiver sees it: a connection that was admitted to look, and may ask for pages of what there is
 * to see.
 */

#include <stdbool.h>

#include <evchan/evchan.h>

#include "admission.h"
#include "control_message.h"
#include "control_socket.h"

struct evchan_receiver;
struct evchan_lane;

/* Makes the timer. Errors: -ENOMEM and others of the loop. */
int onlookers_init(struct evchan_receiver *receiver);

/*
 * Admits an observer whose right to be here has been checked, and says so to it. Takes over socket and charge, or leaves
 * them alone and returns why not: CONTROL_REFUSE_OBSERVERS, _NO_MEMORY, _DESCRIPTORS.
 */
enum control_refusal onlooker_new(struct evchan_receiver *receiver,
		struct control_socket *control, struct admission_charge *charge,
		const struct evchan_peer *peer);

/* A lane is about to be freed: nobody's next look begins with it. */
void onlookers_pass_over(struct evchan_receiver *receiver, struct evchan_lane *lane);

/* Says goodbye to all and frees them. */
void onlookers_free(struct evchan_receiver *receiver, bool in_child);

#endif
