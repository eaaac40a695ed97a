// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent.h"
#include "doctor.h"
#include "options.h"
#include "replay.h"

static int help(const struct options *options)
{
	struct buf out = { 0 };

	options__help(&out);
	fwrite(out.p, 1, out.n, stdout);
	buf__release(&out);
	return EXIT_DONE;
}

static int version(const struct options *options)
{
	puts("spanprobe " SPANPROBE_VERSION);
	return EXIT_DONE;
}

static int (*const commands[COMMAND_COUNT])(const struct options *) = {
	[COMMAND_RUN] = agent__run,	[COMMAND_RECORD] = agent__run,
	[COMMAND_REPLAY] = replay__run, [COMMAND_DOCTOR] = doctor__run,
	[COMMAND_VERSION] = version,	[COMMAND_HELP] = help,
};

/* One log line for each line of warnings. */
static void warn(struct buf *warnings)
{
	for (struct slice rest = slice(warnings->p, warnings->n); rest.n;) {
		const char *end = memchr(rest.p, '\n', rest.n);

		log_warn("%.*s", (int)(end - rest.p), rest.p);
		rest = slice_from(rest, (size_t)(end - rest.p) + 1);
	}
}

int main(int argc, char **argv)
{
	struct buf why = { 0 }, warnings = { 0 };
	struct options options;
	int code = EXIT_USAGE;

	signal(SIGPIPE, SIG_IGN); /* a receiver that hangs up is an outcome, not an end */
	int err = options__parse(argc, argv, getenv, &options, &why, &warnings);

	log_level = options.log_level;
	warn(&warnings);
	if (err)
		log_error("%.*s", (int)why.n, why.n ? why.p : "out of memory");
	else
		code = commands[options.command](&options);
	options__release(&options);
	buf__release(&why);
	buf__release(&warnings);
	return code;
}
