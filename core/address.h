/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_ADDRESS_H
#define EVCHAN_CORE_ADDRESS_H

/*
 * The text of an address, taken apart (evchan.h, "Addresses"). No I/O but for systemd's environment
 * variables.
 */

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

enum address_kind {
	ADDRESS_PATH = 1,   /* `unix_address` is filled in */
	ADDRESS_ABSTRACT,   /* likewise */
	ADDRESS_DESCRIPTOR, /* `fd` is */
};

struct address {
	enum address_kind kind;
	struct sockaddr_un unix_address;
	socklen_t unix_length;
	int fd;
	bool from_systemd; /* the descriptor is systemd's */
	char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 16]; /* as senders would write it */
};

enum address_role { ADDRESS_OF_RECEIVER, ADDRESS_OF_SENDER };

/*
 * An empty text makes a fresh abstract name for a receiver, from 128 random bits. `systemd:` looks at
 * LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES (sd_listen_fds(3)) and leaves them as they are.
 * Errors: -EINVAL NULL, a bad number, an empty text or systemd: for a sender, an empty abstract name;
 * -ENAMETOOLONG; -ENOENT systemd has passed no such socket; -EAGAIN no random numbers.
 */
int address_parse(struct address *address, const char *text, enum address_role role);

#endif
