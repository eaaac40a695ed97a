// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Threads hand work to each other through futexes. Who was woken with a result is told by the
 * scheduler (RECIPE_WAKES); a process with a single thread has no use for that.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "runtime/module.h"

static unsigned int count_threads(uint32_t pid)
{
	char path[32];
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (const struct dirent *entry; n < 2 && (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static int threads__prepare(const struct process *process, struct runtime_setup *ret,
			    struct buf *why)
{
	if (count_threads(process->pid) < 2) {
		buf__puts(why, "it has one thread only");
		return -EAGAIN;
	}
	ret->recipe.kind = UNITS_THREADS;
	ret->recipe.flags = RECIPE_WAKES;
	return 0;
}

const struct runtime_module threads_module = { "threads", threads__prepare };
