/* SPDX-License-Identifier: MIT */

/*
 * Prints what a stream has, oldest first, one line for each message:
 *
 *	ID <tab> SUBJECT <tab> TYPE <tab> TYPE-NAME <tab> SCHEMA <tab> PAYLOAD
 *
 * with "-" for headers that are not there, and \OOO for bytes of the payload that cannot be printed. It shares no code with the bridge, and asks the server how many
 * messages there are before it reads them: none more, none less.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <nats/nats.h>

static void check(natsStatus status, const char *what)
{
	if (status == NATS_OK)
		return;
	fprintf(stderr, "stream_reader: %s: %s\n", what, natsStatus_GetText(status));
	exit(1);
}

static const char *header(natsMsg *message, const char *key)
{
	const char *value;

	return natsMsgHeader_Get(message, key, &value) == NATS_OK ? value : "-";
}

static void print_payload(const unsigned char *bytes, int size)
{
	for (; size > 0; size--, bytes++) {
		if (*bytes < 0x20 || *bytes >= 0x7f || *bytes == '\\')
			printf("\\%03o", *bytes);
		else
			putchar(*bytes);
	}
	putchar('\n');
}

static void print(natsMsg *message)
{
	printf("%s\t%s\t%s\t%s\t%s\t", header(message, "Nats-Msg-Id"),
			natsMsg_GetSubject(message), header(message, "Evchan-Type"),
			header(message, "Evchan-Type-Name"),
			header(message, "Evchan-Schema"));
	print_payload((const unsigned char *)natsMsg_GetData(message),
			natsMsg_GetDataLength(message));
}

static uint64_t count_messages(jsCtx *context, const char *stream)
{
	jsStreamInfo *info;
	uint64_t count;

	check(js_GetStreamInfo(&info, context, stream, NULL, NULL), stream);
	count = info->State.Msgs;
	jsStreamInfo_Destroy(info);
	return count;
}

static void read_messages(jsCtx *context, const char *stream, uint64_t count)
{
	natsSubscription *subscription;
	jsSubOptions options;
	natsMsg *message;

	jsSubOptions_Init(&options);
	options.Stream = stream;
	options.Ordered = true;
	check(js_SubscribeSync(&subscription, context, ">", NULL, &options, NULL),
			"subscribing");
	check(natsSubscription_SetPendingLimits(subscription, -1, -1), "limits");
	for (; count > 0; count--) {
		check(natsSubscription_NextMsg(&message, subscription, 20000), "reading");
		print(message);
		natsMsg_Destroy(message);
	}
	natsSubscription_Destroy(subscription);
}

int main(int argc, char **argv)
{
	natsConnection *connection;
	jsCtx *context;
	uint64_t count;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "Usage: stream_reader URL STREAM [--count]\n");
		return 2;
	}
	check(natsConnection_ConnectTo(&connection, argv[1]), argv[1]);
	check(natsConnection_JetStream(&context, connection, NULL), "JetStream");
	count = count_messages(context, argv[2]);
	if (argc == 4)
		printf("%" PRIu64 "\n", count);
	else
		read_messages(context, argv[2], count);
	jsCtx_Destroy(context);
	natsConnection_Destroy(connection);
	nats_Close();
	return 0;
}
