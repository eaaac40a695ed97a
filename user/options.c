// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Sources are read from the strongest to the weakest; a row that a stronger one has set stays. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "options_table.h"

#define ROWS_MAX 64

static const char *const command_names[COMMAND_COUNT] = {
	[COMMAND_RUN] = "run",	     [COMMAND_RECORD] = "record",   [COMMAND_REPLAY] = "replay",
	[COMMAND_DOCTOR] = "doctor", [COMMAND_VERSION] = "version", [COMMAND_HELP] = "help",
};

struct parse {
	struct options *options;
	option_env env;
	struct buf *why;
	struct buf *warnings;
	enum option_source set_by[ROWS_MAX];
};

char *options_copy(struct options *options, const char *p, size_t n)
{
	char *copy = options_grow(options, NULL, 0, n + 1);

	if (copy)
		memcpy(copy, p, n);
	return copy;
}

void *options_grow(struct options *options, void *items, uint32_t count, size_t size)
{
	void *grown = realloc(items, (count + 1) * size);

	if (!grown)
		return NULL;
	memset((char *)grown + count * size, 0, size);
	if (items) {
		for (uint32_t i = 0; i < options->owned_count; i++)
			if (options->owned[i] == items)
				options->owned[i] = grown;
		return grown;
	}
	void **owned = realloc(options->owned, (options->owned_count + 1) * sizeof(*owned));

	if (!owned) {
		free(grown);
		return NULL;
	}
	options->owned = owned;
	owned[options->owned_count++] = grown;
	return grown;
}

void options__release(struct options *options)
{
	for (uint32_t i = 0; i < options->owned_count; i++)
		free(options->owned[i]);
	free(options->owned);
	memset(options, 0, sizeof(*options));
}

/* --- one value of one row --------------------------------------------------------------- */

static int set_one(struct parse *parse, unsigned int row, const struct option_input *input,
		   struct buf *why)
{
	const struct option_row *r = &option_rows[row];
	int err = r->parse(parse->options, (char *)parse->options + r->field, input, why);

	if (!err)
		parse->set_by[row] = input->source;
	return err;
}

/* Splits lists; why gets "NAME 'value' reason". The first error ends it, unless each bad item is
 * only warned about. */
static int set_value(struct parse *parse, unsigned int row, struct option_input input)
{
	const struct option_row *r = &option_rows[row];
	bool environment = input.source == SOURCE_ENV || input.source == SOURCE_OTEL;
	bool split = r->list && (r->commas || environment);
	const char *p = input.value;
	int err = 0;

	for (bool more = true; more && err != -ENOMEM;) {
		size_t n = split ? strcspn(p, ",") : strlen(p);
		char *item = strndup(p, n);
		char *start = item;
		struct buf reason = { 0 };

		if (!item)
			return -ENOMEM;
		if (split) {
			while (*start == ' ')
				start++;
			for (size_t k = strlen(start); k && start[k - 1] == ' ';)
				start[--k] = '\0';
		}
		input.value = start;
		more = p[n] != '\0';
		p += n + 1;
		err = set_one(parse, row, &input, &reason);
		if (err && environment)
			buf__printf(parse->warnings, "%s '%s' %.*s; ignored\n", input.name, start,
				    (int)reason.n, reason.p ? reason.p : "");
		else if (err)
			buf__printf(parse->why, "%s '%s' %.*s", input.name, start, (int)reason.n,
				    reason.p ? reason.p : "");
		buf__release(&reason);
		free(item);
		if (err && !environment)
			return err;
	}
	return err == -ENOMEM ? err : 0;
}

static bool may_set(const struct parse *parse, unsigned int row, enum option_source source)
{
	return (option_rows[row].on & (1u << parse->options->command)) &&
	       (parse->set_by[row] == SOURCE_NONE || parse->set_by[row] == source);
}

/* --- sources ---------------------------------------------------------------------------- */

static int read_variable(struct parse *parse, unsigned int row, const char *name,
			 enum option_source source)
{
	const char *value = name ? parse->env(name) : NULL;

	/* the specification: empty is unset. One variable, not several, makes a list. */
	if (!value || !*value || parse->set_by[row] != SOURCE_NONE || !may_set(parse, row, source))
		return 0;
	return set_value(parse, row, (struct option_input){ name, value, source, parse->env });
}

static int read_environment(struct parse *parse)
{
	int err = 0;

	for (unsigned int i = 0; i < option_row_count && !err; i++) {
		err = read_variable(parse, i, option_rows[i].env, SOURCE_ENV);
		for (int k = 0; k < 2 && !err; k++)
			err = read_variable(parse, i, option_rows[i].otel[k], SOURCE_OTEL);
	}
	return err;
}

static int row_of_key(const char *key)
{
	for (unsigned int i = 0; i < option_row_count; i++)
		if (option_rows[i].key && strcmp(option_rows[i].key, key) == 0)
			return (int)i;
	return -1;
}

static bool key_has_pairs(const char *key)
{
	int row = row_of_key(key);

	return row >= 0 && option_rows[row].pairs;
}

