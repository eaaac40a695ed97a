// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* file=PATH: each batch is one line of OTLP JSON, appended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "export.h"
#include "export/out.h"

/* A line longer than this gives its memory back, so that one burst does not stay for ever. */
#define LINE_KEPT (2u << 20)

struct json_file {
	struct out out;
	const struct stats *stats;
	char *path;
};

static int json_file__send(void *self, struct span *const *spans, uint32_t count, bool again)
{
	struct json_file *file = self;

	if (file->out.pending.cap > LINE_KEPT)
		buf__release(&file->out.pending);
	out__begin(&file->out);
	return otlp_json(spans, count, file->stats, &file->out.pending);
}

static struct export_result json_file__poll(void *self, uint64_t now_ns)
{
	struct json_file *file = self;
	struct export_result result = { .verdict = EXPORT_DONE };
	int err = out__push(&file->out);

	if (err == -EAGAIN) {
		result.verdict = EXPORT_PENDING;
	} else if (err) {
		result.verdict = EXPORT_DROP;
		snprintf(result.message, sizeof(result.message), "%s", strerror(-err));
	}
	return result;
}

static void json_file__cancel(void *self)
{
	struct json_file *file = self;

	file->out.cut = file->out.at > 0;
	file->out.at = 0;
	buf__clear(&file->out.pending);
}

static void json_file__free(void *self)
{
	struct json_file *file = self;

	out__release(&file->out);
	free(file->path);
	free(file);
}

int json_file__new(const char *path, struct stats *stats, struct exporter *ret, struct buf *why)
{
	struct json_file *file = calloc(1, sizeof(*file));
	int err = file ? out__open(path, &file->out) : -ENOMEM;

	if (err) {
		buf__printf(why,
			    "--export file=%s: cannot open it: %s; name a file in a directory "
			    "that exists and may be written, or - for standard output",
			    path, strerror(-err));
		free(file);
		return err;
	}
	file->stats = stats;
	file->path = strdup(strcmp(path, "-") == 0 ? "standard output" : path);
	*ret = (struct exporter){
		.name = "file",
		.where = file->path ? file->path : "file",
		.self = file,
		.send = json_file__send,
		.poll = json_file__poll,
		.cancel = json_file__cancel,
		.free = json_file__free,
	};
	return 0;
}
