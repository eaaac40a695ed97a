/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Trace and span ids: from getrandom() in a live run, from a seed in a replay. Never zero. */
#ifndef SPANPROBE_IDS_H
#define SPANPROBE_IDS_H

#include <stdint.h>

struct ids;

struct ids *ids__new(void);		    /* the kernel's CSPRNG, read in blocks */
struct ids *ids__new_seeded(uint64_t seed); /* the same ids at every run */
void ids__free(struct ids *ids);
void ids__trace_id(struct ids *ids, uint8_t ret_id[16]);
void ids__span_id(struct ids *ids, uint8_t ret_id[8]);

#endif
