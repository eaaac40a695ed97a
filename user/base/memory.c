// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

void memory__give_back_code(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	uintptr_t start = 0, end = 0, from, to;
	unsigned long kb;
	char line[512], mode[5], path[2];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &from, &to, mode,
			   path) >= 3) {
			/* code of a file: what relocation has written is not executable */
			bool code = strcmp(mode, "r-xp") == 0 && strchr(line, '/');

			start = code ? from : 0;
			end = code ? to : 0;
		} else if (sscanf(line, "Anonymous: %lu", &kb) == 1 && kb == 0 && end > start) {
			madvise((void *)start, end - start, MADV_DONTNEED);
		}
	}
	if (maps)
		fclose(maps);
}
