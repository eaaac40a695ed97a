// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock__monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t clock__wall_offset_ns(void)
{
	int64_t best = 0;
	uint64_t best_width = UINT64_MAX;

	/* a pre-emption between the readings shows as width: take the narrowest of a few */
	for (int i = 0; i < 5; i++) {
		uint64_t before = read_ns(CLOCK_MONOTONIC);
		uint64_t wall = read_ns(CLOCK_REALTIME);
		uint64_t after = read_ns(CLOCK_MONOTONIC);

		if (after - before < best_width) {
			best_width = after - before;
			best = (int64_t)(wall - (before + best_width / 2));
		}
	}
	return best;
}
