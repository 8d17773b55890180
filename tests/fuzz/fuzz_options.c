/* SPDX-License-Identifier: MIT */
/*
 * Command lines of evchan-send and evchan-receive as attacker input: what is accepted makes sense, everything else is
 * answered with status 2, or 0 if it asked for help, in lines that do nothing to a terminal.
 *
 * The input: a byte for the program, then its arguments, one a line.
 */

#define TRAPS_ARE_MADE_HERE
#include "program_traps.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdbool.h>

#include "fuzz.h"
#include "program.h"
#include "receive_options.h"
#include "send_options.h"

#define ARGUMENTS_MAX 32
#define TEXT_MAX 4096u

static jmp_buf end;
static int status;
/* The one list that options are kept in: a program that ends does not free it. */
static void *list;

_Noreturn void trap_exit(int with)
{
	status = with;
	longjmp(end, 1);
}

void *trap_realloc(void *memory, size_t size)
{
	list = realloc(memory, size);
	return list;
}

int trap_print(FILE *stream, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	FUZZ_CHECK(length > 0 && (size_t)length < sizeof(text));
	/* An error is one line, and a printable one. */
	for (int i = 0; stream == stderr && i < length; i++)
		FUZZ_CHECK(((unsigned char)text[i] >= 0x20 && text[i] != 0x7f) ||
				(text[i] == '\n' && i == length - 1));
	return length;
}

/* ---- What is accepted ------------------------------------------------------------------------ */

static bool is_bell(uint32_t bell)
{
	return bell == EVCHAN_BELL_DEFAULT || bell == EVCHAN_BELL_EVENTFD ||
			bell == EVCHAN_BELL_PIPE;
}

static void check_send(const struct send_options *options)
{
	unsigned dashes = 0;

	FUZZ_CHECK(options->address && *options->address);
	FUZZ_CHECK(options->file_count >= 1 && options->repeat >= 1);
	for (size_t i = 0; i < options->file_count; i++)
		dashes += strcmp(options->files[i], "-") == 0;
	FUZZ_CHECK(dashes <= 1);
	FUZZ_CHECK(options->wait_time.tv_sec >= 0 && options->wait_time.tv_usec >= 0);
	FUZZ_CHECK(options->wait_time.tv_sec <= 1000000000 &&
			options->wait_time.tv_usec < 1000000);
	FUZZ_CHECK(options->waits || !options->wait_text);
	FUZZ_CHECK(options->sender.size == sizeof(options->sender));
	FUZZ_CHECK(options->sender.capacity <= (uint64_t)1 << 30);
	FUZZ_CHECK(!options->sender.label || strlen(options->sender.label) <= 63);
	FUZZ_CHECK(is_bell(options->sender.bell));
}

static void check_receive(const struct receive_options *options)
{
	FUZZ_CHECK(options->address && *options->address);
	FUZZ_CHECK(options->receiver.size == sizeof(options->receiver));
	FUZZ_CHECK(options->receiver.allow_uids == options->allow_uids);
	FUZZ_CHECK((options->receiver.allow_uid_count == 0) ==
			(options->allow_uids == NULL));
	for (size_t i = 0; i < options->receiver.allow_uid_count; i++)
		FUZZ_CHECK(options->allow_uids[i] != (uid_t)-1);
	FUZZ_CHECK(options->receiver.socket_mode == 0 ||
			options->receiver.socket_mode == 0666);
	FUZZ_CHECK(options->slow_usec <= UINT64_C(24) * 3600 * 1000000);
	FUZZ_CHECK(is_bell(options->receiver.bell));
}

/* ---- The command line ------------------------------------------------------------------------ */

static void read_options(bool is_send, int count, char **arguments)
{
	struct receive_options receive;
	struct send_options send;

	/* Zero begins anew. What getopt_long() itself would say is not ours. */
	optind = 0;
	opterr = 0;
	if (setjmp(end)) {
		FUZZ_CHECK(status == EXIT_USAGE || status == EXIT_SUCCESS);
		free(list);
	} else if (is_send) {
		send_options_init(&send, count, arguments);
		check_send(&send);
	} else {
		receive_options_init(&receive, count, arguments);
		check_receive(&receive);
		receive_options_deinit(&receive);
	}
	list = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static char name[] = "evchan-program";
	char *text = malloc(size + 1);
	char *arguments[ARGUMENTS_MAX + 2] = { name };
	int count = 1;
	char *rest = text;

	FUZZ_CHECK(text);
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (size)
		rest++;
	while (count <= ARGUMENTS_MAX && rest)
		arguments[count++] = strsep(&rest, "\n");
	program_init(name, arguments);
	read_options(size && (bytes[0] & 1), count, arguments);
	free(text);
	return 0;
}
