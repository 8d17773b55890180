/* SPDX-License-Identifier: MIT */
/*
 * P8, against a sender that publishes and never rings. It delays itself and nobody else:
 * what it has published is served when it is looked at, which is at its end at the latest.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "company.h"
#include "scene.h"
#include "stranger.h"

#define RECORD 24u /* of a message of 16 bytes */
#define SILENT 50u /* messages it does not ring for */

static void publish_silently(struct hostile_peer *peer)
{
	for (uint64_t i = 1; i <= SILENT; i++)
		hostile_put_record(peer, i * RECORD, 16, 1);
	hostile_publish(peer, (SILENT + 1) * RECORD);
}

/* Nothing of it comes while it is silent, and the neighbour does not mind; all comes when
 * it hangs up. */
static void silence_delays_its_sender_only(void **state)
{
	struct company company = { 0 };
	struct hostile_peer peer;

	(void)state;
	company_open(&company, NULL, NULL);
	stranger_join(&peer, &company);
	stage_look(&company.stage, 8);
	publish_silently(&peer);
	company_check(&company);
	CHECK_EQUAL(company.messages, 1);
	CHECK_EQUAL(company.hung_up, 0);
	hostile_close(&peer);
	STAGE_UNTIL(&company.stage, company.left);
	CHECK_EQUAL(company.messages, 1 + SILENT);
	CHECK_EQUAL(company.reason, EVCHAN_LEFT_CRASHED);
	CHECK_EQUAL(company.receiver.calls[HEARD_ERROR], 0);
	company_close(&company);
}

/* One ring makes up for all that were left out. */
static void one_ring_is_enough(void **state)
{
	struct company company = { 0 };
	struct hostile_peer peer;

	(void)state;
	company_open(&company, NULL, NULL);
	stranger_join(&peer, &company);
	publish_silently(&peer);
	hostile_ring(&peer);
	STAGE_UNTIL(&company.stage, company.messages == 1 + SILENT);
	CHECK_EQUAL(company.left, 0);
	hostile_close(&peer);
	STAGE_UNTIL(&company.stage, company.left);
	company_close(&company);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(silence_delays_its_sender_only),
		SCENE_TEST(one_ring_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
