/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reading /proc: bounded, never blocking on what a process has put there, and with every error a
 * negative errno (-ESRCH when the process is gone). Nothing here writes.
 */
#ifndef SPANPROBE_DISCOVER_PROC_H
#define SPANPROBE_DISCOVER_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define PROC_READ_MAX (64u << 10)
#define PROC_PATH_MAX 4096

/* Put before "/proc" and "/etc"; "" but in tests, which make folders of their own. */
extern const char *proc_root;

struct proc_stat {
	char comm[64]; /* as the process wrote it, any bytes but NUL */
	char state;
	uint32_t ppid;
	uint32_t flags;	      /* PF_* */
	uint64_t start_ticks; /* since boot, in clock ticks */
};

struct proc_status {
	uint32_t tgid;
	uint32_t uid;  /* real, in the agent's user namespace */
	uint32_t vpid; /* in the process's own pid namespace */
};

/* At most max bytes of proc_root/path into out (cleared first). */
int proc__read_path(const char *path, struct buf *out, size_t max);
/* The same of /proc/PID/name. */
int proc__read(uint32_t pid, const char *name, struct buf *out, size_t max);
/* Symbolic link /proc/PID/name, NUL-terminated; the length or negative errno. */
ssize_t proc__link(uint32_t pid, const char *name, char *ret, size_t size);
int proc__open(uint32_t pid, const char *name, int flags);
/*
 * A regular file as the process would see it: path is resolved below its root (links too), so
 * that containers work and nothing outside of it is reached. A FIFO or device is refused.
 */
int proc__read_inside(uint32_t pid, const char *path, struct buf *out, size_t max);

int proc__stat(uint32_t pid, struct proc_stat *ret);
int proc__parse_stat(struct slice text, struct proc_stat *ret); /* -EINVAL: malformed */
int proc__status(uint32_t pid, struct proc_status *ret);

/* Each pid in /proc, in the order of the folder, until visit says false. */
int proc__each(bool (*visit)(void *ctx, uint32_t pid), void *ctx);

/* Cuts the next piece, up to stop, off *rest; false when nothing is left. */
bool proc__cut(struct slice *rest, char stop, struct slice *ret);
bool proc__number(struct slice text, uint64_t *ret); /* all digits, no overflow */

#endif
