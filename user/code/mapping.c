// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * From a process to the files that it executes. /proc/PID/map_files leads to the very file that is
 * mapped, whatever has become of its name; it needs more rights than the rest of /proc, so the name
 * below the process's root comes second, and counts only when it still is that file.
 */
#include "code/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discover/facts.h"
#include "discover/proc.h"

#define MAPS_MAX   (32u << 20)
#define AUXV_MAX   4096
#define PAGE_BYTES 4096u

static bool hex(struct slice text, uint64_t *ret)
{
	uint64_t value = 0;

	if (text.n == 0 || text.n > 16)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		unsigned int digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned int)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned int)(c - 'a') + 10;
		else
			return false;
		value = value << 4 | digit;
	}
	*ret = value;
	return true;
}

/* "START-END PERMS OFFSET DEVICE INODE   PATH" */
static bool parse_line(struct slice line, struct mapping *ret)
{
	struct mapping m = { 0 };
	struct slice start, end, perms, offset, device, inode;

	if (!proc__cut(&line, '-', &start) || !proc__cut(&line, ' ', &end) ||
	    !proc__cut(&line, ' ', &perms) || !proc__cut(&line, ' ', &offset) ||
	    !proc__cut(&line, ' ', &device) || !proc__cut(&line, ' ', &inode))
		return false;
	if (!hex(start, &m.start) || !hex(end, &m.end) || !hex(offset, &m.offset) ||
	    !proc__number(inode, &m.inode) || perms.n != 4 || m.end <= m.start)
		return false;
	m.exec = perms.p[2] == 'x';
	while (line.n && *line.p == ' ')
		line = slice_from(line, 1);
	m.path = line;
	*ret = m;
	return true;
}

bool mapping__next(struct slice *rest, struct mapping *ret)
{
	struct slice line;

	while (proc__cut(rest, '\n', &line)) {
		if (parse_line(line, ret))
			return true;
	}
	return false;
}

static struct slice without_deleted(struct slice path)
{
	struct slice mark = SLICE(" (deleted)");

	if (path.n > mark.n && slice_eq(slice_from(path, path.n - mark.n), mark))
		path.n -= mark.n;
	return path;
}

static bool find_mapping(struct slice maps, const char *name, struct mapping *ret)
{
	while (mapping__next(&maps, ret)) {
		if (ret->exec && ret->inode && slice_starts(path__base(ret->path), slice_of(name)))
			return true;
	}
	return false;
}

static int open_named(uint32_t pid, const struct mapping *m)
{
	struct slice path = without_deleted(m->path);
	char name[PROC_PATH_MAX];
	struct stat st;
	int n = snprintf(name, sizeof(name), "root/%.*s", (int)path.n, path.p);

	if (n < 0 || (size_t)n >= sizeof(name))
		return -ENAMETOOLONG;
	int fd = proc__open(pid, name, O_RDONLY);

	/* the device is not compared: overlays and btrfs show another one in maps than in stat() */
	if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_ino != m->inode)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

static int open_mapping(uint32_t pid, const struct mapping *m)
{
	char name[64];

	snprintf(name, sizeof(name), "map_files/%lx-%lx", m->start, m->end);
	int fd = proc__open(pid, name, O_RDONLY);

	return fd >= 0 ? fd : open_named(pid, m);
}

/* The bias by which this part of the file came to where it is. */
static int bias_of(const struct image *image, const struct mapping *m, uint64_t *ret)
{
	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		uint64_t first = s->offset & ~(uint64_t)(PAGE_BYTES - 1);

		if (s->type != PT_LOAD || !(s->flags & PF_X) || m->offset < first ||
		    m->offset - first >= s->filesz + (s->offset - first))
			continue;
		*ret = m->start - m->offset + s->offset - s->vaddr;
		return 0;
	}
	return -ENOEXEC;
}

/* The kernel tells each program where its entry is; that is the program's own file only. */
static int program_bias(uint32_t pid, const struct image *image, uint64_t *ret)
{
	struct buf auxv = { 0 };
	int err = proc__read(pid, "auxv", &auxv, AUXV_MAX);
	Elf64_auxv_t pair;

	if (!err)
		err = -ENOEXEC;
	for (size_t at = 0; at + sizeof(pair) <= auxv.n; at += sizeof(pair)) {
		memcpy(&pair, auxv.p + at, sizeof(pair));
		if (pair.a_type == AT_ENTRY && image->x86_64) {
			*ret = pair.a_un.a_val - image->entry;
			err = 0;
		}
	}
	buf__release(&auxv);
	return err;
}

static void set_name(struct image *image, struct slice path)
{
	size_t most = sizeof(image->name) - 1;

	if (path.n > most)
		path = slice_from(path, path.n - most);
	if (path.n)
		memcpy(image->name, path.p, path.n);
	image->name[path.n] = '\0';
}

static int open_program(uint32_t pid, struct image **ret)
{
	struct image *image = NULL;
	char path[PROC_PATH_MAX];
	int fd = proc__open(pid, "exe", O_RDONLY);

	if (fd < 0)
		return fd;
	int err = image__of_fd(fd, &image);

	close(fd);
	if (!err)
		err = program_bias(pid, image, &image->bias);
	if (err) {
		image__free(image);
		return err;
	}
	image->main = true;
	image->pid = pid;
	if (proc__link(pid, "exe", path, sizeof(path)) >= 0)
		set_name(image, without_deleted(slice_of(path)));
	*ret = image;
	return 0;
}

static int open_library(uint32_t pid, struct slice maps, const char *name, struct image **ret)
{
	struct image *image = NULL;
	struct mapping m;

	if (!find_mapping(maps, name, &m))
		return -ENOENT;
	int fd = open_mapping(pid, &m);

	if (fd < 0)
		return fd;
	int err = image__of_fd(fd, &image);

	close(fd);
	if (!err)
		err = bias_of(image, &m, &image->bias);
	if (err) {
		image__free(image);
		return err;
	}
	image->pid = pid;
	set_name(image, without_deleted(m.path));
	*ret = image;
	return 0;
}

int image__of_process(uint32_t pid, const char *name, struct image **ret)
{
	struct buf maps = { 0 };

	*ret = NULL;
	if (!name)
		return open_program(pid, ret);
	int err = proc__read(pid, "maps", &maps, MAPS_MAX);

	if (!err)
		err = open_library(pid, slice(maps.p, maps.n), name, ret);
	buf__release(&maps);
	return err;
}
