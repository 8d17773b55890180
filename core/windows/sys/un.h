/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_WINDOWS_SYS_UN_H
#define EVCHAN_CORE_WINDOWS_SYS_UN_H

/* See sys/socket.h beside it. The text is in sun_path, as long as it may be elsewhere; listener_windows.c makes a pipe's name
 * of it. */

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

#endif
