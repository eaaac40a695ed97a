/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* .gnu_debugdata: a small ELF file, compressed by xz, with the names that were stripped. */
#ifndef SPANPROBE_CODE_DEBUGDATA_H
#define SPANPROBE_CODE_DEBUGDATA_H

#include "code/image.h"

/* To be freed by image__free. -ENOENT: the file has none; -EBADMSG: damaged; -E2BIG: too large. */
int debugdata__open(const struct image *image, struct image **ret);

#endif
