/* SPDX-License-Identifier: MIT */
/*
 * One sender, many receivers. Its ring is small, so that its positions go round it many
 * times, and an eighth of it, after which a receiver has to release, is less than ten
 * messages.
 */

#include "killed_receiver.h"

#include <errno.h>
#include <string.h>

#include "cursor.h"
#include "disposal.h"
#include "process.h"
#include "ring_reader.h"
#include "scene.h"
#include "sender.h"

#define PATIENCE_MS 20000
#define TURNS 8

static unsigned count_at_rest(void)
{
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	return count_open_descriptors();
}

static uint64_t *position_of(struct succession *this, uint64_t number)
{
	CHECK(number < DIARY_ENTRIES);
	return &this->positions[number];
}

/* ---- The sender ------------------------------------------------------------------ */

static void sender_acts(struct test_sender *sender, enum told told)
{
	(void)sender;
	CHECK(told != TOLD_REFUSED);
}

static void make_sender(struct succession *this)
{
	const struct evchan_sender_options options = { .size = sizeof(options),
		.label = "0",
		.capacity = HEIR_CAPACITY,
		.flags = EVCHAN_SENDER_WAIT,
		.bell = this->bell,
		.reconnect_min_ms = 1,
		.reconnect_max_ms = 1 };

	memset(&this->sender, 0, sizeof(this->sender));
	this->sender.act = sender_acts;
	this->stream = (struct stream){
		.id = HEIR_STREAM, .count = UINT64_MAX, .most = HEIR_MOST
	};
	test_sender_open(&this->sender, &this->stage, this->address, &options);
}

void succession_open(struct succession *this, enum evchan_bell bell)
{
	struct diary *diary = this->diary;

	memset(this, 0, sizeof(*this));
	this->diary = diary ? diary : scene_share(sizeof(*diary));
	this->bell = bell;
	strcpy(this->address, scene_path("socket"));
	stage_open(&this->stage, NULL);
	make_sender(this);
	this->open_descriptors = count_at_rest();
}

void succession_renew_sender(struct succession *this)
{
	test_sender_free(&this->sender);
	make_sender(this);
}

void succession_close(struct succession *this)
{
	test_sender_free(&this->sender);
	stage_close(&this->stage);
}

/* Whether there was room for it. */
static bool send_one(struct succession *this)
{
	int r;

	*position_of(this, this->stream.next) = this->sender.sender->ring.written;
	r = stream_send(&this->stream, this->sender.sender, 1);
	CHECK(r == -EINPROGRESS || r == -EAGAIN);
	return r == -EINPROGRESS;
}

void succession_send(struct succession *this, unsigned count)
{
	while (count--)
		CHECK(send_one(this));
	/* It may have been a burst, and the loop does not run before the victim does. */
	evchan_sender_wake(this->sender.sender);
}

void succession_fill(struct succession *this)
{
	while (send_one(this))
		;
}

void succession_settle(struct succession *this)
{
	stage_look(&this->stage, TURNS);
}

/* ---- The victim ------------------------------------------------------------------ */

void succession_start(struct succession *this, void (*role)(void *arg), void *arg)
{
	this->diary->count = 0;
	/* Every victim gets the same messages, so that all do the same. */
	this->stream.next = 0;
	this->head = UNKNOWN_HEAD;
	memset(this->sender.calls, 0, sizeof(this->sender.calls));
	this->victim = scene_start(role, arg);
}

void diary_note(struct diary *diary, const struct evchan_message *message)
{
	uint64_t at = diary->count;

	CHECK(at < DIARY_ENTRIES);
	diary->entries[at].number = message->type; /* all are below 2^24 */
	diary->entries[at].sequence = message->sequence;
	diary->count = at + 1;
}

void succession_look(struct succession *this)
{
	const struct ring_page *page = this->sender.sender->ring.page;

	if (page)
		this->head = cursor_observe(&page->head);
}

/* ---- The successor --------------------------------------------------------------- */

static void successor_acts(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	struct succession *this = receiver->arg;
	uint64_t number;

	CHECK(heard != HEARD_ERROR);
	if (heard != HEARD_MESSAGE || stream_of(lane) != HEIR_STREAM)
		return;
	number = message->type;
	if (this->successor_next == UINT64_MAX)
		this->successor_first = this->successor_next = number;
	CHECK_EQUAL(number, this->successor_next);
	CHECK_EQUAL(message->sequence, *position_of(this, number));
	stream_check(message, HEIR_STREAM, number);
	this->successor_next++;
}

static void let_successor_take_over(struct succession *this)
{
	this->successor = (struct test_receiver){ .act = successor_acts, .arg = this };
	this->successor_first = this->successor_next = UINT64_MAX;
	test_receiver_open(&this->successor, &this->stage, this->address, NULL);
	STAGE_UNTIL(&this->stage, this->successor.calls[HEARD_JOINED]);
	/* Always one more: a sender that was full has room again, and one that was not
	 * goes on. */
	succession_settle(this);
	succession_send(this, 1);
	STAGE_UNTIL(&this->stage, this->successor_next == this->stream.next);
}

static void check_diary(struct succession *this)
{
	const struct diary *diary = this->diary;

	for (uint64_t i = 0; i < diary->count; i++) {
		CHECK_EQUAL(diary->entries[i].number, i);
		CHECK_EQUAL(diary->entries[i].sequence, *position_of(this, i));
	}
}

/* Whether the victim was right not to have released the last `count` messages it had
 * got. */
static bool may_repeat(struct succession *this, uint64_t count)
{
	uint64_t last = this->diary->count - 1;
	uint64_t bytes = *position_of(this, last) - *position_of(this, last + 1 - count);

	/* All of them but the last were due to be released together with it, at the
	 * latest. */
	return count <= RING_RELEASE_MESSAGES &&
			bytes < HEIR_CAPACITY / RING_RELEASE_SHARE;
}

void succession_check(struct succession *this, bool holding)
{
	uint64_t end = this->diary->count;
	uint64_t repeats;

	check_diary(this);
	let_successor_take_over(this);
	CHECK(this->successor_first <= end);
	if (this->head != UNKNOWN_HEAD)
		CHECK_EQUAL(*position_of(this, this->successor_first), this->head);
	repeats = end - this->successor_first;
	CHECK(repeats == 0 || holding || may_repeat(this, repeats));
	CHECK(this->sender.calls[TOLD_CONNECTED] >= 1);
	CHECK_EQUAL(evchan_lane_resumed(this->successor.lane), this->sender.resumed);
}

void succession_end(struct succession *this)
{
	unsigned disconnected = this->sender.calls[TOLD_DISCONNECTED];

	test_receiver_free(&this->successor);
	STAGE_UNTIL(&this->stage, this->sender.calls[TOLD_DISCONNECTED] > disconnected);
	CHECK_EQUAL(this->sender.disconnect_error, 0);
	CHECK_EQUAL(scene_count_files(), 0);
	CHECK_EQUAL(count_at_rest(), this->open_descriptors);
}
