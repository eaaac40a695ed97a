/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A folder that looks like / with a /proc in it, for what discover reads. */
#ifndef SPANPROBE_TESTS_FAKE_PROC_H
#define SPANPROBE_TESTS_FAKE_PROC_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discover/proc.h"

static char fake_dir[64];

static inline void fake__path(char *ret, size_t size, const char *path)
{
	snprintf(ret, size, "%s%s", fake_dir, path);
	for (char *slash = ret + strlen(fake_dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(ret, 0755);
		*slash = '/';
	}
}

/* Writes a file of the fake /; folders are made on the way. */
static inline void fake__file(const char *path, const void *bytes, size_t n)
{
	char full[512];

	fake__path(full, sizeof(full), path);
	FILE *file = fopen(full, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

static inline void fake__text(const char *path, const char *text)
{
	fake__file(path, text, strlen(text));
}

static inline void fake__link(const char *path, const char *target)
{
	char full[512];

	fake__path(full, sizeof(full), path);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

static inline int fake__setup(void **state)
{
	strcpy(fake_dir, "/tmp/spanprobe-proc-XXXXXX");
	if (!mkdtemp(fake_dir))
		return -1;
	proc_root = fake_dir;
	return 0;
}

static inline int fake__remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline int fake__teardown(void **state)
{
	proc_root = "";
	return nftw(fake_dir, fake__remove, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
