/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The only place that reads clocks: stages get their time as a parameter. */
#ifndef SPANPROBE_CLOCK_H
#define SPANPROBE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_USEC 1000ull

uint64_t clock__monotonic_ns(void);
/* Unix time minus CLOCK_MONOTONIC, measured between two close readings */
int64_t clock__wall_offset_ns(void);

#endif
