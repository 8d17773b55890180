/* SPDX-License-Identifier: MIT */
/* A field that is opened aligned is aligned, in both processes, wherever in the message and in the ring it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare_messages.h"
#include "typed_channel.h"

struct aligning {
	struct typed_channel channel;
	size_t align;  /* of what comes */
	size_t before; /* bytes of the field before it */
	size_t size;
};

static int set_up(void **state)
{
	scene_set_up(state);
	*state = calloc(1, sizeof(struct aligning));
	return 0;
}

static int tear_down(void **state)
{
	struct aligning *aligning = *state;

	typed_channel_close(&aligning->channel);
	free(aligning);
	return scene_tear_down(state);
}

static bool is_filled_with(const uint8_t *bytes, size_t size, uint8_t byte)
{
	return size == 0 || (bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void check_text(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	const Evchan__Test__Text *text = (const Evchan__Test__Text *)message->message;
	struct aligning *aligning = channel->arg;
	ProtobufCMessage *stock =
			protobuf_c_message_unpack(&evchan__test__text__descriptor, NULL,
					message->raw->size, message->raw->data);

	CHECK(stock && messages_are_equal(stock, message->message));
	protobuf_c_message_free_unpacked(stock, NULL);
	CHECK(text->has_as_bytes && text->as_bytes.len == aligning->size);
	CHECK_EQUAL((uintptr_t)text->as_bytes.data % aligning->align, 0);
	CHECK(is_filled_with(text->as_bytes.data, text->as_bytes.len, 'b'));
	CHECK_EQUAL(strlen(text->as_text), aligning->before);
	CHECK(is_filled_with((const uint8_t *)text->as_text, aligning->before, 'a'));
	CHECK(message->message->n_unknown_fields <= 1);
}

/* Fills a field; checks where it is. */
static void fill(struct evchan_proto_writer *writer, uint32_t field, size_t size,
		size_t align, int byte)
{
	struct evchan_span span;

	CHECK_EQUAL(evchan_proto_writer_open(&span, writer, field, size, align), 0);
	CHECK_EQUAL((uintptr_t)span.data % align, 0);
	memset(span.data, byte, size);
	CHECK_EQUAL(evchan_proto_writer_close(writer, size), 0);
}

static void send_aligned(
		struct aligning *aligning, size_t before, size_t size, size_t align)
{
	struct evchan_proto_writer writer;
	unsigned decoded = aligning->channel.decoded;

	aligning->before = before;
	aligning->size = size;
	aligning->align = align;
	/* No more than is promised. */
	CHECK_EQUAL(evchan_proto_writer_begin(&writer, aligning->channel.sending,
				    &evchan__test__text__descriptor,
				    before + 6 + size + align + 16),
			0);
	fill(&writer, 1, before, 1, 'a');
	fill(&writer, 2, size, align, 'b');
	CHECK_EQUAL(evchan_proto_writer_commit(&writer, 0), 0);
	typed_channel_await(&aligning->channel);
	CHECK_EQUAL(aligning->channel.decoded, decoded + 1);
}

static void open_channel(
		struct aligning *aligning, const struct evchan_receiver_options *options)
{
	typed_channel_open(&aligning->channel, 65536, options, NULL);
	aligning->channel.act = check_text;
	aligning->channel.arg = aligning;
}

/* Every alignment, behind every number of bytes. The records go round the ring meanwhile. */
static void fields_are_aligned(void **state)
{
	struct aligning *aligning = *state;

	open_channel(aligning, NULL);
	for (size_t align = 1; align <= 4096; align *= 2)
		for (size_t before = 0; before < scene_scaled(140); before++)
			send_aligned(aligning, before, 1 + before * 3 % 200, align);
}

/* Lengths of each width. */
static void fields_of_all_sizes_are_aligned(void **state)
{
	static const size_t sizes[] = { 0, 1, 127, 128, 129, 16383, 16384, 30000 };
	struct aligning *aligning = *state;

	open_channel(aligning, NULL);
	for (size_t align = 1; align <= 4096; align *= 2)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (size_t before = 0; before < 9; before++)
				send_aligned(aligning, before, sizes[i], align);
}

/* A receiver that copies messages keeps what it can: what the ring itself is aligned to. */
static void copies_are_aligned_to_eight(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct aligning *aligning = *state;

	options.flags = EVCHAN_RECEIVER_COPY;
	open_channel(aligning, &options);
	for (size_t align = 1; align <= 8; align *= 2)
		for (size_t before = 0; before < 30; before++)
			send_aligned(aligning, before, 100, align);
}

/* ---- The field that makes room ---------------------------------------------------------------- */

static void check_numbers(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	const Evchan__Test__Numbers *numbers =
			(const Evchan__Test__Numbers *)message->message;
	struct aligning *aligning = channel->arg;

	CHECK_EQUAL(numbers->n_n2048, 1);
	CHECK_EQUAL((uintptr_t)numbers->n2048[0].data % aligning->align, 0);
	/* Its number is not taken for the type's own. */
	CHECK(!numbers->n536870911);
	CHECK_EQUAL(numbers->base.n_unknown_fields, 1);
	CHECK_EQUAL(numbers->base.unknown_fields[0].tag, 536870910);
}

/* A type that has the field of the highest number can be aligned all the same. */
static void number_of_the_padding_is_free(void **state)
{
	struct aligning *aligning = *state;
	struct evchan_proto_writer writer;

	open_channel(aligning, NULL);
	aligning->channel.act = check_numbers;
	aligning->align = 256;
	CHECK_EQUAL(evchan_proto_writer_begin(&writer, aligning->channel.sending,
				    &evchan__test__numbers__descriptor, 1000),
			0);
	fill(&writer, 2048, 10, 256, 'b');
	CHECK_EQUAL(evchan_proto_writer_commit(&writer, 0), 0);
	typed_channel_await(&aligning->channel);
	CHECK_EQUAL(aligning->channel.decoded, 1);
}

static void check_array(
		struct typed_channel *channel, const struct evchan_proto_message *message)
{
	const Evchan__Test__Repeated *repeated =
			(const Evchan__Test__Repeated *)message->message;
	struct aligning *aligning = channel->arg;

	CHECK_EQUAL(repeated->n_p_double, aligning->size);
	CHECK_EQUAL((uintptr_t)repeated->p_double % aligning->align, 0);
	CHECK((const uint8_t *)repeated->p_double > (const uint8_t *)message->raw->data &&
			(const uint8_t *)repeated->p_double <
					(const uint8_t *)message->raw->data +
							message->raw->size);
	for (size_t i = 0; i < aligning->size; i++)
		CHECK(repeated->p_double[i] == (double)i);
}

/* An aligned array can be read where it lies, by a machine of its byte order. */
static void aligned_array_is_borrowed(void **state)
{
	struct evchan_proto_receiver_options options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
	struct aligning *aligning = *state;
	struct evchan_proto_writer writer;
	struct evchan_span span;

	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		skip();
	options.flags = EVCHAN_PROTO_BORROW_PACKED;
	typed_channel_open(&aligning->channel, 65536, NULL, &options);
	aligning->channel.act = check_array;
	aligning->channel.arg = aligning;
	for (size_t align = 8; align <= 64; align *= 2) {
		aligning->align = align;
		aligning->size = 50;
		CHECK_EQUAL(evchan_proto_writer_begin(&writer, aligning->channel.sending,
					    &evchan__test__repeated__descriptor, 600),
				0);
		CHECK_EQUAL(evchan_proto_writer_open(&span, &writer, 32, 400, align), 0);
		for (size_t i = 0; i < 50; i++)
			((double *)span.data)[i] = (double)i;
		CHECK_EQUAL(evchan_proto_writer_close(&writer, 400), 0);
		CHECK_EQUAL(evchan_proto_writer_commit(&writer, 0), 0);
		typed_channel_await(&aligning->channel);
	}
	CHECK_EQUAL(aligning->channel.decoded, 4);
}

#define ALIGNING_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALIGNING_TEST(fields_are_aligned),
		ALIGNING_TEST(fields_of_all_sizes_are_aligned),
		ALIGNING_TEST(copies_are_aligned_to_eight),
		ALIGNING_TEST(number_of_the_padding_is_free),
		ALIGNING_TEST(aligned_array_is_borrowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
