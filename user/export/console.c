// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>

#include "export.h"

int console__new(struct stats *stats, struct exporter *ret, struct buf *why)
{
	buf__puts(why, "--export console: not built yet");
	return -ENOSYS;
}
