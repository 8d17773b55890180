/* SPDX-License-Identifier: MIT */

/*
 * What a program does that has no channel: it has a connection to NATS of its own, and publishes to JetStream itself,
 * asynchronously, with as many messages in flight and the same kind of ids as the bridge. Ends when all are
 * acknowledged. It is what `benchmark` compares the bridge with.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nats/nats.h>

#define IN_FLIGHT 4096

static void check(natsStatus status, const char *what)
{
	if (status == NATS_OK)
		return;
	fprintf(stderr, "direct_publisher: %s: %s\n", what, natsStatus_GetText(status));
	exit(1);
}

static void on_error(jsCtx *context, jsPubAckErr *error, void *arg)
{
	(void)context;
	(void)arg;
	fprintf(stderr, "direct_publisher: %s\n", error->ErrText);
	_Exit(1);
}

static void publish(jsCtx *context, const char *subject, long count, int size)
{
	char *payload = malloc((size_t)size + 1);
	jsPubOptions options;
	char id[64];

	if (!payload)
		exit(1);
	memset(payload, 'x', (size_t)size);
	jsPubOptions_Init(&options);
	options.MsgId = id;
	for (long i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "%.15s-%016lx", subject + strlen("bench."), i);
		check(js_PublishAsync(context, subject, payload, size, &options),
				"publishing");
	}
	check(js_PublishAsyncComplete(context, NULL), "waiting for acknowledgements");
	free(payload);
}

int main(int argc, char **argv)
{
	natsConnection *connection;
	jsOptions options;
	jsCtx *context;

	if (argc != 5) {
		fprintf(stderr, "Usage: direct_publisher URL bench.NAME COUNT SIZE\n");
		return 2;
	}
	check(natsConnection_ConnectTo(&connection, argv[1]), argv[1]);
	jsOptions_Init(&options);
	options.PublishAsync.MaxPending = IN_FLIGHT;
	options.PublishAsync.StallWait = 60000;
	options.PublishAsync.ErrHandler = on_error;
	check(natsConnection_JetStream(&context, connection, &options), "JetStream");
	publish(context, argv[2], strtol(argv[3], NULL, 10),
			(int)strtol(argv[4], NULL, 10));
	jsCtx_Destroy(context);
	natsConnection_Destroy(connection);
	nats_Close();
	return 0;
}
