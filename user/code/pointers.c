// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "code/pointers.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#define CHUNK	     (64u << 10)
#define DYNAMIC_MAX  (64u << 10)
#define RELOCS_BYTES (128u << 20)
#define SCAN_TIMES   2 /* the file: segments overlap in their pages at most */

/* --- relocations ----------------------------------------------------------------------------- */

/* The table of relocations with addends, by the segment that loaders read; false: none. */
static bool find_table(const struct image *image, uint64_t *vaddr, uint64_t *size)
{
	void *bytes = NULL;
	bool found = false;

	*vaddr = *size = 0;
	for (uint32_t i = 0; i < image->segment_count && !bytes; i++) {
		const struct image_segment *s = &image->segments[i];

		if (s->type != PT_DYNAMIC ||
		    image__load(image, s->offset, s->filesz, DYNAMIC_MAX, &bytes) || !bytes)
			continue;
		for (size_t at = 0; at + sizeof(Elf64_Dyn) <= s->filesz; at += sizeof(Elf64_Dyn)) {
			Elf64_Dyn entry;

			memcpy(&entry, (char *)bytes + at, sizeof(entry));
			if (entry.d_tag == DT_NULL)
				break;
			if (entry.d_tag == DT_RELA)
				*vaddr = entry.d_un.d_ptr;
			else if (entry.d_tag == DT_RELASZ)
				*size = entry.d_un.d_val;
		}
		found = *vaddr && *size;
	}
	free(bytes);
	return found && *size <= RELOCS_BYTES;
}

/* Every relocation that puts an address of the file itself somewhere; false: enough. */
typedef bool (*each_reloc)(void *ctx, uint64_t place, uint64_t target);

static int each_relative(const struct image *image, each_reloc each, void *ctx)
{
	uint64_t vaddr, size, offset;
	int err = 0;

	if (!find_table(image, &vaddr, &size))
		return 0;
	Elf64_Rela *chunk = malloc(CHUNK);

	if (!chunk)
		return -ENOMEM;
	err = image__offset_of(image, vaddr, &offset);
	for (uint64_t left = size / sizeof(*chunk); !err && left;) {
		size_t n = CHUNK / sizeof(*chunk);

		if (n > left)
			n = left;
		err = image__read(image, offset, chunk, n * sizeof(*chunk));
		for (size_t i = 0; !err && i < n; i++) {
			if (ELF64_R_TYPE(chunk[i].r_info) == R_X86_64_RELATIVE &&
			    !each(ctx, chunk[i].r_offset, (uint64_t)chunk[i].r_addend))
				left = n;
		}
		left -= n;
		offset += n * sizeof(*chunk);
	}
	free(chunk);
	return err;
}

/* --- words at a place ------------------------------------------------------------------------- */

struct words {
	uint64_t vaddr, *to;
	size_t count;
};

static bool overwrite(void *ctx, uint64_t place, uint64_t target)
{
	struct words *words = ctx;
	uint64_t at = place - words->vaddr;

	if (at % 8 == 0 && at / 8 < words->count)
		words->to[at / 8] = target;
	return true;
}

int pointers__read(const struct image *image, uint64_t vaddr, uint64_t *words, size_t count)
{
	struct words all = { vaddr, words, count };

	if (!image->x86_64)
		return -ENOTSUP;
	if (count > POINTERS_WORDS_MAX)
		return -E2BIG;
	int err = image__read_at(image, vaddr, words, count * sizeof(*words));

	return err ? err : each_relative(image, overwrite, &all);
}

/* --- places of a word -------------------------------------------------------------------------- */

struct places {
	uint64_t target, *to;
	int max, n;
};

static bool add_place(struct places *places, uint64_t place)
{
	for (int i = 0; i < places->n; i++) {
		if (places->to[i] == place)
			return true;
	}
	if (places->n < places->max)
		places->to[places->n++] = place;
	return places->n < places->max;
}

static bool compare_target(void *ctx, uint64_t place, uint64_t target)
{
	struct places *places = ctx;

	return target != places->target || add_place(places, place);
}

/* Segments that are loaded and have the flags, in pieces that overlap; false: enough. */
typedef bool (*each_piece)(void *ctx, const char *bytes, size_t n, uint64_t vaddr);

static int each_data(const struct image *image, uint32_t flags, size_t overlap, each_piece each,
		     void *ctx)
{
	char *chunk = malloc(CHUNK);
	uint64_t budget = SCAN_TIMES * image->size + CHUNK;
	bool more = true;
	int err = 0;

	if (!chunk)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->segment_count && more && !err; i++) {
		const struct image_segment *s = &image->segments[i];

		if (s->type != PT_LOAD || (s->flags & flags) != flags)
			continue;
		for (uint64_t at = 0; at < s->filesz && more && !err;) {
			size_t n = s->filesz - at < CHUNK ? s->filesz - at : CHUNK;

			err = n > budget ? -EBADMSG : image__read(image, s->offset + at, chunk, n);
			budget -= n;
			if (!err)
				more = each(ctx, chunk, n, s->vaddr + at);
			if (n < CHUNK)
				break;
			at += n - overlap;
		}
	}
	free(chunk);
	return err;
}

static bool scan_words(void *ctx, const char *bytes, size_t n, uint64_t vaddr)
{
	struct places *places = ctx;
	size_t skip = (0 - vaddr) % 8;
	uint64_t word;

	for (size_t at = skip; at + 8 <= n; at += 8) {
		memcpy(&word, bytes + at, 8);
		if (word == places->target && !add_place(places, vaddr + at))
			return false;
	}
	return true;
}

int pointers__to(const struct image *image, uint64_t target, uint64_t *places, int max)
{
	struct places all = { target, places, max, 0 };

	if (!image->x86_64)
		return -ENOTSUP;
	if (max <= 0)
		return 0;
	int err = each_relative(image, compare_target, &all);

	if (!err && all.n < max)
		err = each_data(image, PF_W, 8, scan_words, &all);
	return err && !all.n ? err : all.n;
}

/* --- bytes ------------------------------------------------------------------------------------- */

struct needle {
	struct slice bytes;
	uint64_t align, from, found;
	bool is_found;
};

static bool scan_bytes(void *ctx, const char *bytes, size_t n, uint64_t vaddr)
{
	struct needle *needle = ctx;

	for (size_t at = 0; at < n;) {
		const char *hit = memmem(bytes + at, n - at, needle->bytes.p, needle->bytes.n);

		if (!hit)
			break;
		at = (size_t)(hit - bytes);
		if (vaddr + at >= needle->from && (vaddr + at) % needle->align == 0) {
			needle->found = vaddr + at;
			needle->is_found = true;
			return false;
		}
		at++;
	}
	return true;
}

int pointers__bytes(const struct image *image, struct slice bytes, uint64_t align, uint64_t *at)
{
	struct needle needle = { bytes, align ? align : 1, *at, 0, false };

	if (bytes.n == 0 || bytes.n > CHUNK / 2)
		return -EINVAL;
	int err = each_data(image, 0, bytes.n, scan_bytes, &needle);

	if (!needle.is_found)
		return err ? err : -ENOENT;
	*at = needle.found;
	return 0;
}
