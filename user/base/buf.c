// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST 256

void *buf__reserve(struct buf *buf, size_t n)
{
	if (buf->failed)
		return NULL;
	if (buf->cap - buf->n >= n)
		return buf->p + buf->n;

	size_t cap = buf->cap ? buf->cap : BUF_FIRST;

	while (cap - buf->n < n) {
		if (cap > SIZE_MAX / 2) {
			buf->failed = true;
			return NULL;
		}
		cap *= 2;
	}
	char *p = realloc(buf->p, cap);

	if (!p) {
		buf->failed = true;
		return NULL;
	}
	buf->p = p;
	buf->cap = cap;
	return buf->p + buf->n;
}

void buf__append(struct buf *buf, const void *p, size_t n)
{
	void *to = n ? buf__reserve(buf, n) : NULL;

	if (!to)
		return;
	memcpy(to, p, n);
	buf->n += n;
}

void buf__puts(struct buf *buf, const char *text)
{
	buf__append(buf, text, strlen(text));
}

void buf__printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n <= 0)
		return;
	char *to = buf__reserve(buf, (size_t)n + 1);

	if (!to)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)n + 1, format, args);
	va_end(args);
	buf->n += (size_t)n;
}

void buf__clear(struct buf *buf)
{
	buf->n = 0;
	buf->failed = false;
}

void buf__release(struct buf *buf)
{
	free(buf->p);
	*buf = (struct buf){ 0 };
}
