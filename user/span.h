/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A finished span, as exporters take it: every string owned by the span, valid UTF-8. */
#ifndef SPANPROBE_SPAN_H
#define SPANPROBE_SPAN_H

#include "attr.h"
#include "base/arena.h"

struct resource;
struct stats;

#define SPAN_ATTRS_MAX	 48
#define SPAN_TEXT_INLINE 512

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER, SPAN_CLIENT, SPAN_PRODUCER, SPAN_CONSUMER };
enum span_status { STATUS_UNSET = 0, STATUS_OK, STATUS_ERROR };

struct span {
	uint32_t refs;
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_id[8];
	bool has_parent;
	bool remote_parent;  /* the parent's context came in a header */
	bool exported;	     /* counted as exported: another exporter does not count it again */
	uint8_t trace_flags; /* W3C: 0x01 sampled, 0x02 random */
	enum span_kind kind;
	enum span_status status;
	uint64_t start_ns; /* Unix time */
	uint64_t end_ns;   /* > start_ns */
	struct slice name;
	struct slice status_message;
	struct slice trace_state;
	struct resource *resource; /* a reference is held */
	uint16_t attr_count;
	uint16_t attr_dropped;
	struct attr attrs[SPAN_ATTRS_MAX];
	struct arena more; /* lists, and the text beyond the inline part */
	size_t text_used;
	char text[SPAN_TEXT_INLINE];
};

struct span *span__new(struct resource *resource); /* one reference; NULL without memory */
struct span *span__ref(struct span *span);
void span__unref(struct span *span); /* NULL is allowed */

/* Copies into the span's own memory, invalid UTF-8 replaced; empty without memory. */
struct slice span__text(struct span *span, struct slice text);

/* Keys must be literals. A key that is there already is replaced. Over the limit (or without
 * memory) attr_dropped rises and nothing is added. */
void span__set(struct span *span, const char *key, struct slice value); /* copied */
void span__set_int(struct span *span, const char *key, int64_t value);
void span__set_bool(struct span *span, const char *key, bool value);
/* key: copied too (http.request.header.<name>) */
void span__set_list(struct span *span, struct slice key, const struct slice *values,
		    uint32_t count);
const struct attr *span__get(const struct span *span, const char *key);
size_t span__memory(const struct span *span); /* bytes it holds, for the queue's bound */

struct span_sink {
	/* takes no reference: keep one with span__ref */
	void (*push)(void *ctx, struct span *span);
	void *ctx;
};

#endif
