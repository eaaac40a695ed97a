// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The tree of a trace:
 *
 *   trace 4f1c...  3 spans  12.4 ms
 *   front        GET /shop               200   12.4 ms  ████████████████████████████
 *   └─ front     GET back:8080/items     200   10.1 ms     ├─────────────────────┤
 *      ╰▶ back   GET /items              200    9.8 ms      ████████████████████
 *
 * One time scale for all bars of a trace. A call is drawn as a bracket and what served it as a
 * block, so that the two ends of a connection are seen as a pair: what the bracket has more than
 * the block is network and waiting.
 */
#include "export/tree.h"

#include <errno.h>
#include <stdlib.h>

#include "export/cell.h"
#include "resource.h"

#define DEPTH_MAX 24 /* beyond it lines are not moved further to the right */
#define BAR_MIN	  10
#define GAP	  2
#define ID_NONE	  UINT32_MAX

enum mark { MARK_LAST, MARK_MORE, MARK_LAST_SERVES, MARK_MORE_SERVES, MARK_BLANK, MARK_LINE };

static const char *const marks[2][6] = {
	{ "`- ", "|- ", "`> ", "|> ", "   ", "|  " },
	{ "└─ ", "├─ ", "╰▶ ", "├▶ ", "   ", "│  " },
};

struct row {
	const struct span *span;
	struct buf prefix; /* the lines of the tree */
	struct buf service, name, status, duration;
	uint32_t first_child, next; /* indices; ID_NONE: none */
	uint32_t parent;
	uint32_t depth;
	bool done;
};

struct tree {
	struct row *rows; /* by start time */
	uint32_t *order;  /* lines: indices into rows */
	uint32_t count, lines;
	uint64_t start_ns, end_ns;
	uint32_t left_width, name_width, status_width, duration_width, bar_width;
	const struct tree_style *style;
};

/* --- who is under whom ---------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct span *x = ((const struct row *)a)->span, *y = ((const struct row *)b)->span;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->end_ns != y->end_ns) /* the longer one first: it can hold the other */
		return x->end_ns > y->end_ns ? -1 : 1;
	return memcmp(x->span_id, y->span_id, sizeof(x->span_id));
}

struct id {
	uint8_t id[8];
	uint32_t row;
};

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static struct id *make_index(const struct row *rows, uint32_t count)
{
	struct id *index = calloc(count ? count : 1, sizeof(*index));

	for (uint32_t i = 0; index && i < count; i++) {
		memcpy(index[i].id, rows[i].span->span_id, sizeof(index[i].id));
		index[i].row = i;
	}
	if (index)
		qsort(index, count, sizeof(*index), by_id);
	return index;
}

/* Children are linked from the last to the first, so that each list is in order of time. */
static void link_rows(struct tree *tree, const struct id *index)
{
	for (uint32_t i = tree->count; i-- > 0;) {
		struct row *row = &tree->rows[i];
		const struct id *parent = row->span->has_parent ?
						  bsearch(row->span->parent_id, index, tree->count,
							  sizeof(*index), by_id) :
						  NULL;

		if (!parent || parent->row == i)
			continue;
		row->parent = parent->row;
		row->next = tree->rows[parent->row].first_child;
		tree->rows[parent->row].first_child = i;
	}
}

static bool serves(const struct tree *tree, const struct row *row)
{
	return row->parent != ID_NONE && row->span->kind == SPAN_SERVER &&
	       tree->rows[row->parent].span->kind == SPAN_CLIENT;
}

/* The base is what lines below this one begin with. */
static void make_prefix(struct tree *tree, struct row *row, const struct buf *base, bool under,
			struct buf *ret_base)
{
	bool last = row->next == ID_NONE;
	int set = tree->style->utf8;

	buf__append(&row->prefix, base->p, base->n);
	buf__append(ret_base, base->p, base->n);
	if (!under)
		return;
	enum mark mark = serves(tree, row) ? (last ? MARK_LAST_SERVES : MARK_MORE_SERVES) :
					     (last ? MARK_LAST : MARK_MORE);

	buf__puts(&row->prefix, marks[set][mark]);
	if (row->depth < DEPTH_MAX)
		buf__puts(ret_base, marks[set][last ? MARK_BLANK : MARK_LINE]);
}

/* The next line after `at` that is not below it; ID_NONE when that leaves the root. */
static uint32_t next_beside(struct tree *tree, uint32_t at, uint32_t root)
{
	for (; at != root; at = tree->rows[at].parent) {
		uint32_t next = tree->rows[at].next;

		if (next == ID_NONE || tree->rows[next].done)
			continue;
		tree->rows[next].depth = tree->rows[at].depth;
		return next;
	}
	return ID_NONE;
}

static uint32_t next_below(struct tree *tree, uint32_t at)
{
	uint32_t child = tree->rows[at].first_child;

	while (child != ID_NONE && tree->rows[child].done) /* a cycle comes back here */
		child = tree->rows[child].next;
	if (child != ID_NONE)
		tree->rows[child].depth = tree->rows[at].depth + 1;
	return child;
}

