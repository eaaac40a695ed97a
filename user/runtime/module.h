/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One file per runtime: how the unit of a running process is read. prepare() finds offsets in the
 * process's own files (symbols, DWARF, disassembly; user/code/), checks them against its memory,
 * and answers the recipe for the kernel and the probes to attach. What the units mean is in
 * user/attribute/.
 */
#ifndef SPANPROBE_RUNTIME_MODULE_H
#define SPANPROBE_RUNTIME_MODULE_H

#include "attach.h"
#include "code/image.h"
#include "process.h"
#include "recipe.h"

#define RUNTIME_PROBES_MAX 24
#define RUNTIME_IMAGES_MAX 6

struct runtime_setup {
	struct recipe recipe; /* pid is set by the caller */
	unsigned int count;
	struct uprobe probes[RUNTIME_PROBES_MAX];
	/* the last ones of them are needed only where many calls have no caller that is known
	 * (recipe.asked): attached at first, and by that later on */
	unsigned int optional;
	bool more; /* works, but a library with further probes may be loaded yet: ask again */
	/* files that probes are in: their paths are good as long as they are open. Owned */
	struct image *images[RUNTIME_IMAGES_MAX];
	unsigned int image_count;
};

/* Takes the image over. -E2BIG: no room; it is freed then. */
int runtime_setup__keep(struct runtime_setup *setup, struct image *image);
/* One more probe, at that offset of a kept image. NULL: no room. program is not copied. */
struct uprobe *runtime_setup__probe(struct runtime_setup *setup, const char *program,
				    const struct image *image, uint64_t offset);
void runtime_setup__release(struct runtime_setup *setup); /* of whatever prepare answered */

struct runtime_module {
	const char *name;
	/* 0; -EAGAIN: the runtime is not loaded yet, ask again; others: it cannot be followed. why
	 * says what is missing in words for the user, also when it works without that */
	int (*prepare)(const struct process *process, struct runtime_setup *ret, struct buf *why);
};

extern const struct runtime_module threads_module; /* wakes between the threads of a process */
extern const struct runtime_module go_module;
extern const struct runtime_module cpython_module;
extern const struct runtime_module node_module;
extern const struct runtime_module java_module;
extern const struct runtime_module nginx_module;

/* NULL: none has a use */
const struct runtime_module *runtime_module__of(enum runtime runtime);

#endif
