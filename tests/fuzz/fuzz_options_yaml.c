// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The bytes of a configuration file, through the whole table of options. */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdio.h>

#include "options.h"

static char *no_environment(const char *name)
{
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[32];
	static int fd = -1;
	char *argv[] = { "spanprobe", "--pid", "1", "--config", path, NULL };
	struct buf why = { 0 }, warnings = { 0 };
	struct options options;
	int err;

	if (fd < 0) {
		fd = memfd_create("configuration", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) || write(fd, data, size) < 0)
		return 0;
	err = options__parse(5, argv, no_environment, &options, &why, &warnings);
	assert(!err || why.n);
	if (!err) { /* all of it can be looked at */
		struct export_opts export = options__export(&options);
		struct describe_opts describe = options__describe(&options);

		assert(options__discover(&options).exe_count == options.exe.count);
		assert(export.batch_spans <= export.queue_spans || !export.queue_spans);
		assert(describe.known_methods || !describe.known_method_count);
	}
	options__release(&options);
	buf__release(&why);
	buf__release(&warnings);
	return 0;
}
