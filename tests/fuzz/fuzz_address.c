/* SPDX-License-Identifier: MIT */
/*
 * Addresses as text, and what systemd puts into the environment, as attacker input. What is understood can be
 * written again, and then means the same.
 *
 * The input: a byte, then lines: the address, LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID if the byte asks for it.
 */

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "address.h"
#include "fuzz.h"

#define LINES 4u
#define LINE_MAX_BYTES 512u

static char lines[LINES][LINE_MAX_BYTES];
static char variables[LINES][LINE_MAX_BYTES + 32];
static char *fuzz_environment[LINES + 1];

static void read_lines(struct fuzz_input *input)
{
	for (unsigned i = 0; i < LINES; i++) {
		size_t length = 0;

		while (fuzz_left(input)) {
			uint8_t byte = fuzz_byte(input);

			if (byte == '\n')
				break;
			if (length < LINE_MAX_BYTES - 1)
				lines[i][length++] = (char)byte;
		}
		lines[i][length] = '\0';
	}
}

static void set_environment(bool is_ours)
{
	if (is_ours)
		snprintf(lines[3], sizeof(lines[3]), "%ld", (long)getpid());
	snprintf(variables[0], sizeof(variables[0]), "LISTEN_FDS=%s", lines[1]);
	snprintf(variables[1], sizeof(variables[1]), "LISTEN_FDNAMES=%s", lines[2]);
	snprintf(variables[2], sizeof(variables[2]), "LISTEN_PID=%s", lines[3]);
	for (unsigned i = 0; i < 3; i++)
		fuzz_environment[i] = variables[i];
	environ = fuzz_environment;
}

static void check_parsed(const struct address *address)
{
	const struct sockaddr_un *name = &address->unix_address;

	FUZZ_CHECK(strnlen(address->text, sizeof(address->text)) < sizeof(address->text));
	FUZZ_CHECK(name->sun_family == AF_UNIX);
	switch (address->kind) {
	case ADDRESS_PATH:
		FUZZ_CHECK(address->unix_length <= sizeof(*name) && name->sun_path[0]);
		FUZZ_CHECK(strnlen(name->sun_path, sizeof(name->sun_path)) <
				sizeof(name->sun_path));
		break;
	case ADDRESS_ABSTRACT:
		FUZZ_CHECK(address->unix_length <= sizeof(*name) && !name->sun_path[0]);
		FUZZ_CHECK(address->unix_length >
				offsetof(struct sockaddr_un, sun_path) + 1);
		break;
	case ADDRESS_DESCRIPTOR:
		FUZZ_CHECK(address->fd >= 0);
		break;
	default:
		FUZZ_CHECK(!"a kind");
	}
}

/* Senders write what `text` says, and get to the same place. */
static void check_again(const struct address *address)
{
	struct address again;

	FUZZ_CHECK(address_parse(&again, address->text, ADDRESS_OF_SENDER) == 0);
	FUZZ_CHECK(again.kind == address->kind && again.fd == address->fd);
	FUZZ_CHECK(again.unix_length == address->unix_length);
	FUZZ_CHECK(memcmp(&again.unix_address, &address->unix_address,
				   sizeof(again.unix_address)) == 0);
	FUZZ_CHECK(strcmp(again.text, address->text) == 0);
}

static void parse(const char *text, enum address_role role)
{
	struct address address, untouched;
	char *exact = (char *)fuzz_exact_copy(text, strlen(text) + 1);
	int r;

	memset(&address, 0x5a, sizeof(address));
	untouched = address;
	r = address_parse(&address, exact, role);
	free(exact);
	if (r == 0) {
		check_parsed(&address);
		check_again(&address);
		return;
	}
	FUZZ_CHECK(r == -EINVAL || r == -ENAMETOOLONG || r == -ENOENT || r == -EAGAIN);
	FUZZ_CHECK(memcmp(&address, &untouched, sizeof(address)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = { bytes, bytes + size };
	char **before = environ;
	bool is_ours = fuzz_byte(&input) & 1;

	read_lines(&input);
	set_environment(is_ours);
	parse(lines[0], ADDRESS_OF_RECEIVER);
	parse(lines[0], ADDRESS_OF_SENDER);
	environ = before;
	return 0;
}
