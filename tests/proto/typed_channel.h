/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_TYPED_CHANNEL_H
#define EVCHAN_TESTS_TYPED_CHANNEL_H

/*
 * A sender and a receiver of typed messages on one base, in one process. All types of schemas.h travel through it,
 * under their places, beginning with 1.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "scene.h"
#include "schemas.h"
#include "test_receiver.h"
#include "test_sender.h"

struct typed_channel {
	struct stage stage;
	struct test_receiver receiver;
	struct test_sender sender;
	struct evchan_proto_types *types;
	struct evchan_proto_sender *sending;
	struct evchan_proto_receiver *receiving;
	/* What came. */
	unsigned decoded;
	unsigned unknown;
	unsigned undecodable;
	int result; /* of the last dispatch */
	int error; /* of the last that was undecodable, and the rest of what was said of it */
	size_t offset;
	const ProtobufCMessageDescriptor *type;
	char text[512];
	/* Called with each decoded message, unless NULL. */
	void (*act)(struct typed_channel *channel,
			const struct evchan_proto_message *message);
	void *arg; /* for `act` */
};

static inline void typed_channel_on_message(
		const struct evchan_proto_message *message, void *arg)
{
	struct typed_channel *channel = arg;

	channel->decoded++;
	if (channel->act)
		channel->act(channel, message);
}

static inline void typed_channel_on_unknown(const struct evchan_message *raw, void *arg)
{
	struct typed_channel *channel = arg;

	(void)raw;
	channel->unknown++;
}

static inline void typed_channel_on_undecodable(const struct evchan_message *raw,
		const ProtobufCMessageDescriptor *type, int error, size_t offset,
		const char *text, void *arg)
{
	struct typed_channel *channel = arg;

	(void)raw;
	channel->undecodable++;
	channel->error = error;
	channel->offset = offset;
	channel->type = type;
	strncpy(channel->text, text, sizeof(channel->text) - 1);
}

static inline void typed_channel_dispatch(struct test_receiver *receiver,
		enum heard heard, struct evchan_lane *lane,
		const struct evchan_message *message)
{
	struct typed_channel *channel = receiver->arg;

	if (heard == HEARD_MESSAGE && channel->receiving)
		channel->result = evchan_proto_dispatch(channel->receiving, message);
	if (heard == HEARD_LEFT && channel->receiving)
		evchan_proto_left(channel->receiving, lane);
}

static inline struct evchan_proto_types *typed_channel_make_types(void)
{
	struct evchan_proto_types *types;

	CHECK_EQUAL(evchan_proto_types_new(&types), 0);
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		CHECK_EQUAL(evchan_proto_types_add(
					    types, all_schemas[i], (uint32_t)i + 1),
				0);
	return types;
}

static inline void typed_channel_open_receiving(struct typed_channel *channel,
		const struct evchan_proto_receiver_options *options)
{
	struct evchan_proto_callbacks callbacks = EVCHAN_PROTO_CALLBACKS_INIT;

	callbacks.unknown = typed_channel_on_unknown;
	callbacks.undecodable = typed_channel_on_undecodable;
	CHECK_EQUAL(evchan_proto_receiver_new(&channel->receiving, channel->types,
				    options, &callbacks, channel),
			0);
	for (size_t i = 0; i < SCHEMA_COUNT; i++)
		CHECK_EQUAL(evchan_proto_on(channel->receiving, all_schemas[i],
					    typed_channel_on_message, channel),
				0);
}

/* Either kind of options may be NULL. */
static inline void typed_channel_open(struct typed_channel *channel, uint64_t capacity,
		const struct evchan_receiver_options *options,
		const struct evchan_proto_receiver_options *proto_options)
{
	struct evchan_sender_options sender_options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(channel, 0, sizeof(*channel));
	sender_options.capacity = capacity;
	sender_options.notes_size = 32768;
	stage_open(&channel->stage, NULL);
	channel->receiver.act = typed_channel_dispatch;
	channel->receiver.arg = channel;
	test_receiver_open(&channel->receiver, &channel->stage, scene_address(), options);
	test_sender_open(&channel->sender, &channel->stage, scene_address(),
			&sender_options);
	STAGE_UNTIL(&channel->stage, channel->sender.calls[TOLD_CONNECTED]);
	channel->types = typed_channel_make_types();
	CHECK_EQUAL(evchan_proto_sender_new(&channel->sending, channel->sender.sender,
				    channel->types),
			0);
	typed_channel_open_receiving(channel, proto_options);
}

static inline void typed_channel_close(struct typed_channel *channel)
{
	evchan_proto_sender_free(channel->sending);
	test_sender_free(&channel->sender);
	test_receiver_free(&channel->receiver);
	evchan_proto_receiver_free(channel->receiving);
	evchan_proto_types_free(channel->types);
	stage_close(&channel->stage);
}

/* Until one more message has come, of whatever kind. */
static inline void typed_channel_await(struct typed_channel *channel)
{
	unsigned before = channel->receiver.calls[HEARD_MESSAGE];

	STAGE_UNTIL(&channel->stage, channel->receiver.calls[HEARD_MESSAGE] > before);
}

/* Sends one, which must arrive. */
static inline void typed_channel_send(
		struct typed_channel *channel, const ProtobufCMessage *message)
{
	unsigned before = channel->decoded;

	CHECK_EQUAL(evchan_proto_send(channel->sending, message, 0), 0);
	typed_channel_await(channel);
	check_context = channel->text;
	CHECK_EQUAL(channel->decoded, before + 1);
	check_context = NULL;
}

#endif
