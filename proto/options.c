/* SPDX-License-Identifier: MIT */
/* The rule of openat2(2) for structs that grow. */

#include "options.h"

#include <errno.h>
#include <string.h>

/* No struct of this library will ever reach it: a larger size is an uninitialised struct. */
#define STRUCT_SIZE_MAX 4096

int options_read(void *known, size_t known_size, const void *given)
{
	const unsigned char *bytes = given;
	size_t size = 0;

	if (given) {
		memcpy(&size, given, sizeof(size));
		if (size < sizeof(size))
			return -EINVAL;
		if (size > STRUCT_SIZE_MAX)
			return -E2BIG;
	}
	for (size_t i = known_size; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memset(known, 0, known_size);
	if (given)
		memcpy(known, given, size < known_size ? size : known_size);
	memcpy(known, &known_size, sizeof(known_size));
	return 0;
}

void options_write(void *given, const void *known, size_t known_size)
{
	size_t size;

	memcpy(&size, given, sizeof(size));
	if (size > known_size)
		size = known_size;
	if (size < sizeof(size))
		size = 0;
	else
		memcpy(given, known, size);
	memcpy(given, &size, sizeof(size));
}
