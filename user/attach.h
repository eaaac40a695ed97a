/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* attach: carries out a plan; owns every bpf_link. */
#ifndef SPANPROBE_ATTACH_H
#define SPANPROBE_ATTACH_H

#include "load.h"

struct attach;

/* A probe on code of a process. Strings are borrowed for the call. */
struct uprobe {
	const char *program; /* name of the BPF program */
	char path[64];	     /* of struct image, say: valid for deleted and foreign files too */
	uint64_t offset;     /* of the instruction in the file */
	uint64_t cookie;     /* bpf_get_attach_cookie() */
	bool at_return;
};

int attach__new(struct load *load, const struct plan *plan, struct attach **ret, struct buf *why);
void attach__free(struct attach *attach); /* detaches; NULL is allowed */

/* The probes of one process, all or none. -ENOTSUP: the plan has none; why names the probe. */
int attach__process(struct attach *attach, uint32_t pid, const struct uprobe *probes,
		    unsigned int count, struct buf *why);
/* All of them but the first `keep` are detached; and those again, which the caller names anew. */
void attach__less(struct attach *attach, uint32_t pid, unsigned int keep);
int attach__again(struct attach *attach, uint32_t pid, const struct uprobe *probes,
		  unsigned int count, struct buf *why);
void attach__drop_process(struct attach *attach, uint32_t pid); /* detaches them */
/* The plan's probes of a demand: counted, the last one detaches them. */
int attach__demand(struct attach *attach, enum demand demand, struct buf *why);
void attach__demand_less(struct attach *attach, enum demand demand);

#endif
