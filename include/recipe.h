/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How the kernel side reads the execution unit of a process whose runtime moves its units over
 * threads: one recipe per process, written by apply_recipe, found out in user/runtime/. The kernel
 * follows pointers and copies numbers; what they mean is decided in user/attribute/.
 */
#ifndef SPANPROBE_RECIPE_H
#define SPANPROBE_RECIPE_H

#include "types.h"

/* What event.unit is in the events of a process. */
enum unit_kind {
	UNITS_THREADS = 0, /* how often the thread has gone to sleep, plus 1 */
	UNITS_GO,	   /* goroutine id */
	UNITS_CPYTHON,	   /* address of the contextvars.Context */
	UNITS_NODE,	   /* execution async id; UNIT_AT tells the rest */
	UNITS_JAVA,	   /* as with threads; park and unpark are told besides */
	UNITS_KIND_COUNT
};

/* recipe.flags */
#define RECIPE_WAKES 0x01 /* report UNIT_WAKE of threads that sleep in futex */

#define RECIPE_WORDS 16

struct recipe {
	__u32 pid;
	__u8 kind;  /* enum unit_kind */
	__u8 flags; /* RECIPE_* */
	__u8 pad[2];
	/* offsets (signed) and addresses by the runtime's own enum below */
	__u64 words[RECIPE_WORDS];
	__u64 read;   /* units that were read; counted by the kernel side */
	__u64 failed; /* ... and those that were not what they must be */
};
SIZE_ASSERT(struct recipe, 152);

enum recipe_go {
	GO_TLS_G, /* fs: displacement of the g pointer */
	GO_G_M,	  /* offsets within runtime.g and runtime.m */
	GO_M_CURG,
	GO_G_GOID,
	GO_G_STARTPC,
};

enum recipe_cpython {
	CPYTHON_TSTATE_CONTEXT, /* offsets within PyThreadState */
	CPYTHON_CURRENT,	/* where the current PyThreadState is found; the module says how */
	CPYTHON_CURRENT_KIND,
};

enum recipe_node {
	NODE_ENV_FIELDS, /* offsets within node::Environment: AsyncHooks' fields and ids */
	NODE_ENV_IDS,
	NODE_SCOPE_CONTEXT_REG, /* which argument of InternalCallbackScope is the async_context */
};

enum recipe_java {
	JAVA_THREAD_PARKER, /* offset of the Parker within JavaThread */
	JAVA_THREAD_OBJECT, /* JavaThread -> OopHandle of the java.lang.Thread */
	JAVA_PARK_BLOCKER,  /* offset of Thread.parkBlocker */
	JAVA_KLASS_OFFSET,  /* of the class pointer within an object */
	JAVA_KLASS_NAME,    /* offset of Klass::_name */
	JAVA_SYMBOL_LENGTH,
	JAVA_SYMBOL_BODY,
	JAVA_OOP_BASE, /* compressed oops and class pointers */
	JAVA_OOP_SHIFT,
	JAVA_KLASS_BASE,
	JAVA_KLASS_SHIFT,
	JAVA_TLAB_START, /* JavaThread -> tlab; 0: no lineage asked for */
	JAVA_TLAB_TOP,
	JAVA_HEAP_START,
	JAVA_HEAP_END,
};

#endif
