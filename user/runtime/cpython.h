/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A running CPython whose insides are being found out. */
#ifndef SPANPROBE_RUNTIME_CPYTHON_H
#define SPANPROBE_RUNTIME_CPYTHON_H

#include "code/symbols.h"
#include "runtime/module.h"

#define PYTHON_STATES_MAX  64
#define PYTHON_STATE_BYTES 1024 /* of a PyThreadState that are looked at */

/* PyTypeObject: the stable ABI is built on it */
#define PYTHON_TYPE_BASICSIZE 0x20
#define PYTHON_TYPE_METHODS   0xe8
#define PYTHON_TYPE_NEW	      0x138

enum python_name {
	CONTEXT_TYPE,
	COPY_CURRENT,
	CONTEXT_NEW,
	CONTEXT_COPY,
	CONTEXT_ENTER,
	RUNTIME,
	INTERP_HEAD,
	INTERP_NEXT,
	THREAD_HEAD,
	THREAD_NEXT,
	PYTHON_NAME_COUNT
};

struct python {
	uint32_t pid;
	struct image *image; /* the setup keeps it */
	struct symbol_wish names[PYTHON_NAME_COUNT];
	uint64_t states[PYTHON_STATES_MAX]; /* addresses of its PyThreadStates */
	unsigned int count;
	struct runtime_setup *setup;
	struct buf *why;
};

static inline const struct symbol *python__symbol(const struct python *python,
						  enum python_name name)
{
	return &python->names[name].symbol;
}

static inline int python__refuse(const struct python *python, int err, const char *why)
{
	buf__puts(python->why, why);
	return err;
}

/* Each 0 or negative errno, as prepare() answers it; the reason is in why. */
int python__find_threads(struct python *python); /* cpython_state.c: states, and how to get there */
int python__add_probes(struct python *python);	 /* cpython_probes.c */
void python__find_greenlets(struct python *python); /* cpython_greenlet.c: adds its probe, too */
/* A probe of the function at vaddr of an image that the setup keeps. */
int python__add_probe(struct python *python, const struct image *image, const char *program,
		      uint64_t vaddr, bool at_return);

#endif
