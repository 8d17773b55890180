/* SPDX-License-Identifier: MIT */
/*
 * Addresses as text, taken apart.
 *
 * What an address means is told by how it begins: '@', "fd:", "systemd:", or nothing at all; everything else is a
 * path, so a socket file named "fd:3" is written "./fd:3". A path is taken as it is, never made absolute: a program
 * that changes its directory between making two handles has two addresses.
 *
 * Abstract names are not ended by NUL; the length alone ends them (unix(7)). A name passed with its NUL, or with the
 * whole of sun_path, is another name, so the length is always exactly that of the text.
 */

#include "address.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "random_bytes.h"

#define SUN_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)
#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

/* SD_LISTEN_FDS_START of sd_listen_fds(3). */
#define SYSTEMD_FIRST_FD 3

static void set_text(struct address *address, const char *text)
{
	snprintf(address->text, sizeof(address->text), "%s", text);
}

static int parse_path(struct address *address, const char *path)
{
	size_t length = strlen(path);

	if (length >= SUN_PATH_SIZE)
		return -ENAMETOOLONG;
	address->kind = ADDRESS_PATH;
	memcpy(address->unix_address.sun_path, path, length + 1);
	address->unix_length = (socklen_t)(PATH_OFFSET + length + 1);
	set_text(address, path);
	return 0;
}

/* `name` without the '@'. */
static int parse_abstract(struct address *address, const char *name)
{
	size_t length = strlen(name);

	if (length == 0)
		return -EINVAL;
	if (length >= SUN_PATH_SIZE)
		return -ENAMETOOLONG;
	address->kind = ADDRESS_ABSTRACT;
	memcpy(address->unix_address.sun_path + 1, name, length);
	address->unix_length = (socklen_t)(PATH_OFFSET + 1 + length);
	snprintf(address->text, sizeof(address->text), "@%s", name);
	return 0;
}

static int make_private(struct address *address)
{
	unsigned char random[16];
	char name[8 + 2 * sizeof(random)];
	size_t at;
	int r;

	/* Its secrecy is no protection (/proc/net/unix lists it), but nobody else takes it by accident. */
	r = random_bytes(random, sizeof(random));
	if (r < 0)
		return -EAGAIN;
	at = (size_t)snprintf(name, sizeof(name), "evchan-");
	for (size_t i = 0; i < sizeof(random); i++)
		at += (size_t)snprintf(name + at, sizeof(name) - at, "%02x", random[i]);
	return parse_abstract(address, name);
}

/* Digits only: no sign, no space. Errors: -EINVAL. */
static int parse_number(int *number, const char *text)
{
	unsigned long value;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*end || errno || value > INT_MAX)
		return -EINVAL;
	*number = (int)value;
	return 0;
}

static int parse_descriptor(struct address *address, const char *number)
{
	int r;

	r = parse_number(&address->fd, number);
	if (r < 0)
		return r;
	address->kind = ADDRESS_DESCRIPTOR;
	snprintf(address->text, sizeof(address->text), "fd:%d", address->fd);
	return 0;
}

/* The place of `name` in a list parted by colons; -1 if it is not there. */
static int find_name(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (int place = 0;; place++) {
		size_t part = strcspn(list, ":");

		if (part == length && memcmp(list, name, length) == 0)
			return place;
		if (!list[part])
			return -1;
		list += part + 1;
	}
}

/* `name` "": the first socket. */
static int parse_systemd(struct address *address, const char *name)
{
	const char *pid_text = getenv("LISTEN_PID");
	const char *count_text = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	int pid, count, place = 0;

	if (!pid_text || !count_text)
		return -ENOENT;
	if (parse_number(&pid, pid_text) < 0 || parse_number(&count, count_text) < 0)
		return -ENOENT;
	/* Another process's: variables are inherited, the descriptors need not be. */
	if (pid != getpid())
		return -ENOENT;
	if (name[0])
		place = names ? find_name(names, name) : -1;
	if (place < 0 || place >= count || place > INT_MAX - SYSTEMD_FIRST_FD)
		return -ENOENT;
	address->kind = ADDRESS_DESCRIPTOR;
	address->fd = SYSTEMD_FIRST_FD + place;
	address->from_systemd = true;
	snprintf(address->text, sizeof(address->text), "fd:%d", address->fd);
	return 0;
}

int address_parse(struct address *address, const char *text, enum address_role role)
{
	struct address parsed = { .unix_address.sun_family = AF_UNIX, .fd = -1 };
	int r;

	if (!text)
		return -EINVAL;
	if (text[0] == '\0')
		r = role == ADDRESS_OF_RECEIVER ? make_private(&parsed) : -EINVAL;
	else if (text[0] == '@')
		r = parse_abstract(&parsed, text + 1);
	else if (strncmp(text, "fd:", 3) == 0)
		r = parse_descriptor(&parsed, text + 3);
	else if (strncmp(text, "systemd:", 8) == 0)
		r = role == ADDRESS_OF_RECEIVER ? parse_systemd(&parsed, text + 8) : -EINVAL;
	else
		r = parse_path(&parsed, text);
	if (r == 0)
		*address = parsed;
	return r;
}
