// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * console: traces as trees on standard output. Spans of one trace end at different moments and
 * in any order, so they are gathered until the trace has been quiet for a while: a short while
 * when it is whole, a longer one while a parent of this host is still missing.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uthash.h>

#include "base/clock.h"
#include "export.h"
#include "export/console.h"
#include "export/out.h"
#include "export/tree.h"

#define QUIET_NS      (400 * NSEC_PER_MSEC)
#define QUIET_PART_NS (5 * NSEC_PER_SEC)
#define AGE_MAX_NS    (30 * NSEC_PER_SEC)
#define TRACES_MAX    512
#define SPANS_MAX     4096
#define PENDING_MAX   (1u << 20) /* text that a slow terminal has not taken */
#define WIDTH_DEFAULT 100

struct trace {
	uint8_t id[16];
	struct span **spans;
	uint32_t count, room;
	uint64_t first_ns, last_ns; /* 0: not seen by a tick yet */
	bool touched;
	bool known, whole; /* whether every parent on this host is there; since the last touch */
	UT_hash_handle hh; /* in order of arrival: the oldest first */
};

struct console {
	struct stats *stats;
	struct out out;
	struct console_style style;
	struct trace *traces;
	uint32_t span_count;
	uint32_t unprinted; /* spans of trees that found no room */
};

static void trace__free(struct console *console, struct trace *trace)
{
	HASH_DEL(console->traces, trace);
	console->span_count -= trace->count;
	for (uint32_t i = 0; i < trace->count; i++)
		span__unref(trace->spans[i]);
	free(trace->spans);
	free(trace);
}

static uint32_t current_width(const struct console *console)
{
	struct winsize size;

	if (console->style.width)
		return console->style.width;
	if (ioctl(console->out.fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return WIDTH_DEFAULT;
}

static void print(struct console *console, struct trace *trace)
{
	struct tree_style style = {
		.width = current_width(console),
		.color = console->style.color,
		.utf8 = console->style.utf8,
	};

	if (!console->out.pending.n)
		out__begin(&console->out);
	if (console->out.pending.n > PENDING_MAX ||
	    tree__print(trace->spans, trace->count, &style, &console->out.pending))
		console->unprinted += trace->count;
	trace__free(console, trace);
	if (console->out.pending.n > PENDING_MAX / 8)
		out__push(&console->out);
}

static struct trace *trace_of(struct console *console, const struct span *span)
{
	struct trace *trace;

	HASH_FIND(hh, console->traces, span->trace_id, sizeof(trace->id), trace);
	if (trace)
		return trace;
	if (HASH_COUNT(console->traces) >= TRACES_MAX)
		print(console, console->traces);
	trace = calloc(1, sizeof(*trace));
	if (!trace)
		return NULL;
	memcpy(trace->id, span->trace_id, sizeof(trace->id));
	HASH_ADD(hh, console->traces, id, sizeof(trace->id), trace);
	return trace;
}

static bool trace__add(struct console *console, struct trace *trace, struct span *span)
{
	if (trace->count == trace->room) {
		uint32_t room = trace->room ? trace->room * 2 : 8;
		struct span **spans = realloc(trace->spans, room * sizeof(struct span *));

		if (!spans)
			return false;
		trace->spans = spans;
		trace->room = room;
	}
	trace->spans[trace->count++] = span__ref(span);
	trace->touched = true;
	console->span_count++;
	return true;
}

static int console__send(void *self, struct span *const *spans, uint32_t count, bool again)
{
	struct console *console = self;

	for (uint32_t i = 0; i < count; i++) {
		struct trace *trace = trace_of(console, spans[i]);

		if (!trace || !trace__add(console, trace, spans[i]))
			return -ENOMEM;
		if (console->span_count > SPANS_MAX)
			print(console, console->traces);
	}
	return 0;
}

static struct export_result console__poll(void *self, uint64_t now_ns)
{
	return (struct export_result){ .verdict = EXPORT_DONE };
}

static void console__cancel(void *self)
{
}

static bool is_due(struct trace *trace, uint64_t now_ns)
{
	if (trace->touched) {
		trace->touched = trace->known = false;
		trace->last_ns = now_ns;
		if (!trace->first_ns)
			trace->first_ns = now_ns;
		return false;
	}
	if (now_ns - trace->first_ns >= AGE_MAX_NS)
		return true;
	if (now_ns - trace->last_ns < QUIET_NS)
		return false;
	if (!trace->known)
		trace->whole = tree__is_whole(trace->spans, trace->count);
	trace->known = true;
	return trace->whole || now_ns - trace->last_ns >= QUIET_PART_NS;
}

static bool console__tick(void *self, uint64_t now_ns, bool last)
{
	struct console *console = self;
	struct trace *trace, *next;

	HASH_ITER(hh, console->traces, trace, next) {
		if (last || is_due(trace, now_ns))
			print(console, trace);
	}
	int err = out__push(&console->out);

	if (err && err != -EAGAIN)
		console->unprinted++; /* how many trees that text held is not known any more */
	if (console->stats)
		console->stats->lost[LOSS_EXPORT_FAILED] += console->unprinted;
	console->unprinted = 0;
	return console->traces || console->out.pending.n;
}

static void console__free(void *self)
{
	struct console *console = self;

	while (console->traces)
		trace__free(console, console->traces);
	out__release(&console->out);
	free(console);
}

int console__open(const char *path, const struct console_style *style, struct stats *stats,
		  struct exporter *ret)
{
	struct console *console = calloc(1, sizeof(*console));
	int err = console ? out__open(path, &console->out) : -ENOMEM;

	if (err) {
		free(console);
		return err;
	}
	console->stats = stats;
	console->style = *style;
	*ret = (struct exporter){
		.name = "console",
		.where = "the console",
		.immediate = true,
		.self = console,
		.send = console__send,
		.poll = console__poll,
		.cancel = console__cancel,
		.tick = console__tick,
		.free = console__free,
	};
	return 0;
}

/* The user's locale, whether or not the program has taken it on */
static bool locale_is_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool utf8 = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

	if (locale)
		freelocale(locale);
	return utf8;
}

int console__new(struct stats *stats, struct exporter *ret, struct buf *why)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct console_style style = {
		.color = isatty(STDOUT_FILENO) && !(no_color && no_color[0]) &&
			 !(term && strcmp(term, "dumb") == 0),
		.utf8 = locale_is_utf8(),
	};
	int err = console__open("-", &style, stats, ret);

	if (err)
		buf__printf(why, "--export console: standard output: %s", strerror(-err));
	return err;
}