static int set_from_file(void *ctx, const char *key, const char *value, const char *where)
{
	struct parse *parse = ctx;
	int row = row_of_key(key);

	if (row < 0) {
		const char *near = option_nearest(key, true);

		buf__printf(parse->why, "%s: no such key '%s'; ", where, key);
		if (near)
			buf__printf(parse->why, "did you mean '%s'?", near);
		else
			buf__puts(parse->why, "man spanprobe lists the keys");
		return -EINVAL;
	}
	if (!may_set(parse, (unsigned int)row, SOURCE_FILE))
		return 0; /* a stronger source has it, or this command has no use for it */
	if (parse->set_by[row] == SOURCE_FILE && !option_rows[row].list) {
		buf__printf(parse->why, "%s: the key '%s' is there twice; remove one", where, key);
		return -EINVAL;
	}
	char name[512];

	snprintf(name, sizeof(name), "%s: %s", where, key);
	return set_value(parse, (unsigned int)row,
			 (struct option_input){ name, value, SOURCE_FILE, parse->env });
}

/* --- the command line ------------------------------------------------------------------- */

static int usage(struct parse *parse, const char *argument)
{
	const char *near = NULL;
	char name[64] = "";

	if (strncmp(argument, "--", 2) == 0)
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
	if (*name)
		near = option_nearest(name, false);
	buf__printf(parse->why, "%s: no such option; ", argument);
	if (near)
		buf__printf(parse->why, "did you mean --%s?", near);
	else
		buf__puts(parse->why, "spanprobe --help lists them");
	return -EINVAL;
}

/* getopt's tables from ours: values 256 + row for long options, the letter for short ones. */
static void fill_getopt(struct option longs[ROWS_MAX + 3], char shorts[ROWS_MAX * 2 + 8])
{
	char *s = shorts;
	unsigned int n = 0;

	*s++ = ':'; /* tells a missing argument from an unknown option; no permutation is lost */
	for (unsigned int i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->flag)
			continue;
		longs[n++] = (struct option){ row->flag, row->arg ? required_argument : no_argument,
					      NULL, 256 + (int)i };
		if (row->letter) {
			*s++ = row->letter;
			if (row->arg)
				*s++ = ':';
		}
	}
	longs[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[n++] = (struct option){ "version", no_argument, NULL, 'V' };
	longs[n] = (struct option){ 0 };
	memcpy(s, "hV", sizeof("hV"));
}

static int set_from_argv(struct parse *parse, int found)
{
	unsigned int row = (unsigned int)found - 256;

	for (unsigned int i = 0; found < 256 && i < option_row_count; i++)
		if (option_rows[i].letter == found)
			row = i;
	const struct option_row *r = &option_rows[row];
	char name[64];

	snprintf(name, sizeof(name), "--%s", r->flag);
	if (!(r->on & (1u << parse->options->command))) {
		buf__printf(parse->why, "%s does not go with %s; leave it out", name,
			    parse->options->command == COMMAND_RUN ?
				    "tracing without record" :
				    command_names[parse->options->command]);
		return -EINVAL;
	}
	if (parse->set_by[row] == SOURCE_ARGV && !r->list && r->arg) {
		buf__printf(parse->why, "%s is given twice; remove one", name);
		return -EINVAL;
	}
	return set_value(parse, row,
			 (struct option_input){ name, optarg ? optarg : "true", SOURCE_ARGV,
						parse->env });
}

static int positional(struct parse *parse, int argc, char **argv)
{
	struct options *options = parse->options;

	for (int i = optind; i < argc; i++) {
		if (options->command == COMMAND_REPLAY && !options->input) {
			options->input = argv[i];
			continue;
		}
		buf__printf(parse->why, "unexpected argument '%s'; ", argv[i]);
		if (options->command <= COMMAND_RECORD)
			buf__printf(parse->why,
				    "a process goes with --pid, a program to start after --");
		else
			buf__printf(parse->why, "leave it out");
		return -EINVAL;
	}
	return 0;
}

