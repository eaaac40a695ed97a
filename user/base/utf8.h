/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Captured bytes are not always text: what leaves the agent as a string must be valid UTF-8. */
#ifndef SPANPROBE_UTF8_H
#define SPANPROBE_UTF8_H

#include "slice.h"

#define UTF8_CLEAN_GROWTH 3 /* each bad byte becomes the three bytes of U+FFFD at most */

/* How many bytes from the start are whole, valid sequences (no surrogates, no overlong forms) */
size_t utf8__valid(struct slice s);
/* Bytes of the sequence at the start of s: 1 to 4, 0 when it is not valid or s is empty */
size_t utf8__next(struct slice s);
/* Copies with every maximal bad part replaced by U+FFFD; out has room for 3 * s.n. Returns the
 * length written. */
size_t utf8__clean(struct slice s, char *out);
/* The longest prefix of valid s of at most n bytes that ends at a character's border */
struct slice utf8__cut(struct slice s, size_t n);

#endif