/* Depth first without recursion, from one root; bases[n] is that of the lines at depth n. */
static void walk(struct tree *tree, uint32_t root, struct buf *bases)
{
	static const struct buf none = { 0 };
	uint32_t at = root;

	while (at != ID_NONE) {
		struct row *row = &tree->rows[at];
		uint32_t level = row->depth < DEPTH_MAX ? row->depth : DEPTH_MAX;

		row->done = true;
		tree->order[tree->lines++] = at;
		buf__clear(&bases[level + 1]);
		make_prefix(tree, row, level ? &bases[level] : &none, at != root,
			    &bases[level + 1]);
		uint32_t below = next_below(tree, at);

		at = below != ID_NONE ? below : next_beside(tree, at, root);
	}
}

static void order_rows(struct tree *tree, struct buf *bases)
{
	for (uint32_t i = 0; i < tree->count; i++) {
		if (tree->rows[i].parent == ID_NONE)
			walk(tree, i, bases);
	}
	/* what only a cycle of parents reaches */
	for (uint32_t i = 0; i < tree->count; i++) {
		if (!tree->rows[i].done)
			walk(tree, i, bases);
	}
}

/* --- the columns ---------------------------------------------------------------------------------- */

static uint32_t width_of(const struct tree *tree, const struct buf *text)
{
	return cell__width(slice(text->p, text->n), tree->style->utf8);
}

static void widen(uint32_t *width, uint32_t n)
{
	if (n > *width)
		*width = n;
}

static void measure(struct tree *tree)
{
	uint32_t width = tree->style->width < 40 ? 40 : tree->style->width;
	uint32_t lines = tree->lines < TREE_ROWS_MAX ? tree->lines : TREE_ROWS_MAX;

	for (uint32_t i = 0; i < lines; i++) {
		const struct row *row = &tree->rows[tree->order[i]];

		widen(&tree->left_width,
		      width_of(tree, &row->prefix) + width_of(tree, &row->service));
		widen(&tree->name_width, width_of(tree, &row->name));
		widen(&tree->status_width, width_of(tree, &row->status));
		widen(&tree->duration_width, width_of(tree, &row->duration));
	}
	if (tree->left_width > width / 3)
		tree->left_width = width / 3;
	if (tree->status_width > 14)
		tree->status_width = 14;
	/* names take what they need but leave the bars two fifths of the rest */
	uint32_t fixed = tree->left_width + tree->status_width + tree->duration_width + 4 * GAP;
	uint32_t rest = width > fixed + BAR_MIN ? width - fixed : BAR_MIN;
	uint32_t bar = rest * 2 / 5 > BAR_MIN ? rest * 2 / 5 : BAR_MIN;

	if (tree->name_width > rest - bar)
		tree->name_width = rest - bar;
	tree->bar_width = rest - tree->name_width;
	if (fixed + tree->name_width + tree->bar_width > width)
		tree->bar_width = 0; /* too narrow for bars */
}

/* --- a bar ------------------------------------------------------------------------------------------ */

static uint32_t scaled(const struct tree *tree, uint64_t ns)
{
	uint64_t whole = tree->end_ns - tree->start_ns;

	return whole ? (uint32_t)((double)ns * tree->bar_width / (double)whole + 0.5) : 0;
}

static void put_bar(const struct tree *tree, const struct span *span, struct buf *out)
{
	bool utf8 = tree->style->utf8, call = span->kind == SPAN_CLIENT;
	uint32_t from = scaled(tree, span->start_ns - tree->start_ns);
	uint32_t to = scaled(tree, (span->end_ns > span->start_ns ? span->end_ns : span->start_ns) -
					   tree->start_ns);

	if (from >= tree->bar_width)
		from = tree->bar_width - 1;
	for (uint32_t i = 0; i < from; i++)
		buf__puts(out, " ");
	if (to <= from) { /* shorter than half a cell, but there */
		buf__puts(out, utf8 ? (call ? "│" : "▏") : "|");
		return;
	}
	for (uint32_t i = from; i < to; i++) {
		if (!call)
			buf__puts(out, utf8 ? "█" : "#");
		else if (to - from == 1)
			buf__puts(out, utf8 ? "╫" : "|");
		else if (i == from)
			buf__puts(out, utf8 ? "├" : "|");
		else if (i == to - 1)
			buf__puts(out, utf8 ? "┤" : "|");
		else
			buf__puts(out, utf8 ? "─" : "-");
	}
}

/* --- lines ---------------------------------------------------------------------------------------- */

#define RED   "\x1b[31m"
#define GREEN "\x1b[32m"
#define CYAN  "\x1b[36m"
#define BOLD  "\x1b[1m"
#define DIM   "\x1b[2m"
#define PLAIN "\x1b[0m"

static void put_color(const struct tree *tree, const char *color, struct buf *out)
{
	if (tree->style->color)
		buf__puts(out, color);
}

