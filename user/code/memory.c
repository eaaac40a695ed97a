// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "code/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define PAGE_BYTES 4096u

static ssize_t read_some(uint32_t pid, uint64_t address, void *to, size_t n)
{
	struct iovec local = { to, n };
	struct iovec remote = { (void *)(uintptr_t)address, n };
	ssize_t got = process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0);

	return got < 0 ? -errno : got;
}

int memory__read(uint32_t pid, uint64_t address, void *to, size_t n)
{
	if (n == 0)
		return 0;
	ssize_t got = read_some(pid, address, to, n);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EFAULT;
}

int memory__word(uint32_t pid, uint64_t address, uint64_t *ret)
{
	return memory__read(pid, address, ret, sizeof(*ret));
}

int memory__text(uint32_t pid, uint64_t address, char *to, size_t size)
{
	size_t n = 0;

	if (size == 0)
		return -EINVAL;
	to[0] = '\0';
	while (n < size - 1) {
		/* page by page: the text may end in the last one that is mapped */
		size_t want = PAGE_BYTES - (address + n) % PAGE_BYTES;

		if (want > size - 1 - n)
			want = size - 1 - n;
		int err = memory__read(pid, address + n, to + n, want);

		if (err) {
			to[n] = '\0';
			return n ? (int)n : err;
		}
		char *end = memchr(to + n, '\0', want);

		if (end)
			return (int)(end - to);
		n += want;
	}
	to[n] = '\0';
	return (int)n;
}
