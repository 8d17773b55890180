/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target as an ordinary test: replay CORPUS [VARIANTS]
 *
 * Asks the property about each file of the folder, and about VARIANTS others that are made from it: cut off,
 * changed, grown. Made from fixed seeds, so that a failure comes back. The one that is being asked about is
 * printed if the process dies of it.
 */

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX 8192u
#define HANG_SECONDS 60u
#define SKIPPED 77

static struct {
	const char *name;
	unsigned variant; /* 0: the file itself */
	uint8_t bytes[INPUT_MAX];
	size_t size;
} input;

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
	return random_state >> 33;
}

static size_t random_below(size_t most)
{
	return most ? random_next() % most : 0;
}

static void print_input(int signal_number)
{
	fprintf(stderr, "signal %d at variant %u of %s, %zu bytes:", signal_number,
			input.variant, input.name, input.size);
	for (size_t i = 0; i < input.size; i++)
		fprintf(stderr, " %02x", input.bytes[i]);
	fprintf(stderr, "\n");
	raise(signal_number);
}

static void print_input_if_killed(void)
{
	static const int signals[] = { SIGABRT, SIGALRM };
	const struct sigaction action = { .sa_handler = print_input,
		.sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static void change_byte(void)
{
	static const uint8_t extremes[] = { 0, 1, 7, 8, 0x7f, 0x80, 0xfe, 0xff };
	size_t at = random_below(input.size);

	if (input.size == 0)
		return;
	if (random_below(2))
		input.bytes[at] = extremes[random_below(sizeof(extremes))];
	else
		input.bytes[at] ^= (uint8_t)(1u << random_below(8));
}

static void insert_byte(void)
{
	size_t at = random_below(input.size + 1);

	if (input.size == INPUT_MAX)
		return;
	memmove(input.bytes + at + 1, input.bytes + at, input.size - at);
	input.bytes[at] = (uint8_t)random_next();
	input.size++;
}

static void remove_byte(void)
{
	size_t at = random_below(input.size);

	if (input.size == 0)
		return;
	input.size--;
	memmove(input.bytes + at, input.bytes + at + 1, input.size - at);
}

static void vary(void)
{
	if (random_below(4) == 0) {
		input.size = random_below(input.size);
		return;
	}
	for (size_t i = random_below(4) + 1; i > 0; i--) {
		switch (random_below(4)) {
		case 0:
			insert_byte();
			break;
		case 1:
			remove_byte();
			break;
		default:
			change_byte();
		}
	}
}

static void ask(void)
{
	uint8_t *exact = fuzz_exact_copy(input.bytes, input.size);

	FUZZ_CHECK(LLVMFuzzerTestOneInput(exact, input.size) == 0);
	free(exact);
}

static void ask_about_file(int folder, const char *name, unsigned variants)
{
	uint8_t original[INPUT_MAX];
	FILE *file;
	size_t size;

	FUZZ_CHECK(fchdir(folder) == 0);
	file = fopen(name, "rb");
	FUZZ_CHECK(file);
	size = fread(original, 1, sizeof(original), file);
	fclose(file);
	input.name = name;
	random_state = size;
	for (input.variant = 0; input.variant <= variants; input.variant++) {
		memcpy(input.bytes, original, size);
		input.size = size;
		if (input.variant)
			vary();
		alarm(HANG_SECONDS);
		ask();
	}
}

static unsigned scaled(unsigned variants)
{
	const char *slowdown = getenv("EVCHAN_TEST_SLOWDOWN");
	unsigned factor = slowdown ? (unsigned)atoi(slowdown) : 1;

	return variants / (factor > 1 ? factor * 2 : 1);
}

int main(int argc, char **argv)
{
	const char *corpus = argc > 1 ? argv[1] : ".";
	unsigned variants = scaled(argc > 2 ? (unsigned)atoi(argv[2]) : 100);
	DIR *folder = opendir(corpus);
	const struct dirent *entry;
	unsigned files = 0;

	FUZZ_CHECK(folder);
	print_input_if_killed();
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		ask_about_file(dirfd(folder), entry->d_name, variants);
		files++;
	}
	closedir(folder);
	printf("%u inputs, and %u made from each\n", files, variants);
	return files ? 0 : 1;
}
