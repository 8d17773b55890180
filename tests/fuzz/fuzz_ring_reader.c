/* SPDX-License-Identifier: MIT */
/*
 * A ring whose every byte is attacker input, against the reader. Beside the reader runs a model of it, written from
 * section 4 of docs/ring-format.md: what is valid is delivered, what is not is refused, and nothing else happens. Here
 * memory changes between the reader's calls; fuzz_ring_race.c has it change during them.
 *
 * The input is a list of orders, each a byte and its arguments: half of them write to memory as a sender could,
 * the others have the reader do what a receiver does.
 */

#include <errno.h>

#include "fuzz.h"
#include "ring_memory.h"

#define HOLDS_MAX 8u
#define NOTE_ROOM_MAX 5000u

/* What the reader should know, and what it should say next. */
struct model {
	uint64_t read, tail, head, capacity, checked;
	uint32_t unpublished;
	bool is_closed;
	uint64_t held[HOLDS_MAX];
	unsigned held_count;
};

struct side {
	struct ring_memory *ring;
	struct ring_reader reader;
	struct model model;
	struct ring_view view;
	bool has_view;
	bool is_held; /* the record at `read` */
	struct ring_hold holds[HOLDS_MAX];
	struct ring_hold *order
			[HOLDS_MAX]; /* the first held_count as in model.held, then the free ones */
	uint64_t honest_tail;
};

static bool model_tail_is_valid(const struct model *model, uint64_t tail)
{
	return tail % 8 == 0 && tail < RING_POSITION_LIMIT && tail >= model->tail &&
			tail - model->head <= model->capacity;
}

/* Loads the tail as the reader should now. */
static int model_look(struct side *side)
{
	uint64_t tail = cursor_get(&side->ring->header->tail);

	if (!model_tail_is_valid(&side->model, tail))
		return -EPROTO;
	side->model.tail = tail;
	return 0;
}

static uint64_t bytes_of(uint32_t size)
{
	return 8 + ((uint64_t)size + 7) / 8 * 8;
}

/* ---- The sender's orders --------------------------------------------------------------------- */

static void set_record(const struct side *side, struct fuzz_input *input)
{
	uint64_t position = side->model.read + 8 * fuzz_number(input, 1);
	uint32_t size = (uint32_t)fuzz_number(input, 4);

	cursor_record_store(ring_memory_record(side->ring, position), size,
			(uint32_t)fuzz_number(input, 4));
}

/* A record as it should be, if there is room. */
static void send_honestly(struct side *side, struct fuzz_input *input)
{
	uint32_t size = (uint32_t)fuzz_number(input, 2);
	uint32_t type = fuzz_byte(input);

	if (side->honest_tail + bytes_of(size) - side->model.head > side->model.capacity)
		return;
	cursor_record_store(
			ring_memory_record(side->ring, side->honest_tail), size, type);
	side->honest_tail += bytes_of(size);
	cursor_set(&side->ring->header->tail, side->honest_tail);
}

static void set_note(const struct side *side, struct fuzz_input *input)
{
	struct ring_record *note = ring_memory_note(side->ring, fuzz_number(input, 2));
	uint32_t size = (uint32_t)fuzz_number(input, 2);

	cursor_record_store(note, size, fuzz_byte(input));
}

/* Whether it was one of these. */
static bool sender_does(struct side *side, unsigned order, struct fuzz_input *input)
{
	struct ring_header *header = side->ring->header;

	switch (order) {
	case 0:
		send_honestly(side, input);
		return true;
	case 1:
		cursor_set(&header->tail, fuzz_number(input, 8));
		return true;
	case 2:
		cursor_set(&header->tail,
				cursor_get(&header->tail) + fuzz_number(input, 2));
		return true;
	case 3:
		set_record(side, input);
		return true;
	case 4:
		set_note(side, input);
		return true;
	case 5:
		cursor_set(&header->notes_end, fuzz_number(input, 2));
		return true;
	case 6:
		cursor_set(&header->wake_at, side->model.head + fuzz_number(input, 2));
		return true;
	case 7:
		cursor_set(&header->wake_at, fuzz_number(input, 8));
		cursor_set(&header->notes_end, fuzz_number(input, 8));
		return true;
	default:
		return false;
	}
}

/* ---- The reader's orders --------------------------------------------------------------------- */

