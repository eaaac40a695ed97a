// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "notes.h"

static struct stats stats;
static struct note_store store;

static int setup(void **state)
{
	memset(&stats, 0, sizeof(stats));
	store = (struct note_store){ .stats = &stats };
	return 0;
}

/* Nothing is left behind. */
static int teardown(void **state)
{
	assert_null(store.texts);
	assert_int_equal(store.bytes, 0);
	return 0;
}

static void assert_note(const struct notes *notes, const char *name, const char *want)
{
	struct slice got = notes__get(notes, slice_of(name));

	assert_true(slice_eq(got, slice_of(want)));
	assert_true(!want == !got.p);
}

static void put(struct notes *notes, const char *name, const char *text)
{
	notes__put(notes, slice_of(name), slice_of(text));
}

static void names_of_a_connection(void **state)
{
	struct notes *a = notes__new(&store), *b = notes__new(&store);

	assert_note(a, "s1", NULL);
	put(a, "s1", "select 1");
	put(b, "s1", "select 2");
	put(a, "", "select 3");
	assert_note(a, "s1", "select 1");
	assert_note(b, "s1", "select 2");
	assert_note(a, "", "select 3");
	assert_note(b, "", NULL);
	assert_note(NULL, "s1", NULL);
	put(a, "s1", "select 4");
	put(a, "s2", "");
	assert_note(a, "s1", "select 4");
	assert_note(a, "s2", "");
	notes__drop(a, SLICE("s1"));
	notes__drop(a, SLICE("none"));
	assert_note(a, "s1", NULL);
	notes__free(a);
	assert_note(b, "s1", "select 2");
	notes__free(b);
	notes__free(NULL);
	assert_int_equal(stats.lost[LOSS_NOTES_FULL], 0);
}

static void equal_texts_are_kept_once(void **state)
{
	struct notes *notes[100];
	char text[1000];
	size_t one;

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 100; i++) {
		notes[i] = notes__new(&store);
		notes__put(notes[i], SLICE("s"), slice(text, sizeof(text)));
		if (i == 0)
			one = store.bytes;
	}
	assert_true(store.bytes < one + 100 * 200);
	for (int i = 0; i < 100; i++)
		notes__free(notes[i]);
}

static void bounded(void **state)
{
	static char big[NOTES_TEXT_MAX + 100];
	struct notes *notes = notes__new(&store), *other = notes__new(&store);
	char name[200];

	for (int i = 0; i < NOTES_OF_CONN + 5; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		put(notes, name, name);
	}
	assert_int_equal(stats.lost[LOSS_NOTES_FULL], 5);
	assert_note(notes, "s1027", NULL);
	put(notes, "s7", "another"); /* no new name */
	assert_note(notes, "s7", "another");

	memset(name, 'n', sizeof(name));
	notes__put(other, slice(name, NOTES_NAME_MAX + 1), SLICE("text"));
	assert_null(notes__get(other, slice(name, NOTES_NAME_MAX + 1)).p);
	assert_int_equal(stats.lost[LOSS_NOTES_FULL], 6);

	memset(big, 'b', sizeof(big));
	notes__put(other, SLICE("big"), slice(big, sizeof(big)));
	assert_int_equal(notes__get(other, SLICE("big")).n, NOTES_TEXT_MAX);

	/* no room: what was known before under the name is wrong now */
	store.bytes_max = store.bytes;
	put(other, "big", "short");
	assert_null(notes__get(other, SLICE("big")).p);
	assert_int_equal(stats.lost[LOSS_NOTES_FULL], 7);
	notes__free(notes);
	notes__free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_of_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(equal_texts_are_kept_once, setup, teardown),
		cmocka_unit_test_setup_teardown(bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