static void put_cell(const struct tree *tree, const struct buf *text, uint32_t width, bool right,
		     const char *color, struct buf *out)
{
	if (color)
		put_color(tree, color, out);
	cell__put(out, slice(text->p, text->n), width, right, tree->style->utf8);
	if (color)
		put_color(tree, PLAIN, out);
}

static void put_row(const struct tree *tree, const struct row *row, struct buf *out)
{
	bool failed = row->span->status == STATUS_ERROR;
	uint32_t prefix = width_of(tree, &row->prefix);
	uint32_t left = tree->left_width;

	put_cell(tree, &row->prefix, prefix < left ? prefix : left, false, DIM, out);
	put_cell(tree, &row->service, prefix < left ? left - prefix : 0, false, NULL, out);
	buf__puts(out, "  ");
	put_cell(tree, &row->name, tree->name_width, false, BOLD, out);
	buf__puts(out, "  ");
	put_cell(tree, &row->status, tree->status_width, true, failed ? RED : NULL, out);
	buf__puts(out, "  ");
	put_cell(tree, &row->duration, tree->duration_width, true, NULL, out);
	if (tree->bar_width) {
		buf__puts(out, "  ");
		put_color(tree, failed ? RED : row->span->kind == SPAN_CLIENT ? CYAN : GREEN, out);
		put_bar(tree, row->span, out);
		put_color(tree, PLAIN, out);
	}
	buf__puts(out, "\n");
}

static void put_head(const struct tree *tree, struct buf *out)
{
	const struct span *span = tree->rows[0].span;

	put_color(tree, DIM, out);
	buf__puts(out, "trace ");
	for (size_t i = 0; i < sizeof(span->trace_id); i++)
		buf__printf(out, "%02x", span->trace_id[i]);
	buf__printf(out, "  %u span%s  ", tree->count, tree->count == 1 ? "" : "s");
	cell__duration(out, tree->end_ns - tree->start_ns, tree->style->utf8);
	put_color(tree, PLAIN, out);
	buf__puts(out, "\n");
}

static void put_lines(const struct tree *tree, struct buf *out)
{
	put_head(tree, out);
	for (uint32_t i = 0; i < tree->lines; i++) {
		if (i == TREE_ROWS_MAX) {
			buf__printf(out, "... and %u spans more\n", tree->lines - i);
			break;
		}
		put_row(tree, &tree->rows[tree->order[i]], out);
	}
	buf__puts(out, "\n");
}

/* --- the whole -------------------------------------------------------------------------------- */

static void fill(struct tree *tree, struct span *const *spans)
{
	bool utf8 = tree->style->utf8;

	tree->start_ns = UINT64_MAX;
	for (uint32_t i = 0; i < tree->count; i++) {
		struct row *row = &tree->rows[i];
		const struct span *span = spans[i];

		row->span = span;
		row->first_child = row->next = row->parent = ID_NONE;
		cell__clean(&row->service, resource__service_name(span->resource), utf8);
		cell__name(&row->name, span, utf8);
		cell__status(&row->status, span, utf8);
		cell__duration(&row->duration,
			       span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0,
			       utf8);
		if (span->start_ns < tree->start_ns)
			tree->start_ns = span->start_ns;
		if (span->end_ns > tree->end_ns)
			tree->end_ns = span->end_ns;
	}
	if (tree->end_ns < tree->start_ns)
		tree->end_ns = tree->start_ns;
}

int tree__print(struct span *const *spans, uint32_t count, const struct tree_style *style,
		struct buf *out)
{
	struct tree tree = { .count = count, .style = style };
	struct buf bases[DEPTH_MAX + 2] = { { 0 } };
	struct id *index = NULL;
	int err = -ENOMEM;

	if (!count)
		return 0;
	tree.rows = calloc(count, sizeof(*tree.rows));
	tree.order = calloc(count, sizeof(*tree.order));
	if (!tree.rows || !tree.order)
		goto cleanup;
	fill(&tree, spans);
	qsort(tree.rows, count, sizeof(*tree.rows), by_start);
	index = make_index(tree.rows, count);
	if (!index)
		goto cleanup;
	link_rows(&tree, index);
	order_rows(&tree, bases);
	measure(&tree);
	put_lines(&tree, out);
	err = out->failed ? -ENOMEM : 0;
cleanup:
	for (uint32_t i = 0; tree.rows && i < count; i++) {
		buf__release(&tree.rows[i].prefix);
		buf__release(&tree.rows[i].service);
		buf__release(&tree.rows[i].name);
		buf__release(&tree.rows[i].status);
		buf__release(&tree.rows[i].duration);
	}
	for (uint32_t i = 0; i < DEPTH_MAX + 2; i++)
		buf__release(&bases[i]);
	free(tree.rows);
	free(tree.order);
	free(index);
	return err;
}

bool tree__is_whole(struct span *const *spans, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		bool found = !spans[i]->has_parent || spans[i]->remote_parent;

		for (uint32_t j = 0; !found && j < count; j++)
			found = memcmp(spans[j]->span_id, spans[i]->parent_id, 8) == 0;
		if (!found)
			return false;
	}
	return true;
}