static int model_next(struct side *side, uint32_t *size, uint32_t *type)
{
	struct model *model = &side->model;

	if (model->read == model->tail && !model->is_closed && model_look(side) < 0)
		return -EPROTO;
	if (model->read == model->tail)
		return 0;
	cursor_record_load(ring_memory_record(side->ring, model->read), size, type);
	return bytes_of(*size) <= model->tail - model->read ? 1 : -EPROTO;
}

static void touch(const void *data, size_t size)
{
	const volatile unsigned char *bytes = data;
	unsigned sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += bytes[i];
	(void)sum;
}

static void next(struct side *side)
{
	const struct model *model = &side->model;
	uint32_t size = 0, type = 0;
	int expected = model_next(side, &size, &type);
	const struct ring_view *view = &side->view;

	FUZZ_CHECK(ring_reader_next(&side->reader, &side->view) == expected);
	side->has_view = expected == 1;
	if (expected != 1)
		return;
	FUZZ_CHECK(view->size == size && view->type == type &&
			view->position == model->read);
	FUZZ_CHECK(view->size <= model->capacity - RING_RECORD_HEADER);
	FUZZ_CHECK((const unsigned char *)view->data ==
			side->reader.data + model->read % model->capacity +
					RING_RECORD_HEADER);
	touch(view->data, view->size);
}

static void advance(struct side *side)
{
	struct model *model = &side->model;

	if (!side->has_view)
		return;
	ring_reader_advance(&side->reader, side->view.size);
	model->read += bytes_of(side->view.size);
	model->unpublished++;
	side->has_view = false;
	side->is_held = false;
	FUZZ_CHECK(ring_reader_should_release(&side->reader) ==
			(model->unpublished >= RING_RELEASE_MESSAGES ||
					model->read - model->head >= model->capacity /
									RING_RELEASE_SHARE));
}

static void hold(struct side *side)
{
	struct model *model = &side->model;

	if (!side->has_view || side->is_held || model->held_count == HOLDS_MAX)
		return;
	ring_reader_hold(&side->reader, side->order[model->held_count],
			side->view.position, side->view.size);
	model->held[model->held_count++] = side->view.position;
	side->is_held = true;
}

static void unhold(struct side *side, unsigned which)
{
	struct model *model = &side->model;
	struct ring_hold *gone;

	if (!model->held_count)
		return;
	which %= model->held_count;
	gone = side->order[which];
	if (model->held[which] == model->read)
		side->is_held = false;
	ring_reader_unhold(&side->reader, gone);
	model->held_count--;
	for (unsigned i = which; i < model->held_count; i++) {
		model->held[i] = model->held[i + 1];
		side->order[i] = side->order[i + 1];
	}
	side->order[model->held_count] = gone;
}

static void release(struct side *side)
{
	struct model *model = &side->model;
	uint64_t head = model->held_count ? model->held[0] : model->read;
	uint64_t wish = cursor_get(&side->ring->header->wake_at);
	bool must_ring = head != model->head && model->checked < wish && wish <= head;

	FUZZ_CHECK(ring_reader_release(&side->reader) == must_ring);
	model->unpublished = 0;
	if (head != model->head)
		model->checked = head;
	model->head = head;
}

static void arm(struct side *side)
{
	int expected;

	if (side->model.is_closed)
		return;
	release(side);
	expected = model_look(side);
	if (expected == 0)
		expected = side->model.tail > side->model.read;
	FUZZ_CHECK(ring_reader_arm(&side->reader, 1) == expected);
	FUZZ_CHECK(cursor_get(&side->reader.page->wake_at) == side->model.read + 1);
}

static void look(struct side *side, bool closes)
{
	int expected = 0;

	if (!side->model.is_closed)
		expected = model_look(side);
	if (closes) {
		FUZZ_CHECK(ring_reader_close(&side->reader) == expected);
		side->model.is_closed = true;
	}
	FUZZ_CHECK(ring_reader_unread(&side->reader) ==
			side->model.tail - side->model.read);
	FUZZ_CHECK(ring_reader_seen_tail(&side->reader) == side->model.tail);
}

