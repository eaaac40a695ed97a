/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* attach: carries out a plan; owns every bpf_link. */
#ifndef SPANPROBE_ATTACH_H
#define SPANPROBE_ATTACH_H

#include "load.h"

struct attach;

int attach__new(struct load *load, const struct plan *plan, struct attach **ret, struct buf *why);
void attach__free(struct attach *attach); /* detaches; NULL is allowed */

#endif
