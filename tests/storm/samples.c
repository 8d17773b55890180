/* SPDX-License-Identifier: MIT */
/*
 * Quantiles are values that were measured: no interpolation, no distribution assumed.
 */

#include "samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "process.h"

#define CLASSES_PER_DECADE 20
#define CLASSES (6 * CLASSES_PER_DECADE) /* from 1 us to 1 s */

void samples_open(struct samples *samples, const char *name, const char *title,
		unsigned room)
{
	*samples = (struct samples){ .name = name, .title = title, .room = room };
	samples->microseconds = calloc(room, sizeof(double));
	if (!samples->microseconds)
		process_die("no memory");
}

void samples_close(struct samples *samples)
{
	free(samples->microseconds);
}

void samples_add(struct samples *samples, uint64_t nanoseconds)
{
	if (samples->count < samples->room)
		samples->microseconds[samples->count++] = (double)nanoseconds / 1000;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double samples_quantile(struct samples *samples, double part)
{
	unsigned index = (unsigned)(part * samples->count);

	if (!samples->count)
		return 0;
	qsort(samples->microseconds, samples->count, sizeof(double), compare);
	return samples->microseconds[index < samples->count ? index : samples->count - 1];
}

static void print_time(double microseconds)
{
	if (microseconds < 1000)
		printf(" %.0f us |", microseconds);
	else
		printf(" %.2f ms |", microseconds / 1000);
}

void samples_print(struct samples *samples)
{
	printf("| %s | %u |", samples->title, samples->count);
	print_time(samples_quantile(samples, 0.5));
	print_time(samples_quantile(samples, 0.99));
	print_time(samples_quantile(samples, 1));
	putchar('\n');
}

static double class_begin(unsigned class)
{
	return pow(10, (double)class / CLASSES_PER_DECADE);
}

static unsigned class_of(double microseconds)
{
	double class = log10(microseconds) * CLASSES_PER_DECADE;

	if (!(class > 0))
		return 0;
	return class < CLASSES - 1 ? (unsigned)class : CLASSES - 1;
}

void samples_write_histogram(const struct samples *samples, const char *folder)
{
	unsigned counts[CLASSES] = { 0 };
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, samples->name);
	file = fopen(path, "we");
	if (!file)
		process_die("%s: cannot be written", path);
	for (unsigned i = 0; i < samples->count; i++)
		counts[class_of(samples->microseconds[i])]++;
	for (unsigned i = 0; i < CLASSES; i++)
		fprintf(file, "%g %g %g\n", class_begin(i), class_begin(i + 1),
				100.0 * counts[i] / samples->count);
	if (fclose(file) != 0)
		process_die("%s: cannot be written", path);
}
