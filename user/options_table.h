/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Inside options only: the rows of the table, and reading the configuration file. */
#ifndef SPANPROBE_OPTIONS_TABLE_H
#define SPANPROBE_OPTIONS_TABLE_H

#include "options.h"

/* strongest first */
enum option_source { SOURCE_NONE, SOURCE_ARGV, SOURCE_ENV, SOURCE_OTEL, SOURCE_FILE };

struct option_input {
	const char *name; /* of the flag, variable or key it came by */
	const char *value;
	enum option_source source;
	option_env env;
};

#define ON(command) (1u << COMMAND_##command)
#define SELECTS	    (ON(RUN) | ON(RECORD))
#define EXPORTS	    (ON(RUN) | ON(RECORD) | ON(REPLAY))
#define EVERYWHERE  (SELECTS | EXPORTS | ON(DOCTOR))

struct option_row {
	const char *flag;    /* without "--"; NULL: no flag */
	char letter;	     /* -o; 0: none */
	const char *arg;     /* "PID"; NULL: a switch */
	const char *env;     /* SPANPROBE_*; NULL: none */
	const char *otel[2]; /* OTEL_*, the stronger first */
	const char *key;     /* of the file; NULL: none */
	unsigned int on;     /* commands that take it */
	bool list;	  /* given several times it adds up; commas separate in the environment */
	bool commas;	  /* ... and elsewhere */
	bool pairs;	  /* k=v,...: the file may give a mapping */
	const char *help; /* with its default; NULL: not in --help, the manual has it */
	/* 0, or -EINVAL with reason and next step in why and *field untouched, or -ENOMEM */
	int (*parse)(struct options *options, void *field, const struct option_input *input,
		     struct buf *why);
	size_t field; /* offset in struct options */
};

extern const struct option_row option_rows[];
extern const unsigned int option_row_count;

/* A copy that lives as long as options; NULL without memory. */
char *options_copy(struct options *options, const char *p, size_t n);
/* The flag or key that is spelled most like name; NULL: none is near. options_help.c */
const char *option_nearest(const char *name, bool keys);

/* Items grown by one; the new last one is zeroed. NULL without memory. */
void *options_grow(struct options *options, void *items, uint32_t count, size_t size);

/* options_values.c */
#define OPTION_PARSER(name)                                                                        \
	int option_parse_##name(struct options *options, void *field,                              \
				const struct option_input *input, struct buf *why)
OPTION_PARSER(text);
OPTION_PARSER(item);
OPTION_PARSER(pid);
OPTION_PARSER(port);
OPTION_PARSER(switch);
OPTION_PARSER(export);
OPTION_PARSER(endpoint);
OPTION_PARSER(protocol);
OPTION_PARSER(attributes);
OPTION_PARSER(pairs);
OPTION_PARSER(duration);
OPTION_PARSER(timeout_ms);
OPTION_PARSER(count);
OPTION_PARSER(log_level);
OPTION_PARSER(sampler);
OPTION_PARSER(header);
OPTION_PARSER(method);
OPTION_PARSER(compression);
OPTION_PARSER(pem);
#undef OPTION_PARSER

/* Hands every key and value to set(ctx, key, value, where), where = "FILE:LINE:COLUMN". pairs(key):
 * may the key hold a mapping? 0, set's first error, or -EINVAL with why. */
struct yaml_sink {
	int (*set)(void *ctx, const char *key, const char *value, const char *where);
	bool (*pairs)(const char *key);
	void *ctx;
};
int options_yaml__read(const char *path, const struct yaml_sink *sink, struct buf *why);

#endif
