/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_CONTROL_SOCKET_RECEIVE_H
#define EVCHAN_CORE_CONTROL_SOCKET_RECEIVE_H

/* Between control_socket.c and the file that has this system's control socket. */

#include "control_socket.h"

/* Takes the first frame, with what comes with it, to the front of the buffer. `arrival` is there and empty. Returns and errors:
 * control_socket_receive()'s. */
int control_socket_receive_first(struct control_socket *control, enum control_type *type,
		struct control_arrival *arrival, struct disposal_account *account);

/* Reads what there is, and there is room for, to the end of the buffer. Returns 0 or an error of control_socket_receive()'s. */
int control_socket_receive_more(struct control_socket *control);

#endif
