// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * greenlet (gevent, eventlet): several flows of one thread that no context tells apart. Since 2.0 each
 * thread has a C++ object that begins with its first greenlet and its current one; a variable of
 * the library's thread-local block points to it. Its block is looked for in the threads' tables of
 * them (dtv), known by the type of the first greenlet.
 */
#include <elf.h>
#include <errno.h>

#include "code/memory.h"
#include "code/pointers.h"
#include "runtime/cpython.h"

#define BLOCKS_MAX  256 /* of a thread */
#define BLOCK_BYTES 64	/* of the library's own that are looked at */

/* The pointer that stands there is to a thread's object. */
static bool is_object(const struct python *python, uint64_t at, uint64_t type)
{
	uint64_t object, first, of;

	return memory__word(python->pid, at, &object) == 0 && object > 1 &&
	       memory__word(python->pid, object, &first) == 0 && first &&
	       memory__word(python->pid, first + 8, &of) == 0 && of == type;
}

static bool find_in_thread(const struct python *python, uint64_t state, uint64_t type)
{
	struct recipe *recipe = &python->setup->recipe;
	uint64_t self, dtv, count, block;

	if (memory__word(python->pid, state + recipe->words[CPYTHON_STATE_THREAD], &self) ||
	    memory__word(python->pid, self + 8, &dtv) ||
	    memory__word(python->pid, dtv - 16, &count))
		return false;
	for (uint64_t id = 1; id <= count && id <= BLOCKS_MAX; id++) {
		if (memory__word(python->pid, dtv + 16 * id, &block) || block % 8)
			continue;
		for (uint64_t at = 0; at < BLOCK_BYTES; at += 8) {
			if (!is_object(python, block + at, type))
				continue;
			recipe->words[CPYTHON_GREENLET_DTV] = 16 * id;
			recipe->words[CPYTHON_GREENLET_TLS] = at;
			recipe->words[CPYTHON_GREENLET_TYPE] = type;
			return true;
		}
	}
	return false;
}

static bool has_gevent(uint32_t pid)
{
	struct image *image = NULL;
	bool has = image__of_process(pid, "_gevent_c", &image) == 0;

	image__free(image);
	return has;
}

void python__find_greenlets(struct python *python)
{
	struct recipe *recipe = &python->setup->recipe;
	struct image *image = NULL;
	struct symbol type;
	uint64_t made = 0;
	bool found = false;

	if (image__of_process(python->pid, "_greenlet.", &image) != 0) {
		python->setup->more = true;
		return;
	}
	if (runtime_setup__keep(python->setup, image) == 0 &&
	    symbols__get(image, "PyGreenlet_Type", &type) == 0 &&
	    pointers__read(image, type.vaddr + PYTHON_TYPE_NEW, &made, 1) == 0) {
		for (unsigned int i = 0; i < python->count && !found; i++)
			found = find_in_thread(python, python->states[i], type.vaddr + image->bias);
		found = found && python__add_probe(python, image, "cpython__made", made, true) == 0;
	}
	if (found)
		return;
	/* without gevent nobody may ever use them, and later ones can be found later */
	python->setup->more = true;
	recipe->words[CPYTHON_GREENLET_TYPE] = has_gevent(python->pid) ? 1 : 0;
}
