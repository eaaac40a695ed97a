// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which task a thread of a pool works on: what such a thread runs (Thread.target, or since 19
 * Thread.holder.task) is a ThreadPoolExecutor$Worker, which counts the tasks that it has ended.
 * The class is known once a thread of a pool is there. A thread finds its JavaThread in a
 * thread-local variable of libjvm.so.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "code/memory.h"
#include "code/symbols.h"
#include "runtime/java.h"

#define THREADS_MAX	1024
#define RELOCATIONS_MAX (32u << 20) /* bytes */

static void find_holder(const struct jvm *jvm, uint32_t at, __u64 *words)
{
	uint32_t task = 0;
	uint64_t java = 0, object = 0, klass = 0;

	if (jvm->thread_count && !memory__word(jvm->libjvm->pid, jvm->threads, &java))
		object = java__thread_object(jvm, java);
	if (object)
		object = java__reference(jvm, object + at);
	if (object)
		klass = java__class_of(jvm, object);
	if (!klass || hotspot__field_offset(jvm->libjvm, klass, "task", &task))
		return;
	words[JAVA_TARGET] = at;
	words[JAVA_HOLDER_TASK] = task;
}

static void find_target(const struct jvm *jvm, __u64 *words)
{
	uint32_t at = 0;

	if (!hotspot__field_offset(jvm->libjvm, jvm->thread_class, "target", &at))
		words[JAVA_TARGET] = at;
	else if (!hotspot__field_offset(jvm->libjvm, jvm->thread_class, "holder", &at))
		find_holder(jvm, at, words);
}

static bool find_worker(const struct jvm *jvm, uint64_t java, __u64 *words)
{
	static const char worker[] = "java/util/concurrent/ThreadPoolExecutor$Worker";
	uint64_t object = java__thread_object(jvm, java), klass;
	char name[HOTSPOT_NAME];
	uint32_t at = 0;

	if (object)
		object = java__reference(jvm, object + words[JAVA_TARGET]);
	if (object && words[JAVA_HOLDER_TASK])
		object = java__reference(jvm, object + words[JAVA_HOLDER_TASK]);
	klass = object ? java__class_of(jvm, object) : 0;
	if (!klass || hotspot__class_name(jvm->libjvm, klass, name, sizeof(name)) ||
	    strcmp(name, worker) != 0 ||
	    hotspot__field_offset(jvm->libjvm, klass, "completedTasks", &at))
		return false;
	words[JAVA_WORKER] = klass;
	words[JAVA_COMPLETED] = at;
	return true;
}

/* The loader has written the number of the module to wherever a relocation asks for it. */
static void find_local(const struct jvm *jvm, __u64 *words)
{
	const struct image_section *section = image__section(jvm->libjvm, ".rela.dyn");
	struct symbol symbol;
	void *bytes = NULL;
	uint64_t module = 0;

	if (!section || symbols__get(jvm->libjvm, "_ZN6Thread12_thr_currentE", &symbol) ||
	    symbol.kind != SYMBOL_TLS ||
	    image__load(jvm->libjvm, section->offset, section->size, RELOCATIONS_MAX, &bytes))
		return;
	for (size_t at = 0; at + sizeof(Elf64_Rela) <= section->size && !module;
	     at += sizeof(Elf64_Rela)) {
		Elf64_Rela rela;

		memcpy(&rela, (const char *)bytes + at, sizeof(rela));
		if (rela.r_info == ELF64_R_INFO(0, R_X86_64_DTPMOD64) &&
		    memory__word(jvm->libjvm->pid, rela.r_offset + jvm->libjvm->bias, &module))
			break;
	}
	free(bytes);
	if (!module || module > UINT16_MAX)
		return;
	words[JAVA_TLS_MODULE] = module;
	words[JAVA_TLS_OFFSET] = symbol.vaddr;
}

bool java__find_tasks(const struct jvm *jvm)
{
	__u64 *words = jvm->recipe->words;
	uint64_t java = 0;

	words[JAVA_EPOCH] = clock__monotonic_ns(); /* never the same twice */
	find_local(jvm, words);
	find_target(jvm, words);
	for (uint32_t i = 0; words[JAVA_TARGET] && i < jvm->thread_count && i < THREADS_MAX; i++) {
		if (!memory__word(jvm->libjvm->pid, jvm->threads + 8ull * i, &java) &&
		    find_worker(jvm, java, words))
			return true;
	}
	return false;
}
