/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * agent: tracing live. Finds the targets, asks the kernel, plans, loads, attaches, and turns the
 * ring's records into spans until it is told to end or nothing is left to trace.
 */
#ifndef SPANPROBE_AGENT_H
#define SPANPROBE_AGENT_H

#include "options.h"

int agent__run(const struct options *options); /* run and record; what the process ends with */

#endif
