/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * An ELF file, mostly one that a process has mapped: where its bytes are, in the file and in the
 * process. Nothing is mapped and nothing is trusted: reads are bounded by pread(), since the file
 * belongs to the traced process and may be hostile, replaced, or shrink while it is read.
 *
 * "vaddr" is an address as the file names it; the process has it at vaddr + bias.
 */
#ifndef SPANPROBE_CODE_IMAGE_H
#define SPANPROBE_CODE_IMAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

struct image_segment {
	uint64_t offset, vaddr, filesz, memsz, align;
	uint32_t type, flags; /* PT_*, PF_* */
};

struct image_section {
	const char *name; /* never NULL */
	uint64_t offset, vaddr, size, flags, align;
	uint32_t type, link, entsize; /* SHT_* */
};

struct image {
	int fd;		     /* -1: the bytes are in memory */
	struct slice memory; /* borrowed, or owned memory of this image (owned) */
	void *owned;
	uint64_t size;
	uint64_t entry;
	uint16_t type, machine; /* ET_*, EM_* */
	bool x86_64;		/* 64 bits, little endian, EM_X86_64: what code/ can read code of */
	uint32_t segment_count, section_count;
	struct image_segment *segments;
	struct image_section *sections;
	char *names;

	/* of a process; 0 and "" otherwise */
	uint32_t pid;
	bool main;     /* the program itself, no library */
	uint64_t bias; /* modulo 2^64 */
	dev_t dev;     /* of the file, for those who keep what they learned of it */
	ino_t ino;
	char path[32];	/* what uprobes attach to: good while the image is open, for a file that was
			 * deleted or is in another mount namespace too */
	char name[256]; /* as the process named it, cut at the front; "" for memory */
};

/*
 * The file that the process has mapped for execution and whose base name begins with name
 * ("libpython3", "_queue.", "libjvm.so"); name NULL: its program. The first one in its address
 * space, of several. -ENOENT: none such, -ESRCH: no such process, -ENOEXEC: not an ELF file or
 * mapped in a way that it does not itself describe, or another negative errno.
 */
int image__of_process(uint32_t pid, const char *name, struct image **ret);

/* A regular file; fd is borrowed for the call. -ENOEXEC: no ELF file. */
int image__of_fd(int fd, struct image **ret);
int image__of_path(const char *path, struct image **ret);
/* bytes: borrowed until image__free */
int image__of_memory(struct slice bytes, struct image **ret);
void image__free(struct image *image); /* NULL is fine */

/* Exactly n bytes at the file's offset: 0, or -ERANGE past its end, or another negative errno. */
int image__read(const struct image *image, uint64_t offset, void *to, size_t n);
/* The same by address, within one PT_LOAD; what is not in the file (.bss) reads as -ENODATA. */
int image__read_at(const struct image *image, uint64_t vaddr, void *to, size_t n);
/* As image__read into memory for the caller to free(); -E2BIG past max. NULL and 0 for n = 0. */
int image__load(const struct image *image, uint64_t offset, uint64_t n, uint64_t max, void **ret);

/* -ERANGE: in no PT_LOAD, or not in the file */
int image__offset_of(const struct image *image, uint64_t vaddr, uint64_t *ret);
const struct image_segment *image__segment_of(const struct image *image, uint64_t vaddr);
bool image__is_code(const struct image *image, uint64_t vaddr); /* in an executable PT_LOAD */
/* NULL: none. The first one of that name. */
const struct image_section *image__section(const struct image *image, const char *name);

/*
 * One line of /proc/PID/maps. Pure.
 */
struct mapping {
	uint64_t start, end, offset, inode;
	bool exec;
	struct slice path; /* into the text; "" for anonymous memory */
};

/* The next line of the text that can be read; false at its end. */
bool mapping__next(struct slice *rest, struct mapping *ret);

#endif
