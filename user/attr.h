/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One attribute of a span or resource. Keys are literals or live as long as their owner. */
#ifndef SPANPROBE_ATTR_H
#define SPANPROBE_ATTR_H

#include <stdint.h>

#include "base/slice.h"

enum attr_type { ATTR_STRING, ATTR_INT, ATTR_BOOL, ATTR_DOUBLE, ATTR_STRINGS };

struct attr {
	struct slice key;
	enum attr_type type;
	uint32_t count; /* ATTR_STRINGS: how many */
	union {
		struct slice s; /* valid UTF-8 */
		int64_t i;
		bool b;
		double d;
		const struct slice *list;
	};
};

#endif
