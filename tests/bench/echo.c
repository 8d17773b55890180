/* SPDX-License-Identifier: MIT */
/*
 * Round trips: questions, answers, samples. See echo.h.
 *
 * The clock is read once per round trip: the end of one is the beginning of the next,
 * so that no time is lost between samples and their sum is the time that passed.
 */

#include "echo.h"

#include <string.h>

#include "process.h"

void echo_init(struct echo *echo, struct board *board, size_t size, bool asks,
		double warm_up, double seconds)
{
	memset(echo, 0, sizeof(*echo));
	echo->board = board;
	echo->size = size;
	echo->asks = asks;
	echo->begin_ns = (uint64_t)(warm_up * 1e9);
	echo->end_ns = (uint64_t)((warm_up + seconds) * 1e9);
}

const void *echo_begin(struct echo *echo)
{
	echo->asked_ns = process_now_ns();
	echo->begin_ns += echo->asked_ns;
	echo->end_ns += echo->asked_ns;
	return echo->message;
}

static void keep_sample(struct echo *echo, uint64_t now)
{
	uint64_t nanoseconds = now - echo->asked_ns;

	if (echo->asked_ns < echo->begin_ns)
		return;
	echo->board->samples_ns[echo->board->sample_count++] =
			nanoseconds < UINT32_MAX ? (uint32_t)nanoseconds : UINT32_MAX;
}

const void *echo_next(struct echo *echo, const void *data, size_t size)
{
	uint64_t now;

	if (size != echo->size)
		process_die("an answer of %zu bytes came instead of %zu", size,
				echo->size);
	if (!echo->asks) {
		memmove(echo->message, data, size);
		return echo->message;
	}
	if (memcmp(data, echo->message, size) != 0)
		process_die("the answer is not that to the question");
	now = process_now_ns();
	keep_sample(echo, now);
	/* On a busy machine the time may be over before the first question that
	 * counts: then that one is waited for. */
	if (echo->board->sample_count &&
			(now >= echo->end_ns || echo->board->sample_count == BOARD_SAMPLES_MAX))
		return NULL;
	echo->asked_ns = now;
	/* Each question differs from the last, so an old answer would be noticed. */
	memcpy(echo->message, &now, sizeof(now));
	return echo->message;
}
