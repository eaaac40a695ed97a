/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* replay: the pipeline on a recording: no root, no clock, the same spans at every run. */
#ifndef SPANPROBE_REPLAY_H
#define SPANPROBE_REPLAY_H

#include "options.h"

int replay__run(const struct options *options); /* what the process ends with */

#endif
