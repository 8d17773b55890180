/* SPDX-License-Identifier: MIT */
/*
 * The neighbour's stream is checked message by message all the time (stream.c), so that
 * disturbing it in any way fails the test; company_check() sees to it that it has not
 * merely stopped.
 */

#include "company.h"

#include "scene.h"

static void stranger_heard(struct company *company, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	switch ((int)heard) {
	case HEARD_JOINED:
		company->joined++;
		company->lane = lane;
		break;
	case HEARD_HUNG_UP:
		company->hung_up++;
		break;
	case HEARD_LEFT:
		company->left++;
		company->reason = company->receiver.left_reason;
		break;
	case HEARD_MESSAGE:
		company->messages++;
	}
	if (company->act)
		company->act(company, heard, lane, message);
}

static void company_heard(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct company *company = receiver->arg;

	if (!lane || !*evchan_lane_label(lane) || stream_of(lane) != COMPANY_NEIGHBOUR) {
		stranger_heard(company, heard, lane, message);
		return;
	}
	CHECK(heard == HEARD_MESSAGE || heard == HEARD_JOINED);
	if (heard == HEARD_MESSAGE)
		stream_receive(&company->sink, message);
}

void company_check(struct company *company)
{
	const uint64_t *received = &company->sink.next[COMPANY_NEIGHBOUR];
	uint64_t noted = *received;

	STAGE_UNTIL(&company->stage, *received > noted + 10);
}

void company_open(struct company *company, const char *backend,
		const struct evchan_receiver_options *options)
{
	stage_open(&company->stage, backend);
	company->neighbour = stream_start_endless(COMPANY_NEIGHBOUR, NULL);
	company->receiver.act = company_heard;
	company->receiver.arg = company;
	test_receiver_open(&company->receiver, &company->stage, scene_address(), options);
	company_check(company);
}

void company_close(struct company *company)
{
	company_check(company);
	test_receiver_free(&company->receiver);
	scene_kill(company->neighbour);
	stage_close(&company->stage);
}
