/* SPDX-License-Identifier: MIT */
/* Messages built in the ring: what the receiver gets is what was meant, for protobuf-c as for our own decoder. */

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
	/* What must arrive; NULL: only that something does. */
	const ProtobufCMessage *expected;
};

/* As protobuf-c sees it. */
static void compare_with_stock(const struct evchan_proto_message *message)
{
	ProtobufCMessage *stock = protobuf_c_message_unpack(message->message->descriptor,
			NULL, message->raw->size, message->raw->data);

	CHECK(stock);
	CHECK(messages_are_equal(message->message, stock));
	protobuf_c_message_free_unpacked(stock, NULL);
}

static void check_message(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	struct writing *writing = channel->arg;

	compare_with_stock(message);
	if (writing->expected)
		CHECK(messages_are_equal(message->message, writing->expected));
}

static int set_up(void **state)
{
	struct writing *writing = calloc(1, sizeof(*writing));

	scene_set_up(state);
	typed_channel_open(&writing->channel, 65536, NULL, NULL);
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

static void begin(struct writing *writing, const ProtobufCMessageDescriptor *type,
		size_t max)
{
	CHECK_EQUAL(evchan_proto_writer_begin(&writing->writer, writing->channel.sending,
				    type, max),
			0);
}

static void fields(struct writing *writing, const ProtobufCMessage *message)
{
	CHECK_EQUAL(evchan_proto_writer_fields(&writing->writer, message), 0);
}

/* Opens a field, fills it with this, and closes it. */
static void fill(struct writing *writing, uint32_t field, const void *bytes, size_t size)
{
	struct evchan_span span;

	CHECK_EQUAL(evchan_proto_writer_open(&span, &writing->writer, field, size, 1), 0);
	CHECK_EQUAL(span.size, size);
	if (size)
		memcpy(span.data, bytes, size);
	CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, size), 0);
}

static void commit(struct writing *writing, const ProtobufCMessage *expected)
{
	unsigned before = writing->channel.decoded;

	writing->expected = expected;
	CHECK_EQUAL(evchan_proto_writer_commit(&writing->writer, 0), 0);
	typed_channel_await(&writing->channel);
	CHECK_EQUAL(writing->channel.decoded, before + 1);
}

/* Small fields from a struct, as often as wanted; the last of each wins. */
static void fields_are_joined(void **state)
{
	Evchan__Test__Optional first = EVCHAN__TEST__OPTIONAL__INIT;
	Evchan__Test__Optional second = EVCHAN__TEST__OPTIONAL__INIT;
	Evchan__Test__Optional both = EVCHAN__TEST__OPTIONAL__INIT;
	struct writing *writing = *state;

	first.has_o_int32 = first.has_o_bool = 1;
	first.o_int32 = 1;
	first.o_bool = 1;
	second.has_o_int32 = 1;
	second.o_int32 = 2;
	second.o_string = (char[]){ "text" };
	both = second;
	both.has_o_bool = both.o_bool = 1;
	begin(writing, &evchan__test__optional__descriptor, 100);
	fields(writing, &first.base);
	fields(writing, &second.base);
	commit(writing, &both.base);
}

/* Nothing at all is a message, too. */
static void nothing_is_a_message(void **state)
{
	Evchan__Test__Empty empty = EVCHAN__TEST__EMPTY__INIT;
	struct writing *writing = *state;

	begin(writing, &evchan__test__empty__descriptor, 0);
	commit(writing, &empty.base);
	begin(writing, &evchan__test__empty__descriptor, 0);
	fields(writing, &empty.base);
	commit(writing, &empty.base);
}

/* Strings, bytes, and each element of repeated ones. */
static void bytes_are_filled_in_place(void **state)
{
	Evchan__Test__Text text = EVCHAN__TEST__TEXT__INIT;
	ProtobufCBinaryData all[3] = { { 3, (uint8_t[]){ "one" } }, { 0, NULL },
		{ 5, (uint8_t[]){ "three" } } };
	struct writing *writing = *state;

	text.as_text = (char[]){ "some text" };
	text.has_as_bytes = 1;
	text.as_bytes = (ProtobufCBinaryData){ 4, (uint8_t[]){ "byte" } };
	text.n_all_bytes = 3;
	text.all_bytes = all;
	begin(writing, &evchan__test__text__descriptor, 200);
	fill(writing, 1, text.as_text, strlen(text.as_text));
	fill(writing, 2, "byte", 4);
	for (unsigned i = 0; i < 3; i++)
		fill(writing, 3, all[i].data, all[i].len);
	commit(writing, &text.base);
}

/* The same with values of so many bytes, which are little-endian in the message. */
static void fill_values(struct writing *writing, uint32_t field, const void *values,
		size_t size, size_t width)
{
	const unsigned char *from = values;
	unsigned char bytes[64];

	CHECK(size <= sizeof(bytes));
	for (size_t i = 0; i < size; i++)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		bytes[i] = from[i / width * width + width - 1 - i % width];
#else
		bytes[i] = from[i / width * width + i % width];
#endif
	fill(writing, field, bytes, size);
}

