/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_OPTIONS_H
#define EVCHAN_NATS_OPTIONS_H

/* The command line of evchan-nats. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <evchan/evchan.h>

#define SERVERS_MAX 16

/* How to reach NATS. */
struct server_options {
	char *list; /* what `servers` point into */
	const char *servers[SERVERS_MAX];
	size_t server_count;
	const char *user;
	const char *password;
	const char *creds;
	const char *tls_certificate;
	const char *tls_key;
	const char *tls_ca;
	const char *connection_name;
};

struct nats_options {
	const char *address;
	struct server_options server;
	const char *subject; /* template; or, of a consumer that is made, its filter. NULL: none given */
	const char *stream;
	const char *consumer; /* NULL: from the channel to NATS, else the other way */
	bool creates;
	int replicas;
	uint64_t duplicate_window; /* seconds */
	uint64_t max_in_flight;
	uint64_t max_in_flight_bytes;
	uint64_t ack_wait; /* seconds */
	bool with_stats;
	struct evchan_receiver_options receiver;
	uid_t *allow_uids; /* what receiver.allow_uids points to */
	struct evchan_sender_options sender;
};

/* Reads the command line; ends the program if it is wrong, or only asks for help. */
void nats_options_init(struct nats_options *options, int argc, char **argv);
void nats_options_deinit(struct nats_options *options);

#endif
