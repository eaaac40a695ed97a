// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "process.h"

#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "resource.h"

/* Values of telemetry.sdk.language; what has no value there gets the nearest plain name. */
static const char *const languages[RUNTIME_COUNT] = {
	[RUNTIME_NATIVE] = "cpp",    [RUNTIME_NGINX] = "cpp",	[RUNTIME_GO] = "go",
	[RUNTIME_PYTHON] = "python", [RUNTIME_NODE] = "nodejs", [RUNTIME_JAVA] = "java",
	[RUNTIME_RUBY] = "ruby",     [RUNTIME_PHP] = "php",	[RUNTIME_DOTNET] = "dotnet",
};

const char *runtime__language(enum runtime runtime)
{
	return (unsigned int)runtime < RUNTIME_COUNT ? languages[runtime] : languages[0];
}

struct process *process__new(uint32_t pid, uint64_t start_ticks, enum runtime runtime,
			     struct resource *resource)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->refs = 1;
	process->pid = pid;
	process->start_ticks = start_ticks;
	process->runtime = runtime;
	process->resource = resource ? resource__ref(resource) : NULL;
	return process;
}

struct process *process__ref(struct process *process)
{
	if (process)
		process->refs++;
	return process;
}

void process__unref(struct process *process)
{
	if (!process || --process->refs)
		return;
	resource__unref(process->resource);
	free(process);
}

struct entry {
	uint32_t pid;
	struct process *process;
	UT_hash_handle hh;
};

struct processes {
	struct entry *by_pid;
	uint64_t version;
};

struct processes *processes__new(void)
{
	return calloc(1, sizeof(struct processes));
}

static void drop(struct processes *processes, struct entry *entry)
{
	HASH_DEL(processes->by_pid, entry);
	process__unref(entry->process);
	free(entry);
}

void processes__free(struct processes *processes)
{
	struct entry *entry, *next;

	if (!processes)
		return;
	HASH_ITER(hh, processes->by_pid, entry, next)
		drop(processes, entry);
	free(processes);
}

static struct entry *find(const struct processes *processes, uint32_t pid)
{
	struct entry *entry;

	HASH_FIND(hh, processes->by_pid, &pid, sizeof(pid), entry);
	return entry;
}

int processes__add(struct processes *processes, struct process *process)
{
	struct entry *entry = find(processes, process->pid);

	processes->version++;
	if (entry) {
		process__ref(process);
		process__unref(entry->process);
		entry->process = process;
		return 0;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->pid = process->pid;
	HASH_ADD(hh, processes->by_pid, pid, sizeof(entry->pid), entry);
	if (!entry->hh.tbl) {
		free(entry);
		return -ENOMEM;
	}
	entry->process = process__ref(process);
	return 0;
}

struct process *processes__find(struct processes *processes, uint32_t pid)
{
	struct entry *entry = find(processes, pid);

	return entry ? entry->process : NULL;
}

void processes__remove(struct processes *processes, uint32_t pid)
{
	struct entry *entry = find(processes, pid);

	if (entry)
		drop(processes, entry);
	processes->version++;
}

unsigned int processes__count(const struct processes *processes)
{
	return HASH_COUNT(processes->by_pid);
}

uint64_t processes__version(const struct processes *processes)
{
	return processes->version;
}
