/* SPDX-License-Identifier: MIT */
/*
 * No memory is taken for a message once a channel has settled: neither for packing nor for the way nor for
 * decoding it, nor by libevent. Every call of malloc in this program is counted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "process.h"
#include "random_wire.h"
#include "typed_channel.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_OWN_MALLOC 0
#endif
#endif
/* Only glibc lets a program replace its malloc and call it all the same. */
#ifndef __GLIBC__
#undef HAS_OWN_MALLOC
#define HAS_OWN_MALLOC 0
#endif
#ifndef HAS_OWN_MALLOC
#define HAS_OWN_MALLOC (!HAS_THREAD_SANITIZER)
#endif

static unsigned long mallocs;

#if HAS_OWN_MALLOC
#define EVERYBODYS __attribute__((visibility("default")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

EVERYBODYS void *malloc(size_t size)
{
	mallocs++;
	return __libc_malloc(size);
}

EVERYBODYS void *calloc(size_t count, size_t size)
{
	mallocs++;
	return __libc_calloc(count, size);
}

EVERYBODYS void *realloc(void *memory, size_t size)
{
	mallocs++;
	return __libc_realloc(memory, size);
}
#endif

struct counting {
	struct typed_channel channel;
	ProtobufCMessage *messages[3 * SCHEMA_COUNT];
	unsigned count;
};

static bool skips(void)
{
	if (HAS_OWN_MALLOC && !is_under_valgrind())
		return false;
	print_message("Skipped: malloc is somebody else's here.\n");
	return true;
}

/* Some messages of each type. */
static void make_messages(struct counting *counting)
{
	uint8_t bytes[2500];

	for (uint64_t seed = 0; counting->count < 3 * SCHEMA_COUNT; seed++) {
		struct random_wire wire = {
			.state = seed, .bytes = bytes, .room = sizeof(bytes)
		};
		const ProtobufCMessageDescriptor *type =
				all_schemas[counting->count % SCHEMA_COUNT];
		ProtobufCMessage *message;

		random_message(&wire, type, 2);
		message = protobuf_c_message_unpack(type, NULL, wire.size, bytes);
		if (message)
			counting->messages[counting->count++] = message;
	}
}

static int set_up(void **state)
{
	struct counting *counting = calloc(1, sizeof(*counting));

	scene_set_up(state);
	typed_channel_open(&counting->channel, 65536, NULL, NULL);
	make_messages(counting);
	*state = counting;
	return 0;
}

static int tear_down(void **state)
{
	struct counting *counting = *state;

	while (counting->count)
		protobuf_c_message_free_unpacked(
				counting->messages[--counting->count], NULL);
	typed_channel_close(&counting->channel);
	free(counting);
	return scene_tear_down(state);
}

static void send_all(struct counting *counting)
{
	for (unsigned i = 0; i < counting->count; i++)
		typed_channel_send(&counting->channel, counting->messages[i]);
}

/* Many at once. */
static void send_batch(struct counting *counting)
{
	unsigned goal = counting->channel.decoded + 20;

	evchan_cork(counting->channel.sender.sender);
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQUAL(evchan_proto_send(counting->channel.sending,
					    counting->messages[1], 0),
				0);
	evchan_uncork(counting->channel.sender.sender);
	STAGE_UNTIL(&counting->channel.stage, counting->channel.decoded == goal);
}

static void build_one(struct counting *counting)
{
	struct evchan_proto_writer writer;
	struct evchan_span span;

	CHECK_EQUAL(evchan_proto_writer_begin(&writer, counting->channel.sending,
				    &evchan__test__optional__descriptor, 1000),
			0);
	CHECK_EQUAL(evchan_proto_writer_open(&span, &writer, 15, 500, 64), 0);
	CHECK_EQUAL(evchan_proto_writer_close(&writer, 300), 0);
	CHECK_EQUAL(evchan_proto_writer_commit(&writer, 0), 0);
	typed_channel_await(&counting->channel);
}

static void work(struct counting *counting)
{
	send_all(counting);
	send_batch(counting);
	build_one(counting);
}

/* Sent in any way, messages of all types cost no malloc. */
static void messages_cost_no_malloc(void **state)
{
	struct counting *counting = *state;
	unsigned long before;

	if (skips())
		skip();
	assert_true(mallocs > 100);
	for (unsigned i = 0; i < 3; i++)
		work(counting);
	before = mallocs;
	for (unsigned i = 0; i < 20; i++)
		work(counting);
	assert_int_equal(mallocs - before, 0);
}

/* A message larger than all before costs some, the next one of its size none. */
static void arena_grows_once(void **state)
{
	struct counting *counting = *state;
	Evchan__Test__Leaf leaf = EVCHAN__TEST__LEAF__INIT;
	static char text[30001];
	unsigned long before;

	if (skips())
		skip();
	memset(text, 'x', 30000);
	text[30000] = '\0';
	leaf.text = text;
	for (unsigned i = 0; i < 3; i++)
		typed_channel_send(&counting->channel, &leaf.base);
	before = mallocs;
	for (unsigned i = 0; i < 10; i++)
		typed_channel_send(&counting->channel, &leaf.base);
	assert_int_equal(mallocs - before, 0);
}

#define COUNTING_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		COUNTING_TEST(messages_cost_no_malloc),
		COUNTING_TEST(arena_grows_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
