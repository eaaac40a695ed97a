// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libelf reads the headers (both classes, extended numbering); they are copied, and what they
 * point to is read by hand, bounded. libelf would read, and keep, whole sections.
 */
#include "code/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* programs have a dozen and a few dozen */
#define SEGMENTS_MAX 256
#define SECTIONS_MAX 8192
#define NAMES_MAX    (1u << 20)

void image__free(struct image *image)
{
	if (!image)
		return;
	if (image->fd >= 0)
		close(image->fd);
	free(image->owned);
	free(image->segments);
	free(image->sections);
	free(image->names);
	free(image);
}

int image__read(const struct image *image, uint64_t offset, void *to, size_t n)
{
	if (offset > image->size || n > image->size - offset)
		return -ERANGE;
	if (image->fd < 0) {
		if (n)
			memcpy(to, image->memory.p + offset, n);
		return 0;
	}
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(image->fd, (char *)to + done, n - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) /* it has shrunk */
			return -ERANGE;
		done += (size_t)got;
	}
	return 0;
}

int image__load(const struct image *image, uint64_t offset, uint64_t n, uint64_t max, void **ret)
{
	*ret = NULL;
	if (n == 0)
		return 0;
	if (n > max)
		return -E2BIG;
	if (offset > image->size || n > image->size - offset)
		return -ERANGE;
	void *to = malloc(n);

	if (!to)
		return -ENOMEM;
	int err = image__read(image, offset, to, n);

	if (err)
		free(to);
	else
		*ret = to;
	return err;
}

const struct image_segment *image__segment_of(const struct image *image, uint64_t vaddr)
{
	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];

		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz)
			return s;
	}
	return NULL;
}

bool image__is_code(const struct image *image, uint64_t vaddr)
{
	const struct image_segment *s = image__segment_of(image, vaddr);

	return s && (s->flags & PF_X) && vaddr - s->vaddr < s->filesz;
}

int image__offset_of(const struct image *image, uint64_t vaddr, uint64_t *ret)
{
	const struct image_segment *s = image__segment_of(image, vaddr);

	if (!s || vaddr - s->vaddr >= s->filesz ||
	    __builtin_add_overflow(s->offset, vaddr - s->vaddr, ret))
		return -ERANGE;
	return *ret < image->size ? 0 : -ERANGE;
}

int image__read_at(const struct image *image, uint64_t vaddr, void *to, size_t n)
{
	const struct image_segment *s = image__segment_of(image, vaddr);
	uint64_t offset;

	if (!s || n > s->memsz - (vaddr - s->vaddr))
		return -ERANGE;
	if (vaddr - s->vaddr >= s->filesz || n > s->filesz - (vaddr - s->vaddr))
		return -ENODATA;
	int err = image__offset_of(image, vaddr, &offset);

	return err ? err : image__read(image, offset, to, n);
}

const struct image_section *image__section(const struct image *image, const char *name)
{
	for (uint32_t i = 0; i < image->section_count; i++) {
		if (strcmp(image->sections[i].name, name) == 0)
			return &image->sections[i];
	}
	return NULL;
}

static int read_segments(Elf *elf, struct image *image)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0 || count == 0)
		return 0;
	if (count > SEGMENTS_MAX)
		return -E2BIG;
	image->segments = calloc(count, sizeof(*image->segments));
	if (!image->segments)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(elf, (int)i, &p))
			break;
		image->segments[image->segment_count++] = (struct image_segment){
			.offset = p.p_offset,
			.vaddr = p.p_vaddr,
			.filesz = p.p_filesz < p.p_memsz || p.p_type != PT_LOAD ? p.p_filesz :
										  p.p_memsz,
			.memsz = p.p_memsz,
			.align = p.p_align,
			.type = p.p_type,
			.flags = p.p_flags,
		};
	}
	return 0;
}

/* A file without readable names has sections all the same; they are called "". */
static void read_names(Elf *elf, struct image *image, size_t *ret_size)
{
	size_t index;
	GElf_Shdr shdr;
	void *names = NULL;

	*ret_size = 0;
	if (elf_getshdrstrndx(elf, &index) != 0 || !gelf_getshdr(elf_getscn(elf, index), &shdr) ||
	    shdr.sh_type == SHT_NOBITS)
		return;
	if (image__load(image, shdr.sh_offset, shdr.sh_size, NAMES_MAX, &names) || !names)
		return;
	image->names = names;
	image->names[shdr.sh_size - 1] = '\0'; /* where it must be anyway */
	*ret_size = shdr.sh_size;
}

static int read_sections(Elf *elf, struct image *image)
{
	size_t count, names;

	if (elf_getshdrnum(elf, &count) != 0 || count == 0)
		return 0;
	if (count > SECTIONS_MAX)
		return -E2BIG;
	image->sections = calloc(count, sizeof(*image->sections));
	if (!image->sections)
		return -ENOMEM;
	read_names(elf, image, &names);
	for (size_t i = 0; i < count; i++) {
		GElf_Shdr s;

		if (!gelf_getshdr(elf_getscn(elf, i), &s))
			break;
		image->sections[image->section_count++] = (struct image_section){
			.name = s.sh_name < names ? image->names + s.sh_name : "",
			.offset = s.sh_offset,
			.vaddr = s.sh_addr,
			.size = s.sh_size,
			.flags = s.sh_flags,
			.align = s.sh_addralign,
			.type = s.sh_type,
			.link = s.sh_link,
			.entsize = s.sh_entsize > UINT32_MAX ? 0 : (uint32_t)s.sh_entsize,
		};
	}
	return 0;
}

static int read_headers(Elf *elf, struct image *image)
{
	GElf_Ehdr ehdr;

	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &ehdr))
		return -ENOEXEC;
	image->type = ehdr.e_type;
	image->machine = ehdr.e_machine;
	image->entry = ehdr.e_entry;
	image->x86_64 = ehdr.e_machine == EM_X86_64 && ehdr.e_ident[EI_CLASS] == ELFCLASS64 &&
			ehdr.e_ident[EI_DATA] == ELFDATA2LSB;
	int err = read_segments(elf, image);

	return err ? err : read_sections(elf, image);
}

/* Takes the image over; frees it when it is no good. */
static int open_headers(struct image *image, struct image **ret)
{
	elf_version(EV_CURRENT);
	/* libelf only reads, though its memory is not const */
	Elf *elf = image->fd < 0 ? elf_memory((char *)image->memory.p, image->memory.n) :
				   elf_begin(image->fd, ELF_C_READ, NULL);
	int err = read_headers(elf, image);

	elf_end(elf);
	if (err) {
		image__free(image);
		return err;
	}
	*ret = image;
	return 0;
}

int image__of_memory(struct slice bytes, struct image **ret)
{
	*ret = NULL;
	if (bytes.n < EI_NIDENT)
		return -ENOEXEC;
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return -ENOMEM;
	image->fd = -1;
	image->memory = bytes;
	image->size = bytes.n;
	return open_headers(image, ret);
}

int image__of_fd(int fd, struct image **ret)
{
	struct stat st;

	*ret = NULL;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return -ENOMEM;
	image->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (image->fd < 0) {
		int err = -errno;

		free(image);
		return err;
	}
	image->size = (uint64_t)st.st_size;
	image->dev = st.st_dev;
	image->ino = st.st_ino;
	snprintf(image->path, sizeof(image->path), "/proc/self/fd/%d", image->fd);
	return open_headers(image, ret);
}

int image__of_path(const char *path, struct image **ret)
{
	*ret = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	int err = image__of_fd(fd, ret);

	close(fd);
	return err;
}
