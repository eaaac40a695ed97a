/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Stand-ins for the kernel's helpers: the pure parts of bpf/ as plain C, under the sanitizers. */
#ifndef TESTS_STUB_H
#define TESTS_STUB_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "types.h" /* __always_inline comes with the C library */

/* An address below this is a fault. */
#define STUB_FAULT_BELOW 4096

static inline long stub_read(void *to, uint32_t size, const void *from)
{
	if ((uintptr_t)from < STUB_FAULT_BELOW)
		return -EFAULT;
	if (size)
		memcpy(to, from, size);
	return 0;
}

#define bpf_probe_read_user   stub_read
#define bpf_probe_read_kernel stub_read

#endif
