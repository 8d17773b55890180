/* SPDX-License-Identifier: MIT */

/*
 * The link to NATS: sessions that come and go.
 *
 * At any time there is a session, or a thread that opens one, or a timer that will start that thread, or the
 * end. Connecting waits (for names, for a TLS handshake, for JetStream to make a consumer), closing may wait too, and the
 * loop must not; so a thread does it, one at a time: it closes the session that was, opens the next, posts how that
 * went, and is over.
 *
 * Servers are tried in turn, with a pause between that doubles, and begins short again after each connection.
 */

#include "nats_link.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

#include "nats_options.h"
#include "program.h"
#include "session.h"

#define DELAY_MIN_MS 50
#define DELAY_MAX_MS 2000

static void *work(void *arg)
{
	struct nats_link *link = arg;
	struct mail mail = { .kind = MAIL_ENDED };
	struct session *session = NULL;
	struct session_place place = {
		.options = link->options,
		.base = link->base,
		.mailbox = &link->mailbox,
		.url = link->url,
	};

	session_close(link->to_close);
	if (link->to_open) {
		mail.status = session_open(&session, &mail.text, &place);
		mail.kind = mail.status == NATS_OK ? MAIL_OPENED : MAIL_FAILED;
		mail.pointer = session;
	}
	nats_ReleaseThreadMemory();
	mailbox_post(&link->mailbox, &mail);
	return NULL;
}

/* Signals are the loop's: in a thread of libnats they would interrupt something. */
static void start_worker(struct nats_link *link, struct session *to_close, bool to_open)
{
	sigset_t all, old;
	int r;

	link->to_close = to_close;
	link->to_open = to_open;
	link->url = link->options->server.servers[link->next_server];
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&link->worker, NULL, work, link);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		complain("cannot start a thread: %s", evchan_strerror(r));
		_Exit(EXIT_FAILURE);
	}
	link->has_worker = true;
}

static void join_worker(struct nats_link *link)
{
	if (link->has_worker)
		pthread_join(link->worker, NULL);
	link->has_worker = false;
}

static void try_later(struct nats_link *link)
{
	struct timeval delay = {
		.tv_sec = link->delay_ms / 1000,
		.tv_usec = link->delay_ms % 1000 * 1000,
	};

	link->next_server = (link->next_server + 1) % link->options->server.server_count;
	link->delay_ms *= 2;
	if (link->delay_ms > DELAY_MAX_MS)
		link->delay_ms = DELAY_MAX_MS;
	event_add(link->retry_timer, &delay);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct nats_link *link = arg;
	struct session *old = link->to_close;

	(void)fd;
	(void)what;
	link->to_close = NULL;
	start_worker(link, old, true);
}

/* ---- Letters --------------------------------------------------------------------- */

/* The session is of no use any more. */
static void lose_session(struct nats_link *link)
{
	link->to_close = link->session;
	link->session = NULL;
	link->losses++;
	link->callbacks->closed(link->arg);
	try_later(link);
}

static void session_opened(struct nats_link *link, struct session *session)
{
	join_worker(link);
	link->to_close = NULL;
	if (link->is_ending) {
		start_worker(link, session, false);
		return;
	}
	link->connects++;
	link->session = session;
	/* Its letter may have come before this one. */
	if (natsConnection_IsClosed(session->connection)) {
		lose_session(link);
		return;
	}
	if (link->has_complained)
		complain("connected to NATS");
	link->has_complained = false;
	link->delay_ms = DELAY_MIN_MS;
	link->callbacks->opened(link->arg);
}

static void session_failed(struct nats_link *link, const char *text)
{
	join_worker(link);
	link->to_close = NULL;
	if (link->is_ending) {
		link->callbacks->ended(link->arg);
		return;
	}
	if (!link->has_complained)
		complain("%s; trying again", text ? text : "no connection to NATS");
	link->has_complained = true;
	try_later(link);
}

static void connection_closed(struct nats_link *link, const void *connection)
{
	if (!link->session || link->session->connection != connection)
		return;
	complain("the connection to NATS is lost");
	link->has_complained = true;
	lose_session(link);
}

static void deliver(const struct mail *mail, void *arg)
{
	struct nats_link *link = arg;

	switch (mail->kind) {
	case MAIL_OPENED:
		session_opened(link, mail->pointer);
		break;
	case MAIL_FAILED:
		session_failed(link, mail->text);
		break;
	case MAIL_ENDED:
		join_worker(link);
		link->callbacks->ended(link->arg);
		break;
	case MAIL_CLOSED:
		connection_closed(link, mail->pointer);
		break;
	case MAIL_ACK:
		link->callbacks->acked(mail->pointer, mail, link->arg);
		break;
	case MAIL_ARRIVED:
		link->callbacks->arrived(mail->pointer, link->arg);
		break;
	}
}

/* ---- What others call ----------------------------------------------------------------- */

int nats_link_init(struct nats_link *link, struct event_base *base,
		const struct nats_options *options,
		const struct nats_link_callbacks *callbacks, void *arg)
{
	*link = (struct nats_link){
		.options = options,
		.base = base,
		.callbacks = callbacks,
		.arg = arg,
		.delay_ms = DELAY_MIN_MS,
	};
	link->retry_timer = evtimer_new(base, on_retry, link);
	if (!link->retry_timer || mailbox_init(&link->mailbox, base, deliver, link) < 0)
		return -ENOMEM;
	start_worker(link, NULL, true);
	return 0;
}

void nats_link_deinit(struct nats_link *link)
{
	mailbox_deinit(&link->mailbox);
	if (link->retry_timer)
		event_free(link->retry_timer);
}

jsCtx *nats_link_stream(const struct nats_link *link)
{
	return link->session ? link->session->stream : NULL;
}

natsConnection *nats_link_connection(const struct nats_link *link)
{
	return link->session ? link->session->connection : NULL;
}

void nats_link_give_up(struct nats_link *link)
{
	if (link->session)
		lose_session(link);
}

void nats_link_end(struct nats_link *link)
{
	struct session *session = link->session ? link->session : link->to_close;

	link->is_ending = true;
	/* A worker that is under way sees to it when it is done. */
	if (link->has_worker)
		return;
	event_del(link->retry_timer);
	link->session = NULL;
	link->to_close = NULL;
	start_worker(link, session, false);
}