/* Arrays of fixed width, whether the schema says packed or not. */
static void arrays_are_filled_in_place(void **state)
{
	Evchan__Test__Repeated repeated = EVCHAN__TEST__REPEATED__INIT;
	uint32_t words[] = { 1, 2, UINT32_MAX };
	float floats[] = { 0.5f, -1.5f };
	double doubles[] = { 1e300, -0.0, 3 };
	uint64_t longs[] = { UINT64_MAX, 7 };
	struct writing *writing = *state;

	repeated.n_p_fixed32 = 3;
	repeated.p_fixed32 = words;
	repeated.n_u_float = 2;
	repeated.u_float = floats;
	repeated.n_p_double = 3;
	repeated.p_double = doubles;
	repeated.n_u_fixed64 = 2;
	repeated.u_fixed64 = longs;
	begin(writing, &evchan__test__repeated__descriptor, 300);
	fill_values(writing, 24, words, sizeof(words), 4);
	fill_values(writing, 6, floats, sizeof(floats), 4);
	fill_values(writing, 32, doubles, 16, 8);
	fill_values(writing, 32, &doubles[2], 8, 8);
	fill_values(writing, 10, longs, sizeof(longs), 8);
	fill(writing, 11, NULL, 0);
	commit(writing, &repeated.base);
}

/* What was opened and not filled is given back. */
static void rest_of_a_field_is_given_back(void **state)
{
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	struct writing *writing = *state;
	struct evchan_span span;

	for (size_t most = 0; most < 3000; most += most / 3 + 1) {
		begin(writing, &evchan__test__leaf__descriptor, most + 20);
		CHECK_EQUAL(evchan_proto_writer_open(&span, &writing->writer, 2, most, 1),
				0);
		memset(span.data, 'x', most);
		CHECK_EQUAL(evchan_proto_writer_close(&writing->writer, most / 2), 0);
		leaf.has_number = 1;
		leaf.number = (int)most;
		leaf.text = NULL;
		fields(writing, &leaf.base);
		leaf.text = malloc(most / 2 + 1);
		memset(leaf.text, 'x', most / 2);
		leaf.text[most / 2] = '\0';
		commit(writing, &leaf.base);
		free(leaf.text);
	}
}

/* Messages in messages, single, repeated and chosen ones, with fields before and behind them. */
static void messages_are_entered_and_left(void **state)
{
	Evchan__Test__Tree tree = EVCHAN__TEST__TREE__INIT,
			   left = EVCHAN__TEST__TREE__INIT;
	Evchan__Test__Tree more[2] = { EVCHAN__TEST__TREE__INIT,
		EVCHAN__TEST__TREE__INIT };
	Evchan__Test__Tree *list[] = { &more[0], &more[1] };
	Evchan__Test__Tree part = EVCHAN__TEST__TREE__INIT;
	struct writing *writing = *state;

	part.must = 7;
	tree.must = left.must = more[0].must = more[1].must = 7;
	tree.left = &left;
	left.n_more = tree.n_more = 2;
	left.more = tree.more = list;
	begin(writing, &evchan__test__tree__descriptor, 200);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 2), 0);
	for (unsigned level = 0; level < 2; level++) {
		for (unsigned i = 0; i < 2; i++) {
			CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 4), 0);
			fields(writing, &part.base);
			CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), 0);
		}
		fields(writing, &part.base);
		if (level == 0)
			CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), 0);
	}
	commit(writing, &tree.base);
}

/* Sixteen levels, no more. */
static void depth_has_an_end(void **state)
{
	struct writing *writing = *state;
	Evchan__Test__Tree part = EVCHAN__TEST__TREE__INIT;

	begin(writing, &evchan__test__tree__descriptor, 400);
	for (unsigned depth = 1; depth < 16; depth++)
		CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 2), 0);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 2), -EINVAL);
	for (unsigned depth = 1; depth < 16; depth++) {
		fields(writing, &part.base);
		CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), 0);
	}
	fields(writing, &part.base);
	commit(writing, NULL);
}

/* With numbers at which a tag gets longer. */
static void long_tags_are_written(void **state)
{
	Evchan__Test__Numbers numbers = EVCHAN__TEST__NUMBERS__INIT;
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	ProtobufCBinaryData bytes = { 1, (uint8_t[]){ "b" } };
	char *string = (char[]){ "s" };
	struct writing *writing = *state;

	leaf.text = (char[]){ "t" };
	numbers.n_n2047 = 1;
	numbers.n2047 = &string;
	numbers.n_n2048 = 1;
	numbers.n2048 = &bytes;
	numbers.n536870911 = &leaf;
	begin(writing, &evchan__test__numbers__descriptor, 60);
	fill(writing, 2047, "s", 1);
	fill(writing, 2048, "b", 1);
	CHECK_EQUAL(evchan_proto_writer_enter(&writing->writer, 536870911), 0);
	fill(writing, 2, "t", 1);
	CHECK_EQUAL(evchan_proto_writer_leave(&writing->writer), 0);
	commit(writing, &numbers.base);
}

#define WRITING_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WRITING_TEST(fields_are_joined),
		WRITING_TEST(nothing_is_a_message),
		WRITING_TEST(bytes_are_filled_in_place),
		WRITING_TEST(arrays_are_filled_in_place),
		WRITING_TEST(rest_of_a_field_is_given_back),
		WRITING_TEST(messages_are_entered_and_left),
		WRITING_TEST(depth_has_an_end),
		WRITING_TEST(long_tags_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
