/* SPDX-License-Identifier: MIT */
/* What a writer is asked for at the wrong time, or without room, is refused, and changes nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare_messages.h"
#include "typed_channel.h"

struct writing {
	struct typed_channel channel;
	struct evchan_proto_writer writer;
	struct evchan_span span;
	const ProtobufCMessage *expected;
};

static void check_message(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	const struct writing *writing = channel->arg;

	CHECK(messages_are_equal(message->message, writing->expected));
}

static int set_up(void **state)
{
	struct writing *writing = calloc(1, sizeof(*writing));

	scene_set_up(state);
	typed_channel_open(&writing->channel, 4096, NULL, NULL);
	writing->channel.act = check_message;
	writing->channel.arg = writing;
	*state = writing;
	return 0;
}

static int tear_down(void **state)
{
	struct writing *writing = *state;

	typed_channel_close(&writing->channel);
	free(writing);
	return scene_tear_down(state);
}

static int begin(struct writing *writing, const ProtobufCMessageDescriptor *type,
		size_t max)
{
	return evchan_proto_writer_begin(
			&writing->writer, writing->channel.sending, type, max);
}

static int open_field(struct writing *writing, uint32_t field, size_t most, size_t align)
{
	return evchan_proto_writer_open(
			&writing->span, &writing->writer, field, most, align);
}

/* Commits, and expects this. */
static void commit(struct writing *writing, const ProtobufCMessage *expected)
{
	unsigned before = writing->channel.decoded;

	writing->expected = expected;
	CHECK_EQUAL(evchan_proto_writer_commit(&writing->writer, 0), 0);
	typed_channel_await(&writing->channel);
	CHECK_EQUAL(writing->channel.decoded, before + 1);
}

/* A type that is not in the set, or a size that can never be had. */
static void impossible_messages_are_not_begun(void **state)
{
	ProtobufCMessageDescriptor stranger = evchan__test__leaf__descriptor;
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct writing *writing = *state;

	CHECK_EQUAL(begin(writing, &stranger, 10), -ENOENT);
	CHECK_EQUAL(begin(writing, &evchan__test__leaf__descriptor, 5000), -EMSGSIZE);
	CHECK_EQUAL(begin(writing, &evchan__test__leaf__descriptor, 10), 0);
	CHECK_EQUAL(begin(writing, &evchan__test__leaf__descriptor, 10), -EBUSY);
	CHECK_EQUAL(evchan_proto_send(writing->channel.sending, &leaf.base, 0), -EBUSY);
	evchan_proto_writer_abort(&writing->writer);
}

/* Fields that the type does not have, or that are of another kind; alignments that are none. */
static void impossible_fields_are_not_opened(void **state)
{
	static const uint32_t closed[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16,
		17 };
	static const size_t aligns[] = { 0, 3, 6, 12, 8192, SIZE_MAX };
	Evchan__Test__Optional nothing = EVCHAN__TEST__OPTIONAL__INIT;
	struct writing *writing = *state;

	CHECK_EQUAL(begin(writing, &evchan__test__optional__descriptor, 100), 0);
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
		CHECK_EQUAL(open_field(writing, closed[i], 8, 1), -EINVAL);
	CHECK_EQUAL(open_field(writing, 18, 8, 1), -ENOENT);
	CHECK_EQUAL(open_field(writing, 0, 8, 1), -ENOENT);
	CHECK_EQUAL(open_field(writing, UINT32_MAX, 8, 1), -ENOENT);
	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++)
		CHECK_EQUAL(open_field(writing, 14, 8, aligns[i]), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 14), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 18), -ENOENT);
	CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 0), -EINVAL);
	commit(writing, &nothing.base);
}