static int read_argv(struct parse *parse, int argc, char **argv)
{
	struct option longs[ROWS_MAX + 3];
	char shorts[ROWS_MAX * 2 + 8];
	int found, err = 0;

	fill_getopt(longs, shorts);
	opterr = 0;
	optind = 0; /* glibc: forget an earlier parse */
	while (!err && (found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (found == 'h' || found == 'V') {
			parse->options->command = found == 'h' ? COMMAND_HELP : COMMAND_VERSION;
			return 0;
		} else if (found == ':') {
			buf__printf(parse->why, "%s needs a value; spanprobe --help shows which",
				    argv[optind - 1]);
			err = -EINVAL;
		} else if (found == '?' && optopt >= 256) {
			buf__printf(parse->why, "--%s takes no value; leave it out",
				    option_rows[optopt - 256].flag);
			err = -EINVAL;
		} else if (found == '?' && optopt) {
			char letter[3] = { '-', (char)optopt, 0 };

			err = usage(parse, letter);
		} else if (found == '?') {
			err = usage(parse, argv[optind - 1]);
		} else {
			err = set_from_argv(parse, found);
		}
	}
	return err ? err : positional(parse, argc, argv);
}

/* --- all together ----------------------------------------------------------------------- */

static int check(struct parse *parse)
{
	struct options *options = parse->options;
	bool selects = options->command <= COMMAND_RECORD;

	if (options->command == COMMAND_RECORD && !options->output) {
		buf__puts(parse->why, "record needs --output FILE (-o FILE) to write to");
		return -EINVAL;
	}
	if (options->command == COMMAND_REPLAY && !options->input) {
		buf__puts(parse->why, "replay needs the recording: spanprobe replay RUN.spr");
		return -EINVAL;
	}
	if (options->spawn && (!selects || !*options->spawn)) {
		buf__printf(parse->why, "-- %s",
			    selects ? "names no program; write -- COMMAND ARG..." :
				      "COMMAND goes with tracing and record only; leave it out");
		return -EINVAL;
	}
	if (selects && !options->pids.count && !options->exe.count && !options->ports.count &&
	    !options->spawn) {
		buf__puts(parse->why, "nothing to trace; give --pid PID, --exe GLOB, --port PORT "
				      "or -- COMMAND");
		return -EINVAL;
	}
	if (options->batch_spans > options->queue_spans)
		options->batch_spans = options->queue_spans;
	return 0;
}

static void set_defaults(struct options *options)
{
	memset(options, 0, sizeof(*options));
	options->log_level = LOG_INFO;
	options->sampler = (struct sampler){ .parent_based = true, .root = SAMPLER_ALWAYS_ON };
	options->otlp.url = "http://localhost:4318";
	options->otlp.timeout_ms = 10000;
	options->bsp_timeout_ms = 30000;
	options->batch_delay_ns = NSEC_PER_SEC;
	options->batch_spans = 512;
	options->queue_spans = 8192;
}

static int default_exports(struct options *options)
{
	const char **items = options_grow(options, NULL, 0, sizeof(*items));

	if (!items)
		return -ENOMEM;
	/* a recording is made without export unless one is asked for */
	items[0] = options->disabled || options->command == COMMAND_RECORD ? "none" : "otlp";
	options->exports.items = items;
	options->exports.count = 1;
	return 0;
}

int options__parse(int argc, char **argv, option_env env, struct options *ret, struct buf *why,
		   struct buf *warnings)
{
	struct parse parse = { .options = ret, .env = env, .why = why, .warnings = warnings };
	struct yaml_sink sink = { set_from_file, key_has_pairs, &parse };
	int words = argc, err;

	_Static_assert(ROWS_MAX > 40, "room for every row");
	set_defaults(ret);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			ret->spawn = argv + i + 1;
			words = i;
			break;
		}
	}
	if (words > 1 && argv[1][0] != '-') {
		while (ret->command < COMMAND_COUNT &&
		       strcmp(argv[1], command_names[ret->command]) != 0)
			ret->command++;
		if (ret->command == COMMAND_COUNT)
			ret->command = COMMAND_RUN; /* positional() explains */
		else
			argv++, words--;
	}
	err = read_argv(&parse, words, argv);
	if (err || ret->command == COMMAND_HELP || ret->command == COMMAND_VERSION)
		return err;
	err = read_environment(&parse);
	if (!err && ret->config)
		err = options_yaml__read(ret->config, &sink, why);
	if (!err && (ret->disabled || !ret->exports.count))
		err = default_exports(ret);
	return err ? err : check(&parse);
}

void options__each(void (*each)(void *ctx, const char *flag, const char *arg, const char *env,
				const char *otel, const char *key),
		   void *ctx)
{
	for (unsigned int i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		for (int k = 0; k == 0 || (k < 2 && row->otel[k]); k++)
			each(ctx, row->flag, row->arg, row->env, row->otel[k], row->key);
	}
}

/* --- what the units take ---------------------------------------------------------------- */

struct discover_opts options__discover(const struct options *options)
{
	return (struct discover_opts){
		.exe_globs = options->exe.items,
		.exe_count = options->exe.count,
		.ports = options->ports.items,
		.port_count = options->ports.count,
		.service_name = options->service_name,
		.resource_attributes = options->resource_attributes,
	};
}

struct export_opts options__export(const struct options *options)
{
	struct export_opts opts = {
		.queue_spans = options->queue_spans,
		.batch_spans = options->batch_spans,
		.delay_ns = options->batch_delay_ns,
		.otlp = options->otlp,
	};
	uint64_t bound = options->bsp_timeout_ms;

	/* 0 is no limit for each of the two */
	if (bound && (!opts.otlp.timeout_ms || bound < opts.otlp.timeout_ms))
		opts.otlp.timeout_ms = bound;
	return opts;
}

struct describe_opts options__describe(const struct options *options)
{
	return (struct describe_opts){
		.request_headers = options->request_headers.items,
		.request_header_count = options->request_headers.count,
		.response_headers = options->response_headers.items,
		.response_header_count = options->response_headers.count,
		.known_methods = options->known_methods.count ? options->known_methods.items : NULL,
		.known_method_count = options->known_methods.count,
	};
}

bool options__waits(const struct options *options)
{
	return options->exe.count || options->ports.count;
}
