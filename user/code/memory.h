/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Memory of a traced process, to check what its files promise. Nothing here writes. */
#ifndef SPANPROBE_CODE_MEMORY_H
#define SPANPROBE_CODE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* All n bytes, or negative errno: -EFAULT where any of it is not mapped, -ESRCH, -EPERM. */
int memory__read(uint32_t pid, uint64_t address, void *to, size_t n);
int memory__word(uint32_t pid, uint64_t address, uint64_t *ret); /* 8 bytes: a pointer */
/* A NUL-terminated text, cut at size - 1; its length. A page that is not mapped ends it. */
int memory__text(uint32_t pid, uint64_t address, char *to, size_t size);

#endif
