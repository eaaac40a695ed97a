/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ring: the agent's end of the BPF ring buffers.
 *
 * libbpf's ring_buffer maps the data of a ring twice in a row, so that a record that wraps is in
 * one piece; the kernel counts both as resident memory of the agent. Here each ring is mapped
 * once, and the rare record that wraps is copied. The wait is edge-triggered: readable means a
 * forced wake-up, not "there is something", for there nearly always is.
 */
#ifndef SPANPROBE_RING_H
#define SPANPROBE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;
struct rings;

typedef int (*ring_fn)(void *ctx, void *record, size_t size);

/* bytes: a power of two, of whole pages. 0 or a negative errno. */
int ring__new(uint32_t bytes, struct ring **ret);
void ring__free(struct ring *ring); /* NULL is allowed */
int ring__fd(const struct ring *ring);

struct rings *rings__new(void);
void rings__free(struct rings *rings);
int rings__add(struct rings *rings, struct ring *ring); /* becomes theirs unless it fails */
/* The `count` oldest rings, which nobody writes any more, go with what they hold. */
void rings__drop(struct rings *rings, unsigned int count);
bool rings__crowded(const struct rings *rings); /* did a drain find one more than a quarter full? */
/* Every whole record of every ring goes to fn; a negative result of fn is remembered and returned
 * after the drain, nothing is kept back. Else: how many. Never sleeps. */
int rings__drain(struct rings *rings, ring_fn fn, void *ctx);
int rings__epoll_fd(const struct rings *rings);
size_t rings__kernel_bytes(const struct rings *rings);

/* What a map costs, by the kernel's own account; 0 if it does not say. */
size_t map__kernel_bytes(int map_fd);

#endif
