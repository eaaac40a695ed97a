/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What this process may do, by its effective capabilities. */
#ifndef SPANPROBE_RIGHTS_H
#define SPANPROBE_RIGHTS_H

#include <stdbool.h>

#include "base/buf.h"

/* May it load tracing programs and look at other processes? missing: "CAP_BPF, ..." */
bool rights__enough(struct buf *missing);

#endif