/* Between open and close there is only close, and abort. */
static void open_field_comes_first(void **state)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;
	struct writing *writing = *state;

	CHECK_EQUAL(begin(writing, &evchan__test__optional__descriptor, 100), 0);
	CHECK_EQUAL(open_field(writing, 14, 8, 1), 0);
	CHECK_EQUAL(open_field(writing, 14, 8, 1), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 17), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, &optional.base),
			-EINVAL);
	CHECK_EQUAL(evchan_proto_writer_commit(&writing->writer, 0), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 9), -EINVAL);
	memcpy(writing->span.data, "text", 4);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 4), 0);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 4), -EINVAL);
	optional.o_string = (char[]){ "text" };
	commit(writing, &optional.base);
}

/* Half a number is none. */
static void arrays_have_whole_values(void **state)
{
	Evchan__Test__Repeated repeated = EVCHAN__TEST__REPEATED__INIT;
	struct writing *writing = *state;
	const uint8_t written[8] = { 1 }; /* little-endian */
	uint64_t one = 1;

	CHECK_EQUAL(begin(writing, &evchan__test__repeated__descriptor, 100), 0);
	CHECK_EQUAL(open_field(writing, 30, 24, 8), 0);
	memcpy(writing->span.data, written, sizeof(written));
	for (size_t used = 1; used < 24; used++)
		if (used % 8)
			CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, used),
					-EINVAL);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 8), 0);
	/* Varints cannot be filled in. */
	CHECK_EQUAL(open_field(writing, 21, 8, 1), -EINVAL);
	CHECK_EQUAL(open_field(writing, 33, 8, 1), -EINVAL);
	repeated.n_p_fixed64 = 1;
	repeated.p_fixed64 = &one;
	commit(writing, &repeated.base);
}

/* In a message that was entered its own fields count, and a message must be left before all is done. */
static void levels_are_kept_apart(void **state)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct writing *writing = *state;

	leaf.text = (char[]){ "leaf" };
	CHECK_EQUAL(begin(writing, &evchan__test__optional__descriptor, 100), 0);
	CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, &leaf.base), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 17), 0);
	CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, &optional.base),
			-EINVAL);
	CHECK_EQUAL(open_field(writing, 15, 8, 1), -ENOENT);
	CHECK_EQUAL(evchan_proto_writer_commit(&writing->writer, 0), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, &leaf.base), 0);
	CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), 0);
	CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_commit(&writing->writer, 1 << 5), -EINVAL);
	optional.o_leaf = &leaf;
	commit(writing, &optional.base);
}

/* ---- Room ------------------------------------------------------------------------------------------ */

/* Writes as much of a message as fits; says -ENOBUFS at the first that does not. */
static int write_all(struct writing *writing)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	int r;

	leaf.text = (char[]){ "leaf" };
	r = open_field(writing, 15, 20, 16);
	if (r < 0)
		return r;
	memset(writing->span.data, 'b', 20);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 20), 0);
	r = evchan_proto_writer_enter(&writing->writer, 17);
	if (r < 0)
		return r;
	r = evchan_proto_writer_fields(&writing->writer, &leaf.base);
	CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), 0);
	return r;
}

/* With any room, too little of it is told, nothing is written beyond it, and what fits is a message. */
static void room_is_respected(void **state)
{
	struct writing *writing = *state;
	unsigned complete = 0;

	writing->channel.act = NULL;
	for (size_t room = 0; room < 80; room++) {
		unsigned before = writing->channel.decoded;
		int r;

		CHECK_EQUAL(begin(writing, &evchan__test__optional__descriptor, room), 0);
		/* The byte behind the reservation. */
		writing->writer.data[room] = 0x5a;
		r = write_all(writing);
		CHECK(r == 0 || r == -ENOBUFS);
		CHECK_EQUAL(writing->writer.data[room], 0x5a);
		complete += r == 0;
		CHECK_EQUAL(evchan_proto_writer_commit(&writing->writer, 0), 0);
		typed_channel_await(&writing->channel);
		CHECK_EQUAL(writing->channel.decoded, before + 1);
	}
	assert_in_range(complete, 20, 60);
}

