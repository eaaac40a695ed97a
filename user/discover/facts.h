/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What /proc and the files of one process say, read once. All judgement about it (runtime, names,
 * container) is in functions of these facts.
 */
#ifndef SPANPROBE_DISCOVER_FACTS_H
#define SPANPROBE_DISCOVER_FACTS_H

#include "base/buf.h"
#include "discover/elf.h"
#include "discover/proc.h"
#include "process.h"

#define ARGS_MAX 512

struct facts {
	uint32_t pid;
	struct proc_stat stat;
	struct proc_status status;
	char exe[PROC_PATH_MAX]; /* path inside its mount namespace; "" when not readable */
	char cwd[PROC_PATH_MAX]; /* "" when not readable */
	bool own_mounts;	 /* in another mount namespace than the agent */
	struct buf cmdline;	 /* NUL-separated, cut at PROC_READ_MAX as are the next two */
	struct buf environ;
	struct buf cgroup;
	struct elf_facts elf;
	uint32_t argc;
	struct slice argv[ARGS_MAX]; /* into cmdline */
};

/* As discover__process; facts__release after success. */
int facts__read(uint32_t pid, struct facts *ret, struct buf *why);
void facts__release(struct facts *facts);

struct slice facts__env(const struct facts *facts, const char *name); /* empty: not set */
struct slice facts__exe_name(const struct facts *facts); /* without folders; else the comm */

struct slice path__base(struct slice path);	      /* "/a/b.c" -> "b.c" */
struct slice path__dir(struct slice path);	      /* "/a/b.c" -> "/a"; "b.c" -> "" */
struct slice path__stem(struct slice name);	      /* "b.c" -> "b"; ".c" -> ".c" */
bool slice__in(struct slice word, const char *words); /* words: separated by one blank */

#endif
