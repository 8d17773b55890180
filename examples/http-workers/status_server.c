/* SPDX-License-Identifier: MIT */

/*
 * An evhttp server on the collector's base. Both pages are made afresh for each request, from counters, in well under a
 * millisecond; nothing that a client of the workers has said is on them.
 */

#include "status_server.h"

#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/http.h>

#include "metrics.h"
#include "status_page.h"

struct status_server {
	struct evhttp *http;
	const struct evchan_receiver *receiver;
	const struct totals *totals;
};

typedef void write_page(struct evbuffer *text, const struct totals *totals,
		const struct evchan_receiver *receiver);

static void answer(struct evhttp_request *request, const struct status_server *server,
		write_page *write, const char *type)
{
	struct evbuffer *text = evbuffer_new();

	if (!text) {
		evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	write(text, server->totals, server->receiver);
	evhttp_add_header(
			evhttp_request_get_output_headers(request), "Content-Type", type);
	evhttp_send_reply(request, HTTP_OK, NULL, text);
	evbuffer_free(text);
}

static void on_metrics(struct evhttp_request *request, void *arg)
{
	answer(request, arg, metrics_write, "text/plain; version=0.0.4; charset=utf-8");
}

static void on_page(struct evhttp_request *request, void *arg)
{
	answer(request, arg, status_page_write, "text/html; charset=utf-8");
}

struct status_server *status_server_open(struct event_base *base, int socket,
		const struct evchan_receiver *receiver, const struct totals *totals)
{
	struct status_server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->receiver = receiver;
	server->totals = totals;
	server->http = evhttp_new(base);
	if (!server->http || evhttp_accept_socket(server->http, socket) < 0) {
		status_server_close(server);
		return NULL;
	}
	evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET);
	evhttp_set_cb(server->http, "/metrics", on_metrics, server);
	evhttp_set_cb(server->http, "/", on_page, server);
	return server;
}

void status_server_close(struct status_server *server)
{
	if (server && server->http)
		evhttp_free(server->http);
	free(server);
}
