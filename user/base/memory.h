/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What start-up needed and tracing does not. */
#ifndef SPANPROBE_MEMORY_H
#define SPANPROBE_MEMORY_H

/*
 * Gives back the pages of program and library code that only start-up ran (relocation, TLS and BTF
 * set-up: some 8 MB). They leave this process alone, stay in the page cache and come back when
 * they are run. Only code that was never written to is touched.
 */
void memory__give_back_code(void);

#endif
