/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * options: what the user wants. One table (options_table.c) gives each option its flag, its
 * environment keys, its key in the configuration file, parser, default and help text.
 *
 * The command line beats SPANPROBE_*, that beats OTEL_*, that beats the file, that beats the
 * default; a list is taken whole from the strongest source that has it. A bad value on the command
 * line or in the file is an error; in the environment it is a warning, and the next source counts.
 */
#ifndef SPANPROBE_OPTIONS_H
#define SPANPROBE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "discover.h"
#include "export.h"
#include "sample.h"

enum command {
	COMMAND_RUN,
	COMMAND_RECORD,
	COMMAND_REPLAY,
	COMMAND_DOCTOR,
	COMMAND_VERSION,
	COMMAND_HELP,
	COMMAND_COUNT
};

/* What the process ends with; a started COMMAND's own code goes through. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* at run time */
	EXIT_USAGE = 2,
	EXIT_RIGHTS = 3,
	EXIT_KERNEL = 4, /* it lacks a needed ability */
	EXIT_NO_PROCESS = 5
};

struct pid_list {
	uint32_t *items;
	uint32_t count;
};

struct port_list {
	struct port_range *items;
	uint32_t count;
};

struct string_list {
	const char **items;
	uint32_t count;
};

struct slice_list {
	struct slice *items;
	uint32_t count;
};

struct options {
	enum command command;
	struct pid_list pids;
	struct string_list exe;
	struct port_list ports;
	bool follow_children;
	char **spawn; /* -- COMMAND ARG..., NULL-terminated, borrowed from argv; NULL: none */
	struct string_list exports;
	const char *service_name;
	const char *resource_attributes;
	const char *hooks;
	const char *config;
	const char *output;   /* record -o */
	const char *input;    /* replay */
	uint64_t duration_ns; /* 0: until stopped */
	uint64_t stats_ns;    /* 0: at the end only */
	enum log_level log_level;
	bool dry_run;
	struct sampler sampler;
	struct slice_list request_headers, response_headers, known_methods;
	struct otlp_opts otlp;
	uint64_t bsp_timeout_ms; /* of one export; bounds otlp.timeout_ms */
	uint64_t batch_delay_ns;
	uint32_t batch_spans;
	uint32_t queue_spans;
	bool disabled; /* OTEL_SDK_DISABLED: nothing is exported */
	void **owned;  /* every string and array above */
	uint32_t owned_count;
};

typedef char *(*option_env)(const char *name); /* getenv, or a test's own */

/*
 * Fills *ret (release it also after an error). 0; -EINVAL: usage, why says option or file, reason
 * and next step; -ENOMEM. warnings: lines about values of the environment that were ignored.
 */
int options__parse(int argc, char **argv, option_env env, struct options *ret, struct buf *why,
		   struct buf *warnings);
void options__release(struct options *options);

void options__help(struct buf *out);
/* Calls each(ctx, flag, argument or NULL, environment key or NULL, OTEL_* key or NULL, file key or
 * NULL) for every row of the table: the tests of man page and completion. flag may be NULL. */
void options__each(void (*each)(void *ctx, const char *flag, const char *arg, const char *env,
				const char *otel, const char *key),
		   void *ctx);

struct discover_opts options__discover(const struct options *options); /* borrows */
struct export_opts options__export(const struct options *options);     /* borrows */
struct describe_opts options__describe(const struct options *options); /* borrows */
bool options__waits(const struct options *options); /* --exe or --port: more may come */

#endif
