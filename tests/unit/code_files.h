/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Real program files of this machine, and what binutils say about them: the truth of code/'s tests. */
#ifndef SPANPROBE_TESTS_CODE_FILES_H
#define SPANPROBE_TESTS_CODE_FILES_H

#include <dlfcn.h>
#include <glob.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "code/image.h"

/* The first file that a pattern names, NULL: none. Valid until the next call. */
static inline const char *code_file(const char *pattern)
{
	static char path[PATH_MAX];
	glob_t found = { 0 };
	const char *ret = NULL;

	if (glob(pattern, 0, NULL, &found) == 0 && realpath(found.gl_pathv[0], path))
		ret = path;
	globfree(&found);
	return ret;
}

/* The file of a shared library that this program itself has loaded. */
static inline const char *loaded_file(void *symbol)
{
	static char path[PATH_MAX];
	Dl_info info;

	return dladdr(symbol, &info) && realpath(info.dli_fname, path) ? path : NULL;
}

static inline FILE *output_of(const char *format, const char *path)
{
	char command[PATH_MAX + 256];

	snprintf(command, sizeof(command), format, path);
	return popen(command, "r");
}

/* Node of this machine, or of its package; the JVM; NULL: not here. */
static inline const char *node_file(void)
{
	const char *path = code_file("/usr/bin/node");

	return path ? path : code_file("/usr/local/bin/node");
}

static inline const char *jvm_file(void)
{
	return code_file("/usr/lib/jvm/*/lib/server/libjvm.so");
}

/* All bytes of a file, for tests that damage them. */
static inline char *bytes_of(const char *path, size_t *n)
{
	FILE *file = fopen(path, "r");
	struct stat st;
	char *bytes;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*n = (size_t)st.st_size;
	bytes = malloc(*n);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *n, file), *n);
	fclose(file);
	return bytes;
}

#endif
