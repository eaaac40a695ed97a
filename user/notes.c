// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1

#include "notes.h"

#include <stdint.h>
#include <stdlib.h>

#include <uthash.h>

struct note_text {
	UT_hash_handle hh;
	uint32_t refs;
	uint32_t n;
	char bytes[];
};

struct note {
	UT_hash_handle hh;
	struct note_text *text; /* a reference */
	uint32_t n;
	char name[];
};

struct notes {
	struct note_store *store;
	struct note *by_name;
};

struct notes *notes__new(struct note_store *store)
{
	struct notes *notes = calloc(1, sizeof(*notes));

	if (notes)
		notes->store = store;
	return notes;
}

/* --- texts --------------------------------------------------------------------------------- */

static void text__unref(struct note_store *store, struct note_text *text)
{
	if (--text->refs)
		return;
	HASH_DEL(store->texts, text);
	store->bytes -= sizeof(*text) + text->n;
	free(text);
}

/* A reference, or NULL */
static struct note_text *text__get(struct note_store *store, struct slice bytes)
{
	size_t max = store->bytes_max ? store->bytes_max : NOTES_BYTES_MAX;
	struct note_text *text;

	HASH_FIND(hh, store->texts, bytes.p, bytes.n, text);
	if (text) {
		text->refs++;
		return text;
	}
	if (store->bytes + sizeof(*text) + bytes.n > max)
		return NULL;
	text = malloc(sizeof(*text) + bytes.n);
	if (!text)
		return NULL;
	*text = (struct note_text){ .refs = 1, .n = (uint32_t)bytes.n };
	memcpy(text->bytes, bytes.p, bytes.n);
	HASH_ADD_KEYPTR(hh, store->texts, text->bytes, text->n, text);
	if (!text->hh.tbl) {
		free(text);
		return NULL;
	}
	store->bytes += sizeof(*text) + text->n;
	return text;
}

/* --- names --------------------------------------------------------------------------------- */

static struct note *find(const struct notes *notes, struct slice name)
{
	struct note *note;

	HASH_FIND(hh, notes->by_name, name.p, name.n, note);
	return note;
}

static void drop(struct notes *notes, struct note *note)
{
	HASH_DEL(notes->by_name, note);
	text__unref(notes->store, note->text);
	notes->store->bytes -= sizeof(*note) + note->n;
	free(note);
}

void notes__free(struct notes *notes)
{
	struct note *note, *next;

	if (!notes)
		return;
	HASH_ITER(hh, notes->by_name, note, next)
		drop(notes, note);
	free(notes);
}

static struct note *add(struct notes *notes, struct slice name, struct note_text *text)
{
	struct note *note =
		HASH_COUNT(notes->by_name) < NOTES_OF_CONN ? malloc(sizeof(*note) + name.n) : NULL;

	if (!note)
		return NULL;
	*note = (struct note){ .text = text, .n = (uint32_t)name.n };
	memcpy(note->name, name.p, name.n);
	HASH_ADD_KEYPTR(hh, notes->by_name, note->name, note->n, note);
	if (!note->hh.tbl) {
		free(note);
		return NULL;
	}
	notes->store->bytes += sizeof(*note) + note->n;
	return note;
}

void notes__put(struct notes *notes, struct slice name, struct slice text)
{
	struct note *note;
	struct note_text *kept = NULL;

	if (text.n > NOTES_TEXT_MAX)
		text.n = NOTES_TEXT_MAX;
	name = name.n ? name : SLICE("");
	text = text.n ? text : SLICE("");
	note = find(notes, name);
	if (note && slice_eq(slice(note->text->bytes, note->text->n), text))
		return;
	if (name.n <= NOTES_NAME_MAX)
		kept = text__get(notes->store, text);
	if (note && kept) {
		text__unref(notes->store, note->text);
		note->text = kept;
		return;
	}
	if (note)
		drop(notes, note); /* what it says is not true any more */
	if (kept && add(notes, name, kept))
		return;
	if (kept)
		text__unref(notes->store, kept);
	notes->store->stats->lost[LOSS_NOTES_FULL]++;
}

struct slice notes__get(const struct notes *notes, struct slice name)
{
	struct note *note = notes ? find(notes, name.n ? name : SLICE("")) : NULL;

	return note ? slice(note->text->bytes, note->text->n) : slice(NULL, 0);
}

void notes__drop(struct notes *notes, struct slice name)
{
	struct note *note = find(notes, name.n ? name : SLICE(""));

	if (note)
		drop(notes, note);
}
