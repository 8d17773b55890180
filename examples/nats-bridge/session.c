/* SPDX-License-Identifier: MIT */

/*
 * One connection to NATS, from its beginning to its end.
 *
 * libnats can reconnect by itself, and is told not to. It would go on taking messages while it is not connected, and send
 * them *before* those that were lost with the old connection are published again: the order of a lane would be
 * lost. A session that has ended takes nothing more, and what it leaves open is published again, in order, on the next.
 *
 * libnats does not compare the server's name with its certificate unless it is told the name. One connection is
 * made to one server, so there is one name to tell.
 *
 * Waiting is for the thread that opens and closes; the loop reads and writes the socket meanwhile.
 */

#include "session.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nats/adapters/libevent.h>

#include "mailbox.h"
#include "nats_options.h"
#include "program.h"
#include "stream_setup.h"

#define CONNECT_MS 5000
/* A server that does not answer is given up after three of these. */
#define PING_MS 10000
/* What is read from, and written to, the socket at once. */
#define IO_BYTES (128 << 10)

natsStatus session_library_init(void)
{
	natsLibevent_Init();
	return nats_Open(-1);
}

/* libnats keeps the connection until this returns, so a later one at the same address has its letters behind this. */
static void on_closed(natsConnection *connection, void *mailbox)
{
	struct mail mail = { .kind = MAIL_CLOSED, .pointer = connection };

	mailbox_post(mailbox, &mail);
}

/* What is no answer to anything, such as a subject that this user may not publish to. */
static void on_error(natsConnection *connection, natsSubscription *subscription,
		natsStatus status, void *arg)
{
	const char *text = NULL;

	(void)subscription;
	(void)arg;
	natsConnection_GetLastError(connection, &text);
	complain("NATS: %s", text && *text ? text : natsStatus_GetText(status));
}

static void on_ack(jsCtx *stream, natsMsg *message, jsPubAck *ack, jsPubAckErr *error,
		void *mailbox)
{
	struct mail mail = { .kind = MAIL_ACK, .pointer = message };

	(void)stream;
	if (error) {
		mail.status = error->Err ? error->Err : NATS_ERR;
		mail.code = (int)error->ErrCode;
		mail.text = strdup(error->ErrText ? error->ErrText : "");
	} else if (ack->Duplicate) {
		mail.code = 1;
	}
	mailbox_post(mailbox, &mail);
}

static void on_arrived(natsConnection *connection, natsSubscription *subscription,
		natsMsg *message, void *mailbox)
{
	struct mail mail = { .kind = MAIL_ARRIVED, .pointer = message };

	(void)connection;
	(void)subscription;
	mailbox_post(mailbox, &mail);
}

/* ---- Options ------------------------------------------------------------------- */

/* The host in a URL: behind "//" and a password, before a port. Brackets of IPv6 are taken off. */
static char *host_of(const char *url)
{
	const char *start = strstr(url, "//");
	const char *at;
	size_t length;

	start = start ? start + 2 : url;
	at = strrchr(start, '@');
	if (at)
		start = at + 1;
	length = strcspn(start, ":/");
	if (*start == '[') {
		start++;
		length = strcspn(start, "]");
	}
	return strndup(start, length);
}

static natsStatus set_tls(natsOptions *options, const struct server_options *server,
		const char *url)
{
	bool is_wanted = server->tls_ca || server->tls_certificate ||
			strncmp(url, "tls://", 6) == 0;
	natsStatus status;
	char *host;

	if (!is_wanted)
		return NATS_OK;
	host = host_of(url);
	if (!host)
		return NATS_NO_MEMORY;
	status = natsOptions_SetSecure(options, true);
	if (status == NATS_OK && *host)
		status = natsOptions_SetExpectedHostname(options, host);
	if (status == NATS_OK && server->tls_ca)
		status = natsOptions_LoadCATrustedCertificates(options, server->tls_ca);
	if (status == NATS_OK && server->tls_certificate)
		status = natsOptions_LoadCertificatesChain(
				options, server->tls_certificate, server->tls_key);
	free(host);
	return status;
}

static natsStatus set_credentials(
		natsOptions *options, const struct server_options *server)
{
	natsStatus status = NATS_OK;

	if (server->user && server->password)
		status = natsOptions_SetUserInfo(options, server->user, server->password);
	else if (server->user)
		status = natsOptions_SetToken(options, server->user);
	if (status == NATS_OK && server->creds)
		status = natsOptions_SetUserCredentialsFromFiles(
				options, server->creds, NULL);
	return status;
}

