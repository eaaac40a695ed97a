/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The parts of Java's module: what is known of a JVM while its recipe is being made. */
#ifndef SPANPROBE_RUNTIME_JAVA_H
#define SPANPROBE_RUNTIME_JAVA_H

#include "recipe.h"
#include "runtime/hotspot.h"

enum wanted {
	THREAD_LIST,
	LIST_LENGTH,
	LIST_THREADS,
	OSTHREAD,
	OSTHREAD_OLD,
	OSTHREAD_ID,
	STACK_BASE,
	THREAD_OBJECT,
	VTHREAD,
	KLASS_OFFSET,
	KLASS_NAME,
	KLASS_SUPER,
	SYMBOL_LENGTH,
	SYMBOL_BODY,
	OOP_BASE,
	OOP_SHIFT,
	KLASS_BASE,
	KLASS_SHIFT,
	OOP_BASE_OLD,
	OOP_SHIFT_OLD,
	KLASS_BASE_OLD,
	KLASS_SHIFT_OLD,
	WANTED_COUNT
};

enum flag { USE_OOPS, USE_CLASSES, USE_COMPACT, USE_G1, USE_PARALLEL, USE_SERIAL, FLAG_COUNT };

struct jvm {
	const struct image *libjvm;
	struct hotspot_field field[WANTED_COUNT];
	struct hotspot_flag flag[FLAG_COUNT];
	struct recipe *recipe;
	uint64_t thread_class; /* java.lang.Thread */
	uint64_t threads;      /* array of JavaThread pointers ... */
	uint32_t thread_count; /* ... as it was at a moment */
};

/* The class of an object, a reference in one; 0: null, or cannot be read. */
uint64_t java__class_of(const struct jvm *jvm, uint64_t object);
uint64_t java__reference(const struct jvm *jvm, uint64_t address);
/* The java.lang.Thread of a JavaThread. */
uint64_t java__thread_object(const struct jvm *jvm, uint64_t java);

/*
 * How to count the tasks of pools. False: no thread of a pool is there yet, ask again; without it
 * threads have no tasks.
 */
bool java__find_tasks(const struct jvm *jvm);

#endif
