// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What options say to people: --help, and the name that a mistyped one may have meant. */
#include <stdio.h>
#include <string.h>

#include "options_table.h"

static size_t edit_distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= 64 || strlen(a) >= 64)
		return 64;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[n];
}

const char *option_nearest(const char *name, bool keys)
{
	const char *best = NULL;
	size_t best_distance = strlen(name) / 3 + 2;

	for (unsigned int i = 0; i < option_row_count; i++) {
		const char *candidate = keys ? option_rows[i].key : option_rows[i].flag;
		size_t distance = candidate ? edit_distance(name, candidate) : 64;

		if (distance < best_distance) {
			best = candidate;
			best_distance = distance;
		}
	}
	return best;
}

static const char help_head[] =
	"spanprobe: OpenTelemetry traces of running processes, seen from the kernel.\n\n"
	"spanprobe [OPTION]... [-- COMMAND ARG...]  trace; start COMMAND if given\n"
	"spanprobe record -o RUN.spr [OPTION]...    raw events to a file\n"
	"spanprobe replay RUN.spr [OPTION]...       the same spans from the file\n"
	"spanprobe doctor [--pid PID]               what works here and what is missing\n"
	"spanprobe version\n\n";

void options__help(struct buf *out)
{
	buf__puts(out, help_head);
	for (unsigned int i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		char left[64], letter[8] = "    ";

		if (!row->help || !row->flag)
			continue;
		if (row->letter)
			snprintf(letter, sizeof(letter), "-%c, ", row->letter);
		snprintf(left, sizeof(left), "%s--%s %s", letter, row->flag,
			 row->arg ? row->arg : "");
		for (const char *line = row->help; line; left[0] = '\0') {
			size_t n = strcspn(line, "\n");

			buf__printf(out, "%-33s%.*s\n", left, (int)n, line);
			line = line[n] ? line + n + 1 : NULL;
		}
	}
	buf__puts(out,
		  "Every option is also SPANPROBE_NAME and a key of --config; man spanprobe.\n");
}
