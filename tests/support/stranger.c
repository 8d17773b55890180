/* SPDX-License-Identifier: MIT */
/*
 * One attempt after the other on one receiver, so that each also shows that the one
 * before has left nothing behind. Between two, all that was passed is closed: who has too
 * much waiting for that may not even say hello.
 */

#include "stranger.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disposal.h"
#include "scene.h"

void stranger_check_refused(struct company *company, struct hostile_peer *peer,
		enum control_refusal refusal)
{
	struct control_refused refused;
	char culprit[64];

	CHECK_EQUAL(hostile_hear(peer, &company->stage, &refused), CONTROL_REFUSED);
	CHECK_EQUAL(refused.refusal, refusal);
	CHECK_EQUAL(refused.final, control_refusal_is_final(refusal));
	CHECK(*refused.text);
	CHECK_EQUAL(hostile_hear(peer, &company->stage, &refused), 0);
	CHECK_EQUAL(company->receiver.error, control_refusal_error(refusal));
	snprintf(culprit, sizeof(culprit), "pid %ld uid %lu", (long)getpid(),
			(unsigned long)geteuid());
	CHECK(strstr(company->receiver.text, culprit));
}

static void try_attempt(struct company *company, const struct stranger_attempt *attempt)
{
	struct hostile_peer peer = HOSTILE_PEER_NONE;

	check_context = attempt->name;
	hostile_make_ring(&peer, STRANGER_CAPACITY, &attempt->memory);
	if (attempt->spoil)
		attempt->spoil(&peer);
	hostile_connect(&peer, scene_address());
	if (attempt->say)
		attempt->say(&peer);
	else
		hostile_say_hello(&peer);
	stranger_check_refused(company, &peer, attempt->refusal);
	CHECK_EQUAL(company->joined, 0);
	company_check(company);
	hostile_close(&peer);
	CHECK_EQUAL(disposal_wait(10000), 0);
	check_context = NULL;
}

void strangers_try_all(const struct stranger_attempt *attempts, size_t count)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct company company = { 0 };

	options.hello_timeout_ms = 50;
	company_open(&company, NULL, &options);
	for (size_t i = 0; i < count; i++)
		try_attempt(&company, &attempts[i]);
	CHECK_EQUAL(company.receiver.calls[HEARD_ERROR], count);
	company_close(&company);
}

void stranger_say_hello_with(struct hostile_peer *peer, const int *fds, size_t count)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_hello(frame, &peer->hello), fds, count);
}

void stranger_publish(struct hostile_peer *peer, uint64_t tail)
{
	hostile_publish(peer, tail);
	hostile_ring(peer);
}

void stranger_join(struct hostile_peer *peer, struct company *company)
{
	unsigned messages = company->messages;

	*peer = (struct hostile_peer)HOSTILE_PEER_NONE;
	hostile_make_ring(peer, STRANGER_SMALL_CAPACITY, NULL);
	hostile_join(peer, &company->stage, scene_address());
	hostile_put_record(peer, 0, 16, 1);
	stranger_publish(peer, STRANGER_FIRST_TAIL);
	STAGE_UNTIL(&company->stage, company->messages > messages);
}
