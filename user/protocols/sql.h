/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* SQL as a span shows it: without values, and summed up. PostgreSQL's rules of quoting. */
#ifndef SPANPROBE_SQL_H
#define SPANPROBE_SQL_H

#include "base/buf.h"

#define SQL_SUMMARY_MAX 255

/*
 * The text with every literal as "?" and without comments, white space as one space; lists of
 * literals behind IN as one. Placeholders stay. cut: the text goes on. false: it makes no sense (a literal without
 * end), and nothing of it can be shown.
 */
bool sql__sanitise(struct slice text, bool cut, struct buf *out);

/* Operations and their targets in order, as written: "SELECT orders customers"; at most
 * SQL_SUMMARY_MAX bytes of whole words, empty when there is nothing to tell. */
void sql__summary(struct slice text, struct buf *out);

#endif
