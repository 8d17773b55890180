/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_WINDOWS_POLL_H
#define EVCHAN_CORE_WINDOWS_POLL_H

/* struct pollfd as applications know it here. Its descriptors are event handles, see poll_wait_windows.c. */

#include <winsock2.h>

#endif
