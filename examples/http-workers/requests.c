/* SPDX-License-Identifier: MIT */

/*
 * From a request to its answer and its record.
 *
 * The record is handed over right *before* the answer, not when the last byte of it has left: whatever an outsider has
 * got an answer to is in the ring then, and survives this process. The price is that the log also has
 * answers whose connection broke on the way, and that the duration ends when the answer is given to libevent.
 *
 * An exchange is a request from its arrival until its answer is written. Who closes what, and when:
 *  - the answer is written: libevent says so (on_complete), the exchange ends;
 *  - the client hangs up while the answer is written: libevent frees the request and says on_closed, the exchange ends;
 *  - the client hangs up while the answer is slept for: libevent leaves the request to us, without a
 *    connection. The exchange goes on, and the answer to nobody frees the request;
 *  - the server is freed: so are all requests, and requests_close() frees the exchanges without touching them.
 *
 * What evhttp answers by itself (malformed requests, methods it does not know) comes by here not at all, and is not
 * in the log.
 */

#include "requests.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

#include "pages.h"

/* What nginx calls an answer that nobody has waited for. */
#define STATUS_CLIENT_GONE 499

#define ANSWERS_PER_CLOSE 500

struct exchange {
	LIST_ENTRY(exchange) link;
	struct requests *requests;
	struct evhttp_request *request;
	struct evbuffer *body;
	struct event *timer; /* NULL: does not sleep */
	unsigned status;
	bool is_closed; /* the client is gone */
	uint64_t begin_us;
	uint64_t time_us;
	char client[64];
};

struct requests {
	struct event_base *base;
	struct handover *handover;
	unsigned worker;
	uint64_t answers;
	LIST_HEAD(, exchange) exchanges;
	struct event *idle_event;
	void (*idle)(void *arg); /* NULL: not finishing */
	void *idle_arg;
};

static uint64_t microseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- The record ---------------------------------------------------------------- */

/* NULL: there is no such header. */
static ProtobufCBinaryData bytes_of(const char *text)
{
	/* protobuf-c's struct is for both directions, hence not const. */
	ProtobufCBinaryData bytes = { 0, NULL };

	if (text) {
		bytes.len = strlen(text);
		memcpy(&bytes.data, &text, sizeof(text));
	}
	return bytes;
}

static char *method_of(const struct evhttp_request *request)
{
	static char get[] = "GET", head[] = "HEAD", other[] = "POST";

	if (request->type == EVHTTP_REQ_GET)
		return get;
	return request->type == EVHTTP_REQ_HEAD ? head : other;
}

static void record(struct exchange *exchange, size_t body_bytes)
{
	HttpWorkers__AccessRecord record = HTTP_WORKERS__ACCESS_RECORD__INIT;
	struct evhttp_request *request = exchange->request;
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);

	record.time_us = exchange->time_us;
	record.duration_us = microseconds(CLOCK_MONOTONIC) - exchange->begin_us;
	record.status = exchange->status;
	record.body_bytes = body_bytes;
	record.version = (uint32_t)(request->major * 10 + request->minor);
	record.client = exchange->client;
	record.method = method_of(request);
	record.target = bytes_of(evhttp_request_get_uri(request));
	record.referer = bytes_of(evhttp_find_header(headers, "Referer"));
	record.user_agent = bytes_of(evhttp_find_header(headers, "User-Agent"));
	handover_record(exchange->requests->handover, &record);
}

/* ---- The end of an exchange ------------------------------------------------------ */

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct requests *requests = arg;

	(void)fd;
	(void)what;
	/* Another may have come meanwhile. */
	if (LIST_EMPTY(&requests->exchanges))
		requests->idle(requests->idle_arg);
}

static void look_for_idleness(struct requests *requests)
{
	static const struct timeval at_once;

	if (requests->idle && LIST_EMPTY(&requests->exchanges))
		event_add(requests->idle_event, &at_once);
}

static void free_exchange(struct exchange *exchange)
{
	LIST_REMOVE(exchange, link);
	if (exchange->timer)
		event_free(exchange->timer);
	evbuffer_free(exchange->body);
	free(exchange);
}

static void end_exchange(struct exchange *exchange)
{
	struct requests *requests = exchange->requests;

	free_exchange(exchange);
	look_for_idleness(requests);
}

static void on_complete(struct evhttp_request *request, void *arg)
{
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	end_exchange(arg);
}

static void on_closed(struct evhttp_connection *connection, void *arg)
{
	struct exchange *exchange = arg;

	(void)connection;
	if (exchange->timer)
		exchange->is_closed = true;
	else
		end_exchange(exchange);
}

