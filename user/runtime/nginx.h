/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SPANPROBE_RUNTIME_NGINX_H
#define SPANPROBE_RUNTIME_NGINX_H

#include "runtime/module.h"

/* The module's work on a file: recipe and probes, or -ENOENT with why. */
int nginx__look_at(const struct image *image, struct runtime_setup *ret, struct buf *why);

#endif
