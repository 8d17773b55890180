/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_WINDOWS_SYS_SOCKET_H
#define EVCHAN_CORE_WINDOWS_SYS_SOCKET_H

/* What the files shared by all systems need of this header: an address is kept as if it were a UNIX socket's. */

typedef unsigned socklen_t;

#define AF_UNIX 1

#endif
