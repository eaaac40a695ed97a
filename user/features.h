/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What this kernel and these rights allow: asked, never concluded from a version. */
#ifndef SPANPROBE_FEATURES_H
#define SPANPROBE_FEATURES_H

#include <stdbool.h>

#include "base/buf.h"

/* FEATURE(ID, "name", "since which commit or release", "what to do when it is missing") */
#define FEATURE_LIST(FEATURE)                                                                      \
	FEATURE(BTF, "btf", "4.18, CONFIG_DEBUG_INFO_BTF",                                         \
		"boot a kernel built with CONFIG_DEBUG_INFO_BTF=y")                                \
	FEATURE(BPF, "bpf", "CAP_BPF + CAP_PERFMON, 5.8",                                          \
		"run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE")                    \
	FEATURE(RINGBUF, "ringbuf", "5.8, 457f44363a88", "boot a kernel of 5.8 or later")          \
	FEATURE(TP_BTF, "tp_btf", "5.5, ac4414b5ca47", "boot a kernel of 5.5 or later with BTF")   \
	FEATURE(SOCK_LENGTH, "sock_length_tracepoints", "6.3, 6e6eda44b939",                       \
		"the kprobe family is used instead")                                               \
	FEATURE(SET_STATE, "inet_sock_set_state", "4.16, 563e0bb0dc74",                            \
		"boot a kernel of 4.16 or later")                                                  \
	FEATURE(PT_REGS, "task_pt_regs", "5.15, dd6e10fbd9fb", "boot a kernel of 5.15 or later")   \
	FEATURE(KPROBE, "kprobe", "CONFIG_KPROBES", "boot a kernel built with CONFIG_KPROBES=y")   \
	FEATURE(ITER_FILE, "iter_task_file", "5.8, eaaacd23910f",                                  \
		"open connections are met at their first traffic only")                            \
	FEATURE(UPROBE, "uprobe", "4.17, 33ea4b24277b",                                            \
		"calls in Go, Node, CPython and Java have no parent")                              \
	FEATURE(UPROBE_MULTI, "uprobe_multi", "6.6, 89ae89f53d20",                                 \
		"the probes of runtimes are attached one by one, and detach slowly")               \
	FEATURE(URING, "io_uring_tracepoints", "5.5, c826bd7a743f; read since 6.15",               \
		"what goes through io_uring is seen in length only")                               \
	FEATURE(LOOP, "bpf_loop", "5.17, e6f2dd0f8067", "boot a kernel of 5.17 or later")          \
	FEATURE(SYSCALL_PROG, "syscall_program", "5.14, 79a7f8bdb159",                             \
		"boot a kernel of 5.14 or later")

enum feature {
#define FEATURE(id, name, since, remedy) FEATURE_##id,
	FEATURE_LIST(FEATURE)
#undef FEATURE
		FEATURE_COUNT
};

struct features {
	bool has[FEATURE_COUNT];
	char reason[FEATURE_COUNT][96]; /* of one that is missing: what the kernel said */
};

/* Probes each once (needs rights for the BPF ones). */
void features__ask(struct features *features);
const char *feature__name(enum feature feature);
const char *feature__since(enum feature feature);
const char *feature__remedy(enum feature feature);

#endif
