// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A row holds a reference to its process: so a row is found by the pointer alone, and a process that
 * nobody else knows any more has ended.
 */
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "export/cell.h"
#include "process.h"
#include "resource.h"

#define NAME_WIDTH_MAX 40

struct row {
	struct process *process;
	uint64_t used; /* the tally's count of spans when it was counted last */
	struct tally_counts counts;
};

struct tally {
	struct row rows[TALLY_ROWS];
	uint32_t count;
	uint32_t last; /* spans of one process come in runs */
	uint64_t spans;
	uint32_t folded; /* rows that had to make room */
	struct tally_counts others;
};

struct tally *tally__new(void)
{
	return calloc(1, sizeof(struct tally));
}

void tally__free(struct tally *tally)
{
	if (!tally)
		return;
	for (uint32_t i = 0; i < tally->count; i++)
		process__unref(tally->rows[i].process);
	free(tally);
}

static void add_side(struct tally_side *to, const struct tally_side *from)
{
	for (int i = 0; i < PARENT_BY_COUNT; i++)
		to->parents[i] += from->parents[i];
	for (int i = 0; i < ROOT_WHY_COUNT; i++)
		to->roots[i] += from->roots[i];
}

static void add_counts(struct tally_counts *to, const struct tally_counts *from)
{
	add_side(&to->server, &from->server);
	add_side(&to->client, &from->client);
}

/* A process is described anew when it executes another program or when more of it is known. */
static bool is_same(const struct process *a, const struct process *b)
{
	return a->pid == b->pid &&
	       (a->start_ticks == b->start_ticks || !a->start_ticks || !b->start_ticks);
}

static struct row *find(struct tally *tally, struct process *process)
{
	if (tally->count && tally->rows[tally->last].process == process)
		return &tally->rows[tally->last];
	for (uint32_t i = 0; i < tally->count; i++) {
		struct row *row = &tally->rows[i];

		if (row->process != process && !is_same(row->process, process))
			continue;
		process__ref(process);
		process__unref(row->process);
		row->process = process;
		tally->last = i;
		return row;
	}
	return NULL;
}

/* The place of the process that ended and was counted longest ago. */
static struct row *make_room(struct tally *tally)
{
	struct row *oldest = NULL;

	for (uint32_t i = 0; i < tally->count; i++) {
		struct row *row = &tally->rows[i];

		if (row->process->refs == 1 && (!oldest || row->used < oldest->used))
			oldest = row;
	}
	if (!oldest)
		return NULL;
	add_counts(&tally->others, &oldest->counts);
	tally->folded++;
	process__unref(oldest->process);
	return oldest;
}

static struct row *add(struct tally *tally, struct process *process)
{
	struct row *row =
		tally->count < TALLY_ROWS ? &tally->rows[tally->count++] : make_room(tally);

	if (!row)
		return NULL;
	*row = (struct row){ .process = process__ref(process) };
	tally->last = (uint32_t)(row - tally->rows);
	return row;
}

void tally__count(struct tally *tally, struct process *process, bool server, enum parent_by by,
		  enum root_why why)
{
	struct row *row = process ? find(tally, process) : NULL;
	struct tally_counts *counts = &tally->others;
	struct tally_side *side;

	if (!row && process)
		row = add(tally, process);
	tally->spans++;
	if (row) {
		row->used = tally->spans;
		counts = &row->counts;
	}
	side = server ? &counts->server : &counts->client;
	if (by == PARENT_BY_NONE)
		side->roots[why]++;
	else
		side->parents[by]++;
}

bool tally__of(const struct tally *tally, const struct resource *resource, struct tally_counts *ret)
{
	bool any = false;

	*ret = (struct tally_counts){ 0 };
	for (uint32_t i = 0; resource && i < tally->count; i++) {
		if (tally->rows[i].process->resource != resource)
			continue;
		add_counts(ret, &tally->rows[i].counts);
		any = true;
	}
	return any;
}

/* --- the table ------------------------------------------------------------------------------- */

static uint64_t side__spans(const struct tally_side *side)
{
	uint64_t spans = 0;

	for (int i = 0; i < PARENT_BY_COUNT; i++)
		spans += side->parents[i];
	for (int i = 0; i < ROOT_WHY_COUNT; i++)
		spans += side->roots[i];
	return spans;
}

/* The name comes from the process: a stranger. No space behind it: losses are told so. */
static void put_name(const struct process *process, struct buf *out)
{
	if (process->resource)
		cell__clean(out, resource__service_name(process->resource), true);
	buf__printf(out, "[%" PRIu32 "]", process->pid);
}

static void print_side(const struct tally_side *side, const char *which, struct buf *out)
{
	const char *before = " ";

	buf__printf(out, " %s %8" PRIu64 " ", which, side__spans(side));
	for (int i = 0; i < PARENT_BY_COUNT; i++) {
		if (!side->parents[i])
			continue;
		buf__printf(out, "%s%s %" PRIu64, before, parent_by__name((enum parent_by)i),
			    side->parents[i]);
		before = ", ";
	}
	before = *before == ',' ? "; roots: " : " roots: ";
	for (int i = 0; i < ROOT_WHY_COUNT; i++) {
		if (!side->roots[i])
			continue;
		buf__printf(out, "%s%s %" PRIu64, before, root_why__name((enum root_why)i),
			    side->roots[i]);
		before = ", ";
	}
	buf__puts(out, "\n");
}

static void print_row(const struct tally_counts *counts, struct slice name, uint32_t width,
		      struct buf *out)
{
	if (side__spans(&counts->server)) {
		buf__puts(out, "  ");
		cell__put(out, name, width, false, true);
		print_side(&counts->server, "server", out);
		name = SLICE("");
	}
	if (side__spans(&counts->client)) {
		buf__puts(out, "  ");
		cell__put(out, name, width, false, true);
		print_side(&counts->client, "client", out);
	}
}

void tally__print(const struct tally *tally, struct buf *out)
{
	struct buf name = { 0 };
	char others[32];
	int n = snprintf(others, sizeof(others), "others (%" PRIu32 " ended)", tally->folded);
	uint32_t width = (uint32_t)n;

	if (!tally->spans)
		return;
	buf__puts(out, "by process:\n");
	for (uint32_t i = 0; i < tally->count; i++) {
		buf__clear(&name);
		put_name(tally->rows[i].process, &name);
		uint32_t w = cell__width(slice(name.p, name.n), true);

		if (w > width)
			width = w < NAME_WIDTH_MAX ? w : NAME_WIDTH_MAX;
	}
	for (uint32_t i = 0; i < tally->count; i++) {
		buf__clear(&name);
		put_name(tally->rows[i].process, &name);
		print_row(&tally->rows[i].counts, slice(name.p, name.n), width, out);
	}
	print_row(&tally->others, slice_of(others), width, out);
	buf__release(&name);
}
