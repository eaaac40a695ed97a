/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where Node keeps its async ids, as the code says that changes them. */
#ifndef SPANPROBE_RUNTIME_NODE_H
#define SPANPROBE_RUNTIME_NODE_H

#include "recipe.h"

#include <stddef.h>
#include <stdint.h>

struct node_layout {
	uint64_t fields, ids;	/* offsets of the pointers within node::AsyncHooks */
	uint64_t site;		/* bytes from the function's start to where both are written */
	enum node_reg this_reg; /* the register that has AsyncHooks there */
};

/*
 * Pure: of the code of AsyncHooks::push_async_context or pop_async_context. -ENOENT: it is not as
 * expected. The site is an instruction that uprobes emulate, and is passed once in each call.
 */
int node_layout__read(const void *code, size_t n, uint64_t vaddr, struct node_layout *ret);

#endif
