/* SPDX-License-Identifier: MIT */

/*
 * Making the stream and the consumer that the command line names.
 *
 * A stream is made for the subjects that the template can make. It keeps messages in files, and those only that it has
 * acknowledged: at its limits it refuses new ones (DiscardNew), for an old one that is thrown away was
 * acknowledged, and its sender has forgotten it.
 *
 * A stream or consumer that exists is taken as it is: somebody has chosen that.
 *
 * The consumer pushes, to an inbox of its own. It is made apart from the subscription: one that libnats makes
 * with a subscription is deleted with it, and what was not acknowledged is forgotten.
 */

#include "stream_setup.h"

#include "nats_options.h"
#include "subject.h"

#define NANOSECONDS INT64_C(1000000000)

static natsStatus make_stream(jsCtx *stream, const struct nats_options *options)
{
	const char *subject = options->subject ? options->subject : options->stream;
	char pattern[SUBJECT_MAX];
	const char *patterns[1] = { pattern };
	jsStreamConfig config;

	subject_pattern(pattern, subject);
	jsStreamConfig_Init(&config);
	config.Name = options->stream;
	config.Subjects = patterns;
	config.SubjectsLen = 1;
	config.Discard = js_DiscardNew;
	config.Replicas = options->replicas;
	config.Duplicates = (int64_t)options->duplicate_window * NANOSECONDS;
	return js_AddStream(NULL, stream, &config, NULL, NULL);
}

static natsStatus make_consumer(jsCtx *stream, const struct nats_options *options)
{
	char filter[SUBJECT_MAX];
	jsConsumerConfig config;
	natsInbox *inbox = NULL;
	natsStatus status = natsInbox_Create(&inbox);

	if (status != NATS_OK)
		return status;
	jsConsumerConfig_Init(&config);
	config.Durable = options->consumer;
	config.DeliverSubject = inbox;
	config.DeliverPolicy = js_DeliverAll;
	config.AckPolicy = js_AckExplicit;
	config.AckWait = (int64_t)options->ack_wait * NANOSECONDS;
	config.MaxAckPending = (int64_t)options->max_in_flight;
	if (options->subject) {
		subject_pattern(filter, options->subject);
		config.FilterSubject = filter;
	}
	status = js_AddConsumer(NULL, stream, options->stream, &config, NULL, NULL);
	natsInbox_Destroy(inbox);
	return status;
}

natsStatus stream_setup(jsCtx *stream, const struct nats_options *options)
{
	jsConsumerInfo *consumer = NULL;
	jsStreamInfo *info = NULL;
	natsStatus status = js_GetStreamInfo(&info, stream, options->stream, NULL, NULL);

	jsStreamInfo_Destroy(info);
	if (status == NATS_NOT_FOUND)
		status = make_stream(stream, options);
	if (status != NATS_OK || !options->consumer)
		return status;
	status = js_GetConsumerInfo(&consumer, stream, options->stream, options->consumer,
			NULL, NULL);
	jsConsumerInfo_Destroy(consumer);
	if (status == NATS_NOT_FOUND)
		status = make_consumer(stream, options);
	return status;
}
