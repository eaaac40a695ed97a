// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The tables are arrays of structs whose own layout is exported as well, as numbers: stride, and
 * where in an entry what is. Memory of a process is hostile: every count and length has a limit.
 */
#include "runtime/hotspot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "code/memory.h"
#include "code/symbols.h"

#define ENTRIES_MAX 8192
#define STRIDE_MAX  256

/* One table: its first entry and the numbers that say how an entry is laid out. */
struct table {
	uint64_t first, stride;
	uint64_t at[5];
};

#define TABLE_SYMBOLS 7

static int table__open(const struct image *libjvm, const char *const *names, struct table *ret)
{
	struct symbol_wish wishes[TABLE_SYMBOLS] = { 0 };
	uint64_t values[TABLE_SYMBOLS] = { 0 };
	int count = 0, found, err;

	while (names[count]) {
		wishes[count].name = names[count];
		count++;
	}
	found = symbols__find(libjvm, wishes, (size_t)count);
	if (found != count)
		return found < 0 ? found : -ENOENT;
	for (int i = 0; i < count; i++) {
		err = memory__word(libjvm->pid, wishes[i].symbol.vaddr + libjvm->bias, &values[i]);
		if (err)
			return err;
	}
	*ret = (struct table){ .first = values[0], .stride = values[1] };
	memcpy(ret->at, values + 2, sizeof(ret->at));
	for (int i = 0; i < 5; i++) {
		if (ret->at[i] + 8 > STRIDE_MAX)
			return -EBADMSG;
	}
	if (!ret->first || !ret->stride) /* it is being loaded */
		return -EAGAIN;
	return ret->stride <= STRIDE_MAX ? 0 : -EBADMSG;
}

/* The next entry's bytes, and whether there is one: its first text is not null. */
static int table__entry(const struct image *libjvm, const struct table *table, int i,
			uint8_t bytes[STRIDE_MAX])
{
	uint64_t text;
	int err;

	memset(bytes, 0, STRIDE_MAX);
	if (i >= ENTRIES_MAX)
		return -E2BIG;
	err = memory__read(libjvm->pid, table->first + (uint64_t)i * table->stride, bytes,
			   table->stride);
	if (err)
		return err;
	memcpy(&text, bytes + table->at[0], sizeof(text));
	return text ? 1 : 0;
}

static uint64_t word_at(const uint8_t *bytes, uint64_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static void text_at(const struct image *libjvm, const uint8_t *bytes, uint64_t at,
		    char ret[HOTSPOT_NAME])
{
	if (memory__text(libjvm->pid, word_at(bytes, at), ret, HOTSPOT_NAME) < 0)
		ret[0] = '\0';
}

static void field__match(const struct image *libjvm, const struct table *table,
			 const uint8_t *entry, struct hotspot_field *fields, size_t count)
{
	char type[HOTSPOT_NAME], field[HOTSPOT_NAME];

	text_at(libjvm, entry, table->at[0], type);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(type, fields[i].type) != 0 || fields[i].found)
			continue;
		text_at(libjvm, entry, table->at[1], field);
		if (strcmp(field, fields[i].field) != 0)
			continue;
		text_at(libjvm, entry, table->at[2], fields[i].is);
		/* an offset, or an address where it is static: one of the two is 0 */
		fields[i].at = word_at(entry, table->at[3]);
		if (!fields[i].at)
			fields[i].at = word_at(entry, table->at[4]);
		fields[i].found = true;
		return;
	}
}

int hotspot__fields(const struct image *libjvm, struct hotspot_field *fields, size_t count)
{
	static const char *const names[] = { "gHotSpotVMStructs",
					     "gHotSpotVMStructEntryArrayStride",
					     "gHotSpotVMStructEntryTypeNameOffset",
					     "gHotSpotVMStructEntryFieldNameOffset",
					     "gHotSpotVMStructEntryTypeStringOffset",
					     "gHotSpotVMStructEntryOffsetOffset",
					     "gHotSpotVMStructEntryAddressOffset",
					     NULL };
	uint8_t entry[STRIDE_MAX];
	struct table table;
	int err = table__open(libjvm, names, &table);

	if (err)
		return err;
	for (int i = 0; (err = table__entry(libjvm, &table, i, entry)) == 1; i++)
		field__match(libjvm, &table, entry, fields, count);
	return err;
}

int hotspot__sizes(const struct image *libjvm, struct hotspot_size *sizes, size_t count)
{
	static const char *const names[] = { "gHotSpotVMTypes", "gHotSpotVMTypeEntryArrayStride",
					     "gHotSpotVMTypeEntryTypeNameOffset",
					     "gHotSpotVMTypeEntrySizeOffset", NULL };
	uint8_t entry[STRIDE_MAX];
	char type[HOTSPOT_NAME];
	struct table table;
	int err = table__open(libjvm, names, &table);

	if (err)
		return err;
	for (int i = 0; (err = table__entry(libjvm, &table, i, entry)) == 1; i++) {
		text_at(libjvm, entry, table.at[0], type);
		for (size_t k = 0; k < count; k++) {
			if (sizes[k].found || strcmp(type, sizes[k].type) != 0)
				continue;
			sizes[k].size = word_at(entry, table.at[1]);
			sizes[k].found = true;
		}
	}
	return err;
}

/* --- flags -------------------------------------------------------------------------------------- */

static void flag__match(const struct image *libjvm, const char *name, uint64_t address,
			struct hotspot_flag *flags, size_t count)
{
	uint8_t value;

	for (size_t i = 0; i < count; i++) {
		if (flags[i].found || strcmp(name, flags[i].name) != 0 ||
		    memory__read(libjvm->pid, address, &value, 1))
			continue;
		flags[i].found = true;
		flags[i].value = value != 0;
		return;
	}
}

int hotspot__flags(const struct image *libjvm, struct hotspot_flag *flags, size_t count)
{
	struct hotspot_field where[] = { HOTSPOT_FIELD("JVMFlag", "flags"),
					 HOTSPOT_FIELD("JVMFlag", "numFlags"),
					 HOTSPOT_FIELD("JVMFlag", "_name"),
					 HOTSPOT_FIELD("JVMFlag", "_addr") };
	struct hotspot_size size = { .type = "JVMFlag" };
	uint64_t first = 0, total = 0, text = 0, address = 0, at;
	char name[HOTSPOT_NAME];
	int err = hotspot__fields(libjvm, where, 4);

	if (!err)
		err = hotspot__sizes(libjvm, &size, 1);
	if (err)
		return err;
	if (!where[0].found || !where[1].found || !where[2].found || !where[3].found || !size.found)
		return -ENOENT;
	err = memory__word(libjvm->pid, where[0].at, &first);
	if (!err)
		err = memory__word(libjvm->pid, where[1].at, &total);
	for (uint64_t i = 0; i < total && i < ENTRIES_MAX && !err; i++) {
		at = first + i * size.size;
		err = memory__word(libjvm->pid, at + where[2].at, &text);
		if (!err)
			err = memory__word(libjvm->pid, at + where[3].at, &address);
		if (!err && text && memory__text(libjvm->pid, text, name, sizeof(name)) > 0)
			flag__match(libjvm, name, address, flags, count);
	}
	return err;
}
