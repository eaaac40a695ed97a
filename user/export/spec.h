/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From the text of --export to an exporter. */
#ifndef SPANPROBE_EXPORT_SPEC_H
#define SPANPROBE_EXPORT_SPEC_H

#include "export.h"

/* 1: made; 0: "none", there is nothing to make; or negative errno with the reason in why */
int export_spec__make(const struct export_opts *opts, const char *spec, struct exporter *ret,
		      struct buf *why);

#endif
