/* SPDX-License-Identifier: MIT */

/*
 * A worker: an evhttp server and an evchan sender on one base.
 *
 * All that it makes, it makes here, behind the fork: a base and a handle belong to one process.
 *
 * The end, after SIGTERM: no more connections; all requests that have come are answered; the connections are closed;
 * the last report is sent; and when the collector has taken everything, the process ends. If that takes
 * longer than the collector is given, it says what is left in the ring. Most of that
 * arrives even so: the ring lives on in the collector, or in the queue of its socket.
 */

#include "worker.h"

#include <stdbool.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include <evchan/libevent.h>

#include "fatal.h"
#include "handover.h"
#include "program.h"
#include "requests.h"

#define HEADERS_MAX 8192
#define BODY_MAX 65536

struct worker {
	const struct options *options;
	unsigned number;
	struct event_base *base;
	struct evchan_loop *loop;
	struct handover *handover;
	struct requests *requests;
	struct evhttp *http;
	struct evhttp_bound_socket *socket; /* NULL: does not accept any more */
	struct event *accept_event;
	struct event *terminate_event;
	struct event *patience_event;
	bool is_ending;
	int exit_status;
};

/* ---- Connections ----------------------------------------------------------------- */

/*
 * libevent accepts until the queue is empty. When many clients come at once, the first worker to wake up would get
 * them all and keep them, and the others would stand idle. So each takes one in a turn of its loop: there is no callback for "may I
 * accept", but there is one for "make me a bufferevent for what I have accepted".
 */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
	static const struct timeval at_once;
	struct worker *worker = arg;

	(void)base;
	if (worker->socket) {
		evconnlistener_disable(evhttp_bound_socket_get_listener(worker->socket));
		event_add(worker->accept_event, &at_once);
	}
	return NULL; /* the usual one */
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	if (worker->socket)
		evconnlistener_enable(evhttp_bound_socket_get_listener(worker->socket));
}

/* ---- The end --------------------------------------------------------------------- */

static void on_handed_over(void *arg)
{
	struct worker *worker = arg;

	event_base_loopbreak(worker->base);
}

static void close_http(struct worker *worker)
{
	if (worker->http)
		evhttp_free(worker->http);
	worker->http = NULL;
	worker->socket = NULL;
	requests_close(worker->requests);
	worker->requests = NULL;
}

static void on_answered(void *arg)
{
	struct worker *worker = arg;

	/* With it go the connections that wait for a next request: no record comes after this. */
	close_http(worker);
	handover_finish(worker->handover, on_handed_over, worker);
}

static void on_impatience(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	if (worker->http)
		complain("worker %u does not wait for its requests any longer",
				worker->number);
	complain("worker %u does not wait for the collector any longer: %llu bytes of "
		 "records "
		 "are on their way",
			worker->number,
			(unsigned long long)handover_pending(worker->handover));
	worker->exit_status = EXIT_FAILURE;
	event_base_loopbreak(worker->base);
}

static void on_terminate(evutil_socket_t number, short what, void *arg)
{
	struct worker *worker = arg;
	const struct timeval patience = { worker->options->patience_s, 0 };

	(void)number;
	(void)what;
	if (worker->is_ending)
		return;
	worker->is_ending = true;
	event_add(worker->patience_event, &patience);
	evhttp_del_accept_socket(worker->http, worker->socket);
	worker->socket = NULL;
	requests_finish(worker->requests, on_answered, worker);
}

/* ---- The beginning ---------------------------------------------------------------- */

static void open_loop(struct worker *worker)
{
	worker->base = event_base_new();
	if (!worker->base || evchan_libevent_loop_new(&worker->loop, worker->base) < 0)
		fatal("cannot make the loop");
	worker->accept_event = evtimer_new(worker->base, on_accept_again, worker);
	worker->patience_event = evtimer_new(worker->base, on_impatience, worker);
	worker->terminate_event =
			evsignal_new(worker->base, SIGTERM, on_terminate, worker);
	if (!worker->accept_event || !worker->patience_event ||
			!worker->terminate_event ||
			event_add(worker->terminate_event, NULL) < 0)
		fatal("cannot make the events");
}

static void open_handover(struct worker *worker, const struct sockets *sockets,
		unsigned incarnation)
{
	const struct handover_options options = {
		.address = sockets->channel_address,
		.capacity = worker->options->capacity,
		.worker = worker->number,
		.incarnation = incarnation,
	};
	int r;

	r = handover_open(&worker->handover, worker->loop, &options);
	if (r < 0)
		fatal("%s: %s", options.address, evchan_strerror(r));
}

static void open_http(struct worker *worker, const struct sockets *sockets)
{
	worker->requests = requests_open(worker->base, worker->handover, worker->number);
	worker->http = evhttp_new(worker->base);
	if (!worker->requests || !worker->http)
		fatal("cannot make the server");
	evhttp_set_allowed_methods(
			worker->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
	evhttp_set_max_headers_size(worker->http, HEADERS_MAX);
	evhttp_set_max_body_size(worker->http, BODY_MAX);
	evhttp_set_gencb(worker->http, requests_on_request, worker->requests);
	evhttp_set_bevcb(worker->http, on_accepted, worker);
	worker->socket = evhttp_accept_socket_with_handle(worker->http, sockets->http);
	if (!worker->socket)
		fatal("cannot accept connections");
}

static void clean_up(struct worker *worker)
{
	close_http(worker);
	handover_close(worker->handover);
	evchan_libevent_loop_free(worker->loop);
	event_free(worker->accept_event);
	event_free(worker->patience_event);
	event_free(worker->terminate_event);
	event_base_free(worker->base);
}

int worker_run(const struct options *options, const struct sockets *sockets,
		unsigned number, unsigned incarnation, const sigset_t *blocked)
{
	struct worker worker = { .options = options, .number = number };

	/* Of the terminal: the supervisor passes it on, as SIGTERM. */
	signal(SIGINT, SIG_IGN);
	open_loop(&worker);
	open_handover(&worker, sockets, incarnation);
	open_http(&worker, sockets);
	sigprocmask(SIG_UNBLOCK, blocked, NULL);
	event_base_dispatch(worker.base);
	clean_up(&worker);
	return worker.exit_status;
}
