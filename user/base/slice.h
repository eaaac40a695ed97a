/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A borrowed run of bytes. Never NUL-terminated, never owned; p may be NULL when n is 0. */
#ifndef SPANPROBE_SLICE_H
#define SPANPROBE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })

static inline struct slice slice(const void *p, size_t n)
{
	return (struct slice){ p, n };
}

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-insensitive */
static inline bool slice_ieq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* s without its first n bytes (all of them when it has fewer) */
static inline struct slice slice_from(struct slice s, size_t n)
{
	/* no arithmetic on NULL, which an empty slice may hold */
	return n < s.n ? slice(s.p + n, s.n - n) : slice(s.n ? s.p + s.n : s.p, 0);
}

/* without spaces and tabs at both ends */
static inline struct slice slice_trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

#endif
