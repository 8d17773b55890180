/* SPDX-License-Identifier: MIT */
/* UTF-8, by the table of well-formed byte sequences in the Unicode standard (chapter 3, table 3-7). */

#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* What the first continuation byte may be, and how many there are; 0: not a first byte. */
static unsigned sequence(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first >= 0xc2 && first <= 0xdf)
		return 1;
	if (first >= 0xe0 && first <= 0xef) {
		if (first == 0xe0)
			*low = 0xa0; /* overlong */
		if (first == 0xed)
			*high = 0x9f; /* surrogates */
		return 2;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if (first == 0xf0)
			*low = 0x90; /* overlong */
		if (first == 0xf4)
			*high = 0x8f; /* above U+10FFFF */
		return 3;
	}
	return 0;
}

/* Bytes of ASCII at the beginning, eight at a time. */
static size_t ascii_length(const unsigned char *at, size_t length)
{
	size_t done = 0;
	uint64_t word;

	while (length - done >= 8) {
		memcpy(&word, at + done, 8);
		if (word & UINT64_C(0x8080808080808080))
			break;
		done += 8;
	}
	while (done < length && at[done] < 0x80)
		done++;
	return done;
}

bool utf8_is_valid(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + length;

	for (;;) {
		unsigned char low, high;
		unsigned more;

		at += ascii_length(at, (size_t)(end - at));
		if (at == end)
			return true;
		more = sequence(*at++, &low, &high);
		if (more == 0 || (size_t)(end - at) < more || *at < low || *at > high)
			return false;
		while (--more)
			if ((*++at & 0xc0) != 0x80)
				return false;
		at++;
	}
}
