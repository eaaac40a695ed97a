// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "discover/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "code/golang.h"
#include "code/note.h"

#define NOTES_BYTES	 (64u << 10)
#define NOTES_MAX	 64
#define GO_BUILD_ID_TYPE 4

/* Print only: the text comes from a file, and becomes an attribute. */
static void copy_text(char *to, size_t size, struct slice from)
{
	if (from.n >= size)
		return;
	for (size_t i = 0; i < from.n; i++) {
		if (from.p[i] <= ' ' || from.p[i] > '~')
			return;
	}
	memcpy(to, from.p, from.n);
	to[from.n] = '\0';
}

static void copy_hex(struct elf_facts *facts, struct slice id)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = id.n;

	if (n > sizeof(facts->build_id) / 2)
		n = sizeof(facts->build_id) / 2;
	for (size_t i = 0; i < n; i++) {
		unsigned char byte = (unsigned char)id.p[i];

		facts->build_id[2 * i] = hex[byte >> 4];
		facts->build_id[2 * i + 1] = hex[byte & 15];
	}
}

static void read_notes(const struct image *image, uint64_t offset, uint64_t size, uint64_t align,
		       struct elf_facts *facts)
{
	struct note note;
	void *bytes;

	if (image__load(image, offset, size, NOTES_BYTES, &bytes) != 0 || !bytes)
		return;
	for (struct slice rest = slice(bytes, size); note__next(&rest, align, &note);) {
		if (note.type == NT_GNU_BUILD_ID && slice_eq(note.owner, SLICE("GNU"))) {
			copy_hex(facts, note.desc);
		} else if (note.type == GO_BUILD_ID_TYPE && slice_starts(note.owner, SLICE("Go"))) {
			facts->is_go = true;
			copy_text(facts->go_build_id, sizeof(facts->go_build_id), note.desc);
		}
	}
	free(bytes);
}

int elf_facts__read(int fd, struct elf_facts *ret)
{
	struct elf_facts facts = { 0 };
	struct image *image;
	int err = image__of_fd(fd, &image);

	if (err && err != -ENOEXEC)
		return err;
	*ret = facts;
	if (err)
		return 0;
	for (uint32_t i = 0, notes = 0; i < image->section_count; i++) {
		const struct image_section *s = &image->sections[i];

		if (s->type == SHT_NOTE && notes++ < NOTES_MAX)
			read_notes(image, s->offset, s->size, s->align, &facts);
	}
	/* section headers may be stripped; the notes are in a segment too */
	for (uint32_t i = 0; i < image->segment_count && !facts.build_id[0] && !facts.is_go; i++) {
		const struct image_segment *s = &image->segments[i];

		if (s->type == PT_NOTE)
			read_notes(image, s->offset, s->filesz, s->align, &facts);
	}
	err = golang__version(image, facts.go_version, sizeof(facts.go_version));
	if (!err || err == -EBADMSG)
		facts.is_go = true;
	image__free(image);
	*ret = facts;
	return 0;
}
