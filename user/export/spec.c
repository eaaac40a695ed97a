// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* --export NAME[=VALUE]: which exporter, by a table. */
#include <errno.h>

#include "export.h"
#include "export/spec.h"

#define DEFAULT_URL "http://localhost:4318"

static int make_otlp(const struct export_opts *opts, const char *value, struct exporter *ret,
		     struct buf *why)
{
	const struct slice path = SLICE("/v1/traces");
	struct otlp_opts otlp = opts->otlp;
	struct slice url = slice_of(value);

	if (url.n) {
		otlp.url = value;
		/* the whole path, written by hand, is not doubled */
		otlp.url_verbatim =
			url.n >= path.n && slice_eq(slice_from(url, url.n - path.n), path);
	} else if (!otlp.url) {
		otlp.url = DEFAULT_URL;
		otlp.url_verbatim = false;
	}
	return otlp_http__new(&otlp, opts->stats, ret, why);
}

static int make_file(const struct export_opts *opts, const char *value, struct exporter *ret,
		     struct buf *why)
{
	if (!value || !value[0]) {
		buf__puts(why, "--export file: a path is missing; write file=spans.jsonl, or "
			       "file=- for standard output");
		return -EINVAL;
	}
	return json_file__new(value, opts->stats, ret, why);
}

static int make_console(const struct export_opts *opts, const char *value, struct exporter *ret,
			struct buf *why)
{
	return console__new(opts->stats, ret, why);
}

static const struct {
	const char *name;
	bool has_value;
	int (*make)(const struct export_opts *opts, const char *value, struct exporter *ret,
		    struct buf *why); /* NULL: nothing is exported */
} makers[] = {
	{ "otlp", true, make_otlp },
	{ "file", true, make_file },
	{ "console", false, make_console },
	{ "none", false, NULL },
};

int export_spec__make(const struct export_opts *opts, const char *spec, struct exporter *ret,
		      struct buf *why)
{
	const char *equals = strchr(spec, '=');
	struct slice name = slice(spec, equals ? (size_t)(equals - spec) : strlen(spec));

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (!slice_eq(name, slice_of(makers[i].name)))
			continue;
		if (equals && !makers[i].has_value) {
			buf__printf(why, "--export %s: %s takes no value; write --export %s", spec,
				    makers[i].name, makers[i].name);
			return -EINVAL;
		}
		if (!makers[i].make)
			return 0;
		int err = makers[i].make(opts, equals ? equals + 1 : NULL, ret, why);

		return err ? err : 1;
	}
	buf__printf(why,
		    "--export %s: no such exporter; write otlp=URL, file=PATH, console or none",
		    spec);
	return -EINVAL;
}
