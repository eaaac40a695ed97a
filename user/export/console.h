/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The console exporter with what it would otherwise ask the terminal for. */
#ifndef SPANPROBE_EXPORT_CONSOLE_H
#define SPANPROBE_EXPORT_CONSOLE_H

#include "export.h"

struct console_style {
	uint32_t width; /* 0: asked at each tree */
	bool color;
	bool utf8;
};

/* path "-": standard output. 0 or negative errno. */
int console__open(const char *path, const struct console_style *style, struct stats *stats,
		  struct exporter *ret);

#endif