/* What is said of the first note of this key. `*at` becomes where its bytes are. */
static int model_note(
		const struct side *side, uint32_t key, const void **at, uint32_t *size)
{
	uint64_t left = cursor_get(&side->ring->header->notes_end);
	const unsigned char *next_note = (const unsigned char *)(side->ring->header + 1);
	uint32_t next_key;

	if (left % 8 ||
			left > side->ring->memory.header_size -
							sizeof(struct ring_header))
		return -EPROTO;
	for (; left; left -= bytes_of(*size), next_note += bytes_of(*size)) {
		memcpy(size, next_note, 4);
		memcpy(&next_key, next_note + 4, 4);
		if (bytes_of(*size) > left)
			return -EPROTO;
		*at = next_note + 8;
		if (next_key == key)
			return 0;
	}
	return -ENOENT;
}

static void read_note(const struct side *side, struct fuzz_input *input)
{
	uint32_t key = fuzz_byte(input), size = 0;
	size_t room = fuzz_number(input, 2) % NOTE_ROOM_MAX, told = room;
	uint8_t *buffer = malloc(room ? room : 1);
	const void *at = NULL;
	int expected = model_note(side, key, &at, &size);

	if (expected == 0 && size > room)
		expected = -ENOBUFS;
	FUZZ_CHECK(buffer);
	FUZZ_CHECK(ring_reader_get_note(&side->reader, key, buffer, &told) == expected);
	FUZZ_CHECK(told == (expected == 0 || expected == -ENOBUFS ? size : room));
	FUZZ_CHECK(expected || memcmp(buffer, at, size) == 0);
	free(buffer);
}

static void reader_does(struct side *side, unsigned order, struct fuzz_input *input)
{
	switch (order) {
	case 8:
		next(side);
		break;
	case 9:
		next(side);
		advance(side);
		break;
	case 10:
		next(side);
		hold(side);
		break;
	case 11:
		unhold(side, fuzz_byte(input));
		break;
	case 12:
		release(side);
		break;
	case 13:
		arm(side);
		break;
	case 14:
		read_note(side, input);
		break;
	default:
		look(side, fuzz_byte(input) == 0);
	}
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void check_positions(const struct side *side)
{
	const struct ring_reader *reader = &side->reader;
	const struct model *model = &side->model;

	FUZZ_CHECK(reader->read == model->read && reader->tail == model->tail);
	FUZZ_CHECK(cursor_get(&reader->page->head) == model->head &&
			reader->head == model->head);
	FUZZ_CHECK(model->head <= model->read && model->read <= model->tail);
	FUZZ_CHECK(model->tail - model->head <= model->capacity);
	FUZZ_CHECK(model->held_count == 0 || model->head <= model->held[0]);
}

/* Spoils the header, if the input says so, and offers it. Whether it was accepted; it is if it should be. */
static bool begin(struct side *side, struct fuzz_input *input)
{
	unsigned choice = fuzz_byte(input);
	bool is_spoilt = false, is_valid, own_fault = true;
	uint64_t resume = 0, tail;
	int r;

	side->ring = ring_memory_new(choice & 1);
	for (unsigned i = 0; i < HOLDS_MAX; i++)
		side->order[i] = &side->holds[i];
	if (choice & 2) {
		unsigned at = fuzz_byte(input) % offsetof(struct ring_header, zero_0);
		uint8_t change = fuzz_byte(input);

		((uint8_t *)side->ring->header)[at] ^= change;
		is_spoilt = change != 0;
	}
	if (choice & 4)
		resume = fuzz_number(input, 8);
	tail = resume + (choice & 8 ? fuzz_number(input, 8) : 0);
	cursor_set(&side->ring->header->tail, tail);
	side->model = (struct model){ resume, resume, resume,
		side->ring->memory.data_size, resume, 0, false, { 0 }, 0 };
	side->honest_tail = tail;
	is_valid = !is_spoilt && resume % 8 == 0 && resume < RING_POSITION_LIMIT &&
			model_tail_is_valid(&side->model, tail);
	r = ring_memory_read(&side->reader, side->ring, resume, &own_fault);
	FUZZ_CHECK(r == (is_valid ? 0 : -EPROTO));
	FUZZ_CHECK(r == 0 || !own_fault);
	side->model.tail = tail;
	return is_valid;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = { bytes, bytes + size };
	struct side side = { .ring = NULL };

	if (!begin(&side, &input))
		return 0;
	while (fuzz_left(&input)) {
		unsigned order = fuzz_byte(&input) % 16;

		if (!sender_does(&side, order, &input))
			reader_does(&side, order, &input);
		check_positions(&side);
	}
	while (side.model.held_count)
		unhold(&side, 0);
	ring_reader_deinit(&side.reader, NULL);
	return 0;
}