static natsStatus set_options(natsOptions *options, const struct session_place *place)
{
	const struct server_options *server = &place->options->server;
	natsStatus status = natsOptions_SetURL(options, place->url);

	if (status == NATS_OK)
		status = natsOptions_SetName(options, server->connection_name);
	if (status == NATS_OK)
		status = natsOptions_SetAllowReconnect(options, false);
	if (status == NATS_OK)
		status = natsOptions_SetTimeout(options, CONNECT_MS);
	if (status == NATS_OK)
		status = natsOptions_SetPingInterval(options, PING_MS);
	if (status == NATS_OK)
		status = natsOptions_SetIOBufSize(options, IO_BYTES);
	/* Without it a thread of libnats asks the loop to write. */
	if (status == NATS_OK)
		status = natsOptions_SetSendAsap(options, true);
	if (status == NATS_OK)
		status = natsOptions_SetErrorHandler(options, on_error, NULL);
	if (status == NATS_OK)
		status = natsOptions_SetClosedCB(options, on_closed, place->mailbox);
	if (status == NATS_OK)
		status = natsOptions_SetEventLoop(options, place->base,
				natsLibevent_Attach, natsLibevent_Read,
				natsLibevent_Write, natsLibevent_Detach);
	if (status == NATS_OK)
		status = set_credentials(options, server);
	if (status == NATS_OK)
		status = set_tls(options, server, place->url);
	return status;
}

/* ---- Beginning and end ------------------------------------------------------------ */

static natsStatus make_context(struct session *session, const struct session_place *place)
{
	jsOptions options;

	jsOptions_Init(&options);
	/* The bridge has its own limit; at this one js_PublishMsgAsync() would wait. */
	options.PublishAsync.MaxPending = (int64_t)place->options->max_in_flight * 2;
	options.PublishAsync.AckHandler = on_ack;
	options.PublishAsync.AckHandlerClosure = place->mailbox;
	return natsConnection_JetStream(&session->stream, session->connection, &options);
}

static natsStatus subscribe(struct session *session, const struct session_place *place)
{
	jsSubOptions options;
	natsStatus status;

	if (!place->options->consumer)
		return NATS_OK;
	jsSubOptions_Init(&options);
	options.Stream = place->options->stream;
	options.Consumer = place->options->consumer;
	options.ManualAck = true;
	status = js_Subscribe(&session->subscription, session->stream, NULL, on_arrived,
			place->mailbox, NULL, &options, NULL);
	/* What arrives goes to the mailbox at once; the consumer limits how much that is. */
	if (status == NATS_OK)
		status = natsSubscription_SetPendingLimits(session->subscription, -1, -1);
	return status;
}

static natsStatus begin(struct session *session, const struct session_place *place)
{
	natsOptions *options = NULL;
	natsStatus status = natsOptions_Create(&options);

	if (status == NATS_OK)
		status = set_options(options, place);
	if (status == NATS_OK)
		status = natsConnection_Connect(&session->connection, options);
	natsOptions_Destroy(options);
	if (status == NATS_OK)
		status = make_context(session, place);
	if (status == NATS_OK && place->options->creates)
		status = stream_setup(session->stream, place->options);
	if (status == NATS_OK)
		status = subscribe(session, place);
	return status;
}

/* libnats has a longer story of the last error of this thread, sometimes. */
static char *tell(const char *url, natsStatus status)
{
	const char *story = nats_GetLastError(NULL);
	const char *host = strrchr(url, '@');
	char *text;

	/* A URL may have a password in it. */
	if (asprintf(&text, "%s: %s%s%s", host ? host + 1 : url,
			    natsStatus_GetText(status), story && *story ? ": " : "",
			    story ? story : "") < 0)
		return NULL;
	return text;
}

natsStatus session_open(
		struct session **session, char **text, const struct session_place *place)
{
	struct session *fresh = calloc(1, sizeof(*fresh));
	natsStatus status;

	if (!fresh)
		return NATS_NO_MEMORY;
	status = begin(fresh, place);
	if (status != NATS_OK) {
		*text = tell(place->url, status);
		session_close(fresh);
		return status;
	}
	*session = fresh;
	return NATS_OK;
}

void session_close(struct session *session)
{
	if (!session)
		return;
	/* In this order: each uses what comes behind it. Messages that are not acknowledged end with the context. */
	natsSubscription_Destroy(session->subscription);
	jsCtx_Destroy(session->stream);
	natsConnection_Destroy(session->connection);
	free(session);
}
