/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* doctor: what this kernel, these rights and this process allow, and how to mend the rest. */
#ifndef SPANPROBE_DOCTOR_H
#define SPANPROBE_DOCTOR_H

#include "options.h"

int doctor__run(const struct options *options); /* what the process ends with */

#endif