/* ---- The answer ------------------------------------------------------------------ */

/*
 * A client that never closes its connection would stay with its worker for ever, and those that were started again
 * would have nothing to do: now and then one is asked to come anew.
 */
static bool is_last_of_connection(struct requests *requests)
{
	return requests->idle || ++requests->answers % ANSWERS_PER_CLOSE == 0;
}

static void add_headers(const struct exchange *exchange)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(exchange->request);
	char length[24];

	evhttp_add_header(headers, "Content-Type", "text/plain; charset=us-ascii");
	if (is_last_of_connection(exchange->requests))
		evhttp_add_header(headers, "Connection", "close");
	if (exchange->request->type == EVHTTP_REQ_HEAD) {
		evutil_snprintf(length, sizeof(length), "%zu",
				evbuffer_get_length(exchange->body));
		evhttp_add_header(headers, "Content-Length", length);
		evbuffer_drain(exchange->body, evbuffer_get_length(exchange->body));
	}
}

static void answer(struct exchange *exchange)
{
	bool is_closed = exchange->is_closed;

	if (exchange->timer) {
		event_free(exchange->timer);
		exchange->timer = NULL;
	}
	if (is_closed)
		exchange->status = STATUS_CLIENT_GONE;
	add_headers(exchange);
	record(exchange, is_closed ? 0 : evbuffer_get_length(exchange->body));
	evhttp_send_reply(exchange->request, (int)exchange->status, NULL, exchange->body);
	/* Otherwise one of the callbacks above ends it. */
	if (is_closed)
		end_exchange(exchange);
}

static void on_slept(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer(arg);
}

/* Sleeps for the answer. Without memory for that it is given at once. */
static bool begin_sleep(struct exchange *exchange, uint32_t sleep_ms)
{
	const struct timeval time = { sleep_ms / 1000, sleep_ms % 1000 * 1000 };

	exchange->timer = evtimer_new(exchange->requests->base, on_slept, exchange);
	return exchange->timer && event_add(exchange->timer, &time) == 0;
}

/* ---- The request ------------------------------------------------------------------ */

static struct exchange *begin_exchange(
		struct requests *requests, struct evhttp_request *request)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	struct evbuffer *body = evbuffer_new();

	if (!exchange || !body) {
		free(exchange);
		if (body)
			evbuffer_free(body);
		return NULL;
	}
	exchange->requests = requests;
	exchange->request = request;
	exchange->body = body;
	exchange->begin_us = microseconds(CLOCK_MONOTONIC);
	exchange->time_us = microseconds(CLOCK_REALTIME);
	LIST_INSERT_HEAD(&requests->exchanges, exchange, link);
	return exchange;
}

void requests_on_request(struct evhttp_request *request, void *arg)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct requests *requests = arg;
	struct exchange *exchange = begin_exchange(requests, request);
	struct page page;
	uint16_t port;
	char *client;

	if (!exchange) {
		evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	evhttp_connection_get_peer(connection, &client, &port);
	evutil_snprintf(exchange->client, sizeof(exchange->client), "%s", client);
	evhttp_connection_set_closecb(connection, on_closed, exchange);
	evhttp_request_set_on_complete_cb(request, on_complete, exchange);
	page = page_make(exchange->body, evhttp_request_get_uri(request),
			requests->worker);
	exchange->status = page.status;
	if (page.sleep_ms == 0 || !begin_sleep(exchange, page.sleep_ms))
		answer(exchange);
}

/* ---- The whole -------------------------------------------------------------------- */

struct requests *requests_open(
		struct event_base *base, struct handover *handover, unsigned worker)
{
	struct requests *requests = calloc(1, sizeof(*requests));

	if (!requests)
		return NULL;
	requests->base = base;
	requests->handover = handover;
	requests->worker = worker;
	LIST_INIT(&requests->exchanges);
	requests->idle_event = evtimer_new(base, on_idle, requests);
	if (!requests->idle_event) {
		free(requests);
		return NULL;
	}
	return requests;
}

void requests_close(struct requests *requests)
{
	if (!requests)
		return;
	while (!LIST_EMPTY(&requests->exchanges))
		free_exchange(LIST_FIRST(&requests->exchanges));
	event_free(requests->idle_event);
	free(requests);
}

void requests_finish(struct requests *requests, void (*idle)(void *arg), void *arg)
{
	requests->idle = idle;
	requests->idle_arg = arg;
	look_for_idleness(requests);
}
