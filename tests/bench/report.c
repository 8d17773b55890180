/* SPDX-License-Identifier: MIT */
/*
 * Figures and facts. Both lists only grow, and live until the program ends.
 *
 * The JSON file is {"facts": {key: text}, "figures": [{name, unit, median, min, max,
 * samples}]}.
 */

#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"

#define FIGURES_MAX 4096
#define FACTS_MAX 32

struct figure {
	char name[96];
	const char *unit;
	struct samples samples;
	struct summary summary;
};

struct fact {
	const char *key;
	char text[256];
};

static struct figure *figures[FIGURES_MAX];
static unsigned figure_count;
static struct fact facts[FACTS_MAX];
static unsigned fact_count;

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return (a > b) - (a < b);
}

static struct summary summarize(const struct samples *samples)
{
	struct samples sorted = *samples;
	unsigned middle = sorted.count / 2;
	struct summary summary;

	qsort(sorted.values, sorted.count, sizeof(sorted.values[0]), compare);
	summary.median = sorted.values[middle];
	if (sorted.count % 2 == 0)
		summary.median = (summary.median + sorted.values[middle - 1]) / 2;
	summary.min = sorted.values[0];
	summary.max = sorted.values[sorted.count - 1];
	return summary;
}

struct summary report_add(const char *name, const char *what, const char *unit,
		const struct samples *samples)
{
	struct figure *figure = malloc(sizeof(*figure));

	if (!figure || figure_count == FIGURES_MAX)
		process_die("no memory for one more figure");
	snprintf(figure->name, sizeof(figure->name), "%s%s%s", name, *what ? "/" : "",
			what);
	figure->unit = unit;
	figure->samples = *samples;
	figure->summary = summarize(samples);
	figures[figure_count++] = figure;
	return figure->summary;
}

void report_fact(const char *key, const char *format, ...)
{
	struct fact *fact;
	va_list arguments;

	if (fact_count == FACTS_MAX)
		process_die("too many facts");
	fact = &facts[fact_count++];
	fact->key = key;
	va_start(arguments, format);
	vsnprintf(fact->text, sizeof(fact->text), format, arguments);
	va_end(arguments);
}

void report_print_facts(void)
{
	for (unsigned i = 0; i < fact_count; i++)
		printf("%-12s %s\n", facts[i].key, facts[i].text);
}

static void write_string(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20)
			fprintf(file, "\\u%04x", (unsigned char)*text);
		else
			fprintf(file, "%s%c", *text == '"' || *text == '\\' ? "\\" : "",
					*text);
	}
	fputc('"', file);
}

static void write_figure(FILE *file, const struct figure *figure)
{
	fprintf(file, "\t\t{\"name\": ");
	write_string(file, figure->name);
	fprintf(file, ", \"unit\": ");
	write_string(file, figure->unit);
	fprintf(file, ", \"median\": %.9g, \"min\": %.9g, \"max\": %.9g, \"samples\": [",
			figure->summary.median, figure->summary.min, figure->summary.max);
	for (unsigned i = 0; i < figure->samples.count; i++)
		fprintf(file, "%s%.9g", i ? ", " : "", figure->samples.values[i]);
	fprintf(file, "]}");
}

void report_write_json(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		process_die("%s: %s", path, strerror(errno));
	fprintf(file, "{\n\t\"facts\": {");
	for (unsigned i = 0; i < fact_count; i++) {
		fprintf(file, "%s\n\t\t", i ? "," : "");
		write_string(file, facts[i].key);
		fprintf(file, ": ");
		write_string(file, facts[i].text);
	}
	fprintf(file, "\n\t},\n\t\"figures\": [");
	for (unsigned i = 0; i < figure_count; i++) {
		fprintf(file, "%s\n", i ? "," : "");
		write_figure(file, figures[i]);
	}
	fprintf(file, "\n\t]\n}\n");
	if (ferror(file) | fclose(file))
		process_die("%s: cannot be written", path);
}
