/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The traced processes as the pipeline knows them: what discover found in /proc, or what a
 * recording holds. The pipeline reads nothing else about a process, so that it replays.
 */
#ifndef SPANPROBE_PROCESS_H
#define SPANPROBE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct resource;

enum runtime {
	RUNTIME_NATIVE = 0, /* C, C++, Rust and whatever else has no runtime we know */
	RUNTIME_NGINX,	    /* a C event loop that makes its call in the turn of the read */
	RUNTIME_GO,
	RUNTIME_PYTHON,
	RUNTIME_NODE,
	RUNTIME_JAVA,
	RUNTIME_RUBY,
	RUNTIME_PHP,
	RUNTIME_DOTNET,
	RUNTIME_COUNT
};

const char *runtime__language(enum runtime runtime); /* telemetry.sdk.language: "cpp", "go", ... */

struct process {
	uint32_t refs;
	uint32_t pid;	      /* root pid namespace */
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: tells a reused pid */
	enum runtime runtime;
	struct resource *resource; /* a reference is held */
	/* capture's: bodies without a length are beyond the budget of a new connection */
	bool bodies_unmeasured;
	uint8_t bodies_measured; /* large ones with a length since then */
};

struct process *process__new(uint32_t pid, uint64_t start_ticks, enum runtime runtime,
			     struct resource *resource); /* takes a reference of resource */
struct process *process__ref(struct process *process);
void process__unref(struct process *process); /* NULL is allowed */

/* pid -> process; an added process replaces an older one with the same pid */
struct processes;

struct processes *processes__new(void);
void processes__free(struct processes *processes);
int processes__add(struct processes *processes, struct process *process);   /* takes a reference */
struct process *processes__find(struct processes *processes, uint32_t pid); /* borrowed or NULL */
void processes__remove(struct processes *processes, uint32_t pid);
unsigned int processes__count(const struct processes *processes);
/* Another number whenever what find answers may have changed. */
uint64_t processes__version(const struct processes *processes);

#endif
