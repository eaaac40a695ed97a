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

#include <stddef.h>
#include <stdint.h>

struct rings;

typedef int (*ring_fn)(void *ctx, void *record, size_t size);

struct rings *rings__new(void);
void rings__free(struct rings *rings);
int rings__add(struct rings *rings, int map_fd, uint32_t bytes); /* the fd becomes ours */
/* Every whole record of every ring goes to fn; a negative result of fn is remembered and returned
 * after the drain, nothing is kept back. Else: how many. Never sleeps. */
int rings__drain(struct rings *rings, ring_fn fn, void *ctx);
int rings__epoll_fd(const struct rings *rings);
size_t rings__kernel_bytes(const struct rings *rings);

/* What a map costs, by the kernel's own account; 0 if it does not say. */
size_t map__kernel_bytes(int map_fd);

#endif
