/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What an executable says about itself. */
#ifndef SPANPROBE_DISCOVER_ELF_H
#define SPANPROBE_DISCOVER_ELF_H

#include <stdbool.h>

struct elf_facts {
	bool is_go;
	char build_id[65]; /* GNU build id in hex (at most 32 bytes of it), "" without one */
	char go_build_id[128];
	char go_version[32]; /* "1.22.1" */
};

/* fd: a regular file. Not an ELF file: everything stays empty, 0. */
int elf_facts__read(int fd, struct elf_facts *ret);

#endif
