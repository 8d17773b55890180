/* SPDX-License-Identifier: MIT */

/*
 * The standard output of evchan-receive.
 *
 * Escapes. The text between the quotes is the inside of a C string: \n \t \" \\ by name, other bytes
 * that are not printable as three octal digits (hexadecimal escapes have no end in C: "\x1b" followed
 * by an "a" is another string). UTF-8 passes through where it is well-formed and no control
 * character; every other byte above 127 is escaped. So what is printed is always one line, harmless
 * to a terminal, and can be turned back into the very bytes.
 *
 * Waiting. A write(2) to a pipe that nobody reads never returns, and a process that sits there cannot be asked to
 * end. So signals must not restart it. The first one does not end it either: the reader may only be slow, and
 * there is more to print before the end in order. The second does.
 *
 * The bytes may lie in the ring, where a hostile sender can change them at any time. Hence each is
 * loaded once, into a local, which is then both judged and printed; "volatile" keeps the compiler from
 * loading it a second time.
 */

#include "receive_output.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "system.h"

typedef const volatile unsigned char shared_byte;

/* How much of a long message is escaped at once. */
#define ESCAPE_PIECE (OUTPUT_SIZE / OUTPUT_ESCAPED_MAX / 2)

/* Bytes that are printed as they are: ASCII from blank to tilde, less the quote and the backslash. */
static const bool is_plain[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

static size_t escape_byte(char *out, unsigned char byte)
{
	static const char named[] = "\n\t\"\\";
	static const char names[] = "nt\"\\";
	const char *found = byte ? strchr(named, byte) : NULL;

	out[0] = '\\';
	if (found) {
		out[1] = names[found - named];
		return 2;
	}
	out[1] = (char)('0' + (byte >> 6));
	out[2] = (char)('0' + (byte >> 3 & 7));
	out[3] = (char)('0' + (byte & 7));
	return 4;
}

/* Bytes that a lead byte announces; 0: it is none. */
static size_t utf8_announced(unsigned char lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

/* Whether these bytes are one well-formed character (RFC 3629) and no control character. */
static bool utf8_is_printable(const unsigned char *bytes, size_t count)
{
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	uint32_t character = bytes[0] & (0x7fu >> count);

	for (size_t i = 1; i < count; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return false;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	return character >= least[count] && character <= 0x10ffff &&
	       !(character >= 0xd800 && character <= 0xdfff);
}

/* Copies the UTF-8 character at `in`, if one is there and may be printed. Returns its bytes, or 0. */
static size_t copy_utf8(char *out, shared_byte *in, size_t size)
{
	unsigned char bytes[4] = { in[0] };
	size_t count = utf8_announced(bytes[0]);

	if (count == 0 || count > size)
		return 0;
	for (size_t i = 1; i < count; i++)
		bytes[i] = in[i];
	if (!utf8_is_printable(bytes, count))
		return 0;
	memcpy(out, bytes, count);
	return count;
}

size_t escape(char *out, const void *data, size_t size)
{
	shared_byte *in = data;
	shared_byte *end = in + size;
	char *at = out;

	while (in < end) {
		unsigned char byte = *in;
		size_t count;

		if (is_plain[byte]) {
			*at++ = (char)byte;
			in++;
			continue;
		}
		count = byte & 0x80 ? copy_utf8(at, in, (size_t)(end - in)) : 0;
		if (count) {
			at += count;
			in += count;
			continue;
		}
		at += escape_byte(at, byte);
		in++;
	}
	return (size_t)(at - out);
}

void output_bytes(struct output *output, const void *data, size_t size)
{
	memcpy(output->buffer + output->used, data, size);
	output->used += size;
}

void output_escaped(struct output *output, const void *data, size_t size)
{
	output->used += escape(output->buffer + output->used, data, size);
}

static int write_all(struct output *output, const char *data, size_t size)
{
	size_t written;
	int r;

	while (size > 0) {
		r = system_write_output(data, size, &written);
		data += written;
		size -= written;
		if (r == -EINTR && !output->ends_on_signal) {
			output->ends_on_signal = true;
			r = 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int output_flush(struct output *output)
{
	size_t size = output->used;

	output->used = 0;
	return write_all(output, output->buffer, size);
}

int output_write_bytes(struct output *output, const void *data, size_t size)
{
	int r;

	if (size > output_room(output)) {
		r = output_flush(output);
		if (r < 0)
			return r;
	}
	if (size > OUTPUT_SIZE)
		return write_all(output, data, size);
	output_bytes(output, data, size);
	return 0;
}

/* The length of the next piece, which does not end inside a UTF-8 character. */
static size_t piece_length(shared_byte *data, size_t size)
{
	if (size <= ESCAPE_PIECE)
		return size;
	/* Where the last character begins, if it has more bytes than one. */
	for (size_t back = 1; back <= 3; back++) {
		unsigned char byte = data[ESCAPE_PIECE - back];

		if (utf8_announced(byte) > back)
			return ESCAPE_PIECE - back;
		if ((byte & 0xc0) != 0x80)
			break;
	}
	return ESCAPE_PIECE;
}

int output_write_escaped(struct output *output, const void *data, size_t size)
{
	const unsigned char *in = data;
	int r;

	while (size > 0) {
		size_t length = piece_length(in, size);

		if (length * OUTPUT_ESCAPED_MAX > output_room(output)) {
			r = output_flush(output);
			if (r < 0)
				return r;
		}
		output_escaped(output, in, length);
		in += length;
		size -= length;
	}
	return 0;
}
