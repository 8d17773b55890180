/* SPDX-License-Identifier: MIT */
/*
 * A sender can rewrite its message while it is decoded. Here a second thread does: it turns bytes into others and
 * back while the first decodes them, again and again. What comes out may be anything that is an answer; what must not
 * happen is a read or a write where there is nothing, which sanitizers see, and else mostly the processor.
 *
 *	proto_mutation_test [DECODES]
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/proto.h>

#include "process.h"
#include "random_wire.h"
#include "schemas.h"

#define ROOM 1500
#define DECODES_PER_MESSAGE 100

static unsigned decodes = 60000;

/* What the two threads share. */
static struct {
	pthread_mutex_t lock; /* of what `bytes` points to, not of what is there */
	volatile uint8_t *bytes;
	const uint8_t *original;
	size_t size;
	atomic_bool is_over;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Bytes become others for a moment. */
static void flip_some(struct random_wire *random)
{
	for (unsigned i = 0; i < 40 && shared.size; i++) {
		size_t at = random_below(random, (unsigned)shared.size);
		uint8_t value = (uint8_t)random_next(random);

		/* The top bit, which says that a number goes on, is worth more than the others. */
		if (random_below(random, 2))
			value = shared.original[at] ^ 0x80;
		shared.bytes[at] = value;
		for (volatile unsigned wait = random_below(random, 60); wait; wait--)
			;
		shared.bytes[at] = shared.original[at];
	}
}

static void *flip(void *arg)
{
	struct random_wire random = { .state = 99 };

	while (!atomic_load(&shared.is_over)) {
		pthread_mutex_lock(&shared.lock);
		flip_some(&random);
		pthread_mutex_unlock(&shared.lock);
		sched_yield();
	}
	return arg;
}

/* Another message to decode. Both buffers belong to `shared` then. */
static void offer(const uint8_t *bytes, size_t size)
{
	uint8_t *original = malloc(size ? size : 1), *changing = malloc(size ? size : 1);

	if (size) {
		memcpy(original, bytes, size);
		memcpy(changing, bytes, size);
	}
	pthread_mutex_lock(&shared.lock);
	free((void *)(uintptr_t)shared.bytes);
	free((void *)(uintptr_t)shared.original);
	shared.bytes = changing;
	shared.original = original;
	shared.size = size;
	pthread_mutex_unlock(&shared.lock);
}

struct outcome {
	unsigned good;
	unsigned bad;
	unsigned unstable; /* messages that were both */
};

/* Reads all that a message consists of. */
static void read_all(const ProtobufCMessage *message)
{
	ProtobufCMessage *copy;

	assert_int_equal(evchan_proto_detach(&copy, message, NULL), 0);
	protobuf_c_message_free_unpacked(copy, NULL);
}

static void decode_once(struct evchan_proto_types *types,
		struct evchan_proto_arena *arena, const ProtobufCMessageDescriptor *type,
		unsigned flags, struct outcome *outcome)
{
	struct evchan_proto_decode_options options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
	struct evchan_proto_problem problem = { 0, NULL };
	const ProtobufCMessage *message;
	int r;

	options.flags = flags;
	evchan_proto_arena_reset(arena);
	r = evchan_proto_decode(&message, arena, types, type,
			(const void *)(uintptr_t)shared.bytes, shared.size, &options,
			&problem);
	if (r == 0) {
		outcome->good++;
		read_all(message);
		return;
	}
	outcome->bad++;
	assert_true(r == -EBADMSG || r == -ENOBUFS || r == -ELOOP || r == -EILSEQ);
	assert_true(problem.text && problem.offset <= shared.size);
}

static void decode_message(struct evchan_proto_types *types,
		struct evchan_proto_arena *arena, struct random_wire *random,
		struct outcome *outcome)
{
	const ProtobufCMessageDescriptor *type =
			oracle_schema(random_below(random, ORACLE_COUNT));
	struct outcome before;
	uint8_t bytes[ROOM];

	random->bytes = bytes;
	random->room = ROOM;
	random->size = 0;
	/* Those of the conformance suite have a hundred messages in them already. */
	random_message(random, type, type->n_fields > 100 ? 1 : 3);
	offer(bytes, random->size);
	before = *outcome;
	for (unsigned i = 0; i < DECODES_PER_MESSAGE; i++)
		decode_once(types, arena, type, i % 8, outcome);
	if (outcome->good > before.good && outcome->bad > before.bad)
		outcome->unstable++;
}

/* Whatever happens to the bytes meanwhile, decoding ends, with a message that can be read or an error. */
static void bytes_change_while_they_are_read(void **state)
{
	struct random_wire random = { .state = 1 };
	struct outcome outcome = { 0, 0, 0 };
	struct evchan_proto_types *types;
	struct evchan_proto_arena *arena;
	pthread_t thread;

	(void)state;
	if (HAS_THREAD_SANITIZER) {
		print_message("Skipped: the race that ThreadSanitizer would report is "
			      "what is tested.\n");
		skip();
	}
	assert_int_equal(evchan_proto_types_new(&types), 0);
	for (size_t i = 0; i < ORACLE_COUNT; i++)
		assert_int_equal(evchan_proto_types_add(types, oracle_schema(i),
						 (uint32_t)i + 1),
				0);
	assert_int_equal(evchan_proto_arena_new(&arena, 1 << 20), 0);
	assert_int_equal(pthread_create(&thread, NULL, flip, NULL), 0);
	while (outcome.good + outcome.bad < decodes)
		decode_message(types, arena, &random, &outcome);
	atomic_store(&shared.is_over, true);
	pthread_join(thread, NULL);
	print_message("%u decodes, of which %u failed; of %u messages some decodes "
	              "failed and "
		      "some did not\n",
			outcome.good + outcome.bad, outcome.bad, outcome.unstable);
	assert_true(outcome.good && outcome.bad);
	offer(NULL, 0);
	free((void *)(uintptr_t)shared.bytes);
	free((void *)(uintptr_t)shared.original);
	evchan_proto_arena_free(arena);
	evchan_proto_types_free(types);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_change_while_they_are_read),
	};
	const char *slowdown = getenv("EVCHAN_TEST_SLOWDOWN");

	if (slowdown && atoi(slowdown) > 1)
		decodes /= 2 * (unsigned)atoi(slowdown);
	if (argc > 1)
		decodes = (unsigned)atoi(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
