/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Fixed-width types under their kernel names on both sides of the ring buffer. */
#ifndef SPANPROBE_TYPES_H
#define SPANPROBE_TYPES_H

#ifdef __bpf__
#include "core.h"
#else
#include <linux/types.h>
#endif

/* Shared records carry explicit pads; a size that moves is an error at compile time. */
#define SIZE_ASSERT(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed size")

#endif