/* What can be no length is no size. */
static void gigantic_fields_are_refused(void **state)
{
	struct writing *writing = *state;

	CHECK_EQUAL(begin(writing, &evchan__test__optional__descriptor, 100), 0);
	CHECK_EQUAL(open_field(writing, 15, 101, 1), -ENOBUFS);
	CHECK_EQUAL(open_field(writing, 15, (size_t)INT32_MAX + 1, 1), -ENOBUFS);
	CHECK_EQUAL(open_field(writing, 15, SIZE_MAX, 1), -ENOBUFS);
	CHECK_EQUAL(open_field(writing, 15, SIZE_MAX, 4096), -ENOBUFS);
	evchan_proto_writer_abort(&writing->writer);
}

/* ---- Ends -------------------------------------------------------------------------------------------- */

/* After so many steps. */
static void write_steps(struct writing *writing, unsigned steps)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;

	optional.has_o_int32 = 1;
	CHECK_EQUAL(begin(writing, &evchan__test__optional__descriptor, 100), 0);
	if (steps > 0)
		CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, &optional.base),
				0);
	if (steps > 1)
		CHECK_EQUAL(open_field(writing, 15, 10, 8), 0);
	if (steps > 2)
		CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 0), 0);
	if (steps > 3)
		CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 17), 0);
	if (steps > 4)
		CHECK_EQUAL(open_field(writing, 2, 10, 1), 0);
	if (steps > 5)
		CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 0), 0);
	if (steps > 6)
		CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), 0);
}

/* Dropped at any time, a message leaves nothing, and the next one is as good as ever. */
static void message_is_dropped_at_any_time(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct writing *writing = *state;

	leaf.text = (char[]){ "next" };
	for (unsigned steps = 0; steps <= 7; steps++) {
		write_steps(writing, steps);
		evchan_proto_writer_abort(&writing->writer);
		evchan_proto_writer_abort(&writing->writer);
		CHECK_EQUAL(begin(writing, &evchan__test__leaf__descriptor, 100), 0);
		CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, &leaf.base), 0);
		commit(writing, &leaf.base);
		assert_int_equal(writing->channel.decoded, steps + 1);
	}
}

static void assert_ended(struct writing *writing)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;

	CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, &optional.base),
			-EINVAL);
	CHECK_EQUAL(open_field(writing, 15, 0, 1), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, 0), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 17), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), -EINVAL);
	CHECK_EQUAL(evchan_proto_writer_commit(&writing->writer, 0), -EINVAL);
}

/* A writer that has ended does nothing any more, and nothing to the next one's message. */
static void ended_writer_does_nothing(void **state)
{
	Evchan__Test__Optional optional = EVCHAN__TEST__OPTIONAL__INIT;
	struct writing *writing = *state;
	struct evchan_proto_writer next;

	CHECK_EQUAL(begin(writing, &evchan__test__optional__descriptor, 100), 0);
	commit(writing, &optional.base);
	assert_ended(writing);
	CHECK_EQUAL(evchan_proto_writer_begin(&next, writing->channel.sending,
				    &evchan__test__optional__descriptor, 100),
			0);
	assert_ended(writing);
	evchan_proto_writer_abort(&writing->writer);
	writing->writer = next;
	commit(writing, &optional.base);
	write_steps(writing, 2);
	evchan_proto_writer_abort(&writing->writer);
	assert_ended(writing);
}

#define WRITING_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WRITING_TEST(impossible_messages_are_not_begun),
		WRITING_TEST(impossible_fields_are_not_opened),
		WRITING_TEST(open_field_comes_first),
		WRITING_TEST(arrays_have_whole_values),
		WRITING_TEST(levels_are_kept_apart),
		WRITING_TEST(room_is_respected),
		WRITING_TEST(gigantic_fields_are_refused),
		WRITING_TEST(message_is_dropped_at_any_time),
		WRITING_TEST(ended_writer_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
