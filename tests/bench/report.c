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
#define NAME_MAX_BYTES 112

struct figure {
	char name[NAME_MAX_BYTES];
	const char *unit;
	double samples[REPORT_REPEATS_MAX];
	unsigned count;
};

struct fact {
	const char *key;
	char text[512];
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

/* The order of the list is the order in the file. */
static struct figure *find(const char *name, const char *what)
{
	char full[NAME_MAX_BYTES];

	snprintf(full, sizeof(full), "%s%s%s", name, *what ? "/" : "", what);
	for (unsigned i = 0; i < figure_count; i++)
		if (strcmp(figures[i]->name, full) == 0)
			return figures[i];
	return NULL;
}

static struct figure *make(const char *name, const char *what, const char *unit)
{
	struct figure *figure = calloc(1, sizeof(*figure));

	if (!figure || figure_count == FIGURES_MAX)
		process_die("no memory for one more figure");
	snprintf(figure->name, sizeof(figure->name), "%s%s%s", name, *what ? "/" : "",
			what);
	figure->unit = unit;
	figures[figure_count++] = figure;
	return figure;
}

static struct summary summarize(const struct figure *figure)
{
	struct summary summary = { .count = figure->count };
	double sorted[REPORT_REPEATS_MAX];
	unsigned middle = figure->count / 2;

	memcpy(sorted, figure->samples, sizeof(sorted));
	qsort(sorted, figure->count, sizeof(sorted[0]), compare);
	summary.median = sorted[middle];
	if (figure->count % 2 == 0)
		summary.median = (summary.median + sorted[middle - 1]) / 2;
	summary.min = sorted[0];
	summary.max = sorted[figure->count - 1];
	return summary;
}

void report_sample(const char *name, const char *what, const char *unit, double value)
{
	struct figure *figure = find(name, what);

	if (!figure)
		figure = make(name, what, unit);
	if (figure->count == REPORT_REPEATS_MAX)
		process_die("%s: too many samples", figure->name);
	figure->samples[figure->count++] = value;
}

struct summary report_summary(const char *name, const char *what)
{
	const struct figure *figure = find(name, what);

	return figure ? summarize(figure) : (struct summary){ .count = 0 };
}

double report_value(const char *name, const char *what, unsigned number)
{
	const struct figure *figure = find(name, what);

	return figure && number < figure->count ? figure->samples[number] : 0;
}

static struct fact *fact_of(const char *key)
{
	for (unsigned i = 0; i < fact_count; i++)
		if (strcmp(facts[i].key, key) == 0)
			return &facts[i];
	if (fact_count == FACTS_MAX)
		process_die("too many facts");
	facts[fact_count].key = key;
	return &facts[fact_count++];
}

void report_fact(const char *key, const char *format, ...)
{
	struct fact *fact = fact_of(key);
	va_list arguments;

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
	struct summary summary = summarize(figure);

	fprintf(file, "\t\t{\"name\": ");
	write_string(file, figure->name);
	fprintf(file, ", \"unit\": ");
	write_string(file, figure->unit);
	fprintf(file, ", \"median\": %.9g, \"min\": %.9g, \"max\": %.9g, \"samples\": [",
			summary.median, summary.min, summary.max);
	for (unsigned i = 0; i < figure->count; i++)
		fprintf(file, "%s%.9g", i ? ", " : "", figure->samples[i]);
	fprintf(file, "]}");
}

static void write_all(FILE *file)
{
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
}

void report_write_json(const char *path)
{
	char unfinished[4096];
	FILE *file;

	snprintf(unfinished, sizeof(unfinished), "%s.unfinished", path);
	file = fopen(unfinished, "w");
	if (!file)
		process_die("%s: %s", unfinished, strerror(errno));
	write_all(file);
	if ((ferror(file) | fclose(file)) || rename(unfinished, path) < 0)
		process_die("%s: cannot be written", path);
}
