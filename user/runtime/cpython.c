// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>

#include "runtime/module.h"

static int cpython__prepare(const struct process *process, struct runtime_setup *ret,
			    struct buf *why)
{
	buf__puts(why, "not written yet");
	return -ENOTSUP;
}

const struct runtime_module cpython_module = { "cpython", cpython__prepare };
