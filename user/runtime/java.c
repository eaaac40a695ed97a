// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>

#include "runtime/module.h"

static int java__prepare(const struct process *process, struct runtime_setup *ret, struct buf *why)
{
	buf__puts(why, "not written yet");
	return -ENOTSUP;
}

const struct runtime_module java_module = { "java", java__prepare };
