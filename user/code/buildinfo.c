// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A header of 32 bytes; since Go 1.18 the strings follow, each behind its length, before that the
 * header points to a string's pointer and length.
 */
#include "code/golang.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>

#include "code/pointers.h"

#define MAGIC	     "\xff Go buildinf:"
#define HEADER_BYTES 32
#define FLAGS_AT     15
#define FLAG_BIG     1
#define FLAG_INLINE  2
#define TEXT_MAX     128

static int find_info(const struct image *image, uint64_t *ret)
{
	const struct image_section *section = image__section(image, ".go.buildinfo");

	if (section && section->type != SHT_NOBITS && section->vaddr) {
		*ret = section->vaddr;
		return 0;
	}
	if (image->section_count && !section) /* no Go program, or without it on purpose */
		return -ENOENT;
	*ret = 0;
	return pointers__bytes(image, SLICE(MAGIC), 16, ret);
}

/* What was meant to be read may end in the middle of the last words of the file. */
static int read_most(const struct image *image, uint64_t vaddr, char *to, size_t n)
{
	const struct image_segment *s = image__segment_of(image, vaddr);
	uint64_t room = s && vaddr - s->vaddr < s->filesz ? s->filesz - (vaddr - s->vaddr) : 0;

	memset(to, 0, n);
	return room ? image__read_at(image, vaddr, to, room < n ? room : n) : -ERANGE;
}

static int read_old(const struct image *image, uint64_t info, char *text, size_t *n)
{
	uint64_t pointer, header[2];
	int err = pointers__read(image, info + 16, &pointer, 1);

	if (!err)
		err = pointers__read(image, pointer, header, 2);
	if (err)
		return err;
	*n = header[1] < TEXT_MAX ? header[1] : TEXT_MAX;
	return image__read_at(image, header[0], text, *n);
}

int golang__version(const struct image *image, char *ret, size_t size)
{
	char bytes[HEADER_BYTES + 1 + TEXT_MAX], old[TEXT_MAX], *text;
	uint64_t info;
	size_t n;
	int err = find_info(image, &info);

	if (!err)
		err = read_most(image, info, bytes, sizeof(bytes));
	if (err)
		return err == -ERANGE || err == -ENODATA ? -ENOENT : err;
	if (memcmp(bytes, MAGIC, sizeof(MAGIC) - 1) != 0)
		return -ENOENT;
	if (bytes[FLAGS_AT] & FLAG_INLINE) {
		text = bytes + HEADER_BYTES + 1;
		n = (uint8_t)bytes[HEADER_BYTES]; /* lengths of more than 127 are two bytes */
		if (n > TEXT_MAX - 1)
			return -EBADMSG;
	} else if (!(bytes[FLAGS_AT] & FLAG_BIG) && image->x86_64 &&
		   read_old(image, info, old, &n) == 0) {
		text = old;
	} else {
		return -EBADMSG;
	}
	/* "go1.22.1 X:boringcrypto", "devel go1.23-abcdef": print only, it becomes an attribute */
	const char *space = memchr(text, ' ', n);

	if (space)
		n = (size_t)(space - text);
	if (n < 3 || memcmp(text, "go", 2) != 0 || n - 2 >= size)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return -EBADMSG;
	}
	memcpy(ret, text + 2, n - 2);
	ret[n - 2] = '\0';
	return 0;
}
