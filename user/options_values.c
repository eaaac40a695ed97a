// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Values of options: one parser per kind, named by the rows of options_table.c. */
#include "options_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "resource.h"

#define COUNT_MAX 1000000

int option_parse_text(struct options *options, void *field, const struct option_input *input,
		      struct buf *why)
{
	if (!*input->value) {
		buf__puts(why, "is empty; give a value");
		return -EINVAL;
	}
	char *copy = options_copy(options, input->value, strlen(input->value));

	if (!copy)
		return -ENOMEM;
	*(const char **)field = copy;
	return 0;
}

int option_parse_item(struct options *options, void *field, const struct option_input *input,
		      struct buf *why)
{
	struct string_list *list = field;
	const char *copy;
	int err = option_parse_text(options, &copy, input, why);

	if (err)
		return err;
	const char **items = options_grow(options, list->items, list->count, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] = copy;
	return 0;
}

/* Decimal digits and nothing else, in [min, max]. */
static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);

	if (errno || *end || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

int option_parse_pid(struct options *options, void *field, const struct option_input *input,
		     struct buf *why)
{
	struct pid_list *list = field;
	uint64_t pid;

	if (!parse_number(input->value, 1, PID_LIMIT - 1, &pid)) {
		buf__puts(why, "is not a process id; give the number that pgrep or ps shows");
		return -EINVAL;
	}
	uint32_t *items = options_grow(options, list->items, list->count, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] = (uint32_t)pid;
	return 0;
}

int option_parse_port(struct options *options, void *field, const struct option_input *input,
		      struct buf *why)
{
	struct port_list *list = field;
	char first[8] = "";
	const char *dash = strchr(input->value, '-');
	size_t n = dash ? (size_t)(dash - input->value) : strlen(input->value);
	uint64_t from = 0, to = 0;

	if (n < sizeof(first))
		memcpy(first, input->value, n);
	bool good = parse_number(first, 1, 65535, &from);

	if (good && dash)
		good = parse_number(dash + 1, from, 65535, &to);
	if (!good) {
		buf__puts(why, "is not a port or a rising range of ports; "
			       "give 8080 or 8080-8090, each from 1 to 65535");
		return -EINVAL;
	}
	struct port_range *items = options_grow(options, list->items, list->count, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] =
		(struct port_range){ (uint16_t)from, (uint16_t)(dash ? to : from) };
	return 0;
}

/* The OpenTelemetry rule: only "true" is true, only "false" and nothing are false in silence. */
int option_parse_switch(struct options *options, void *field, const struct option_input *input,
			struct buf *why)
{
	static const char *const yes[] = { "true", "yes", "on" };
	static const char *const no[] = { "false", "no", "off" };
	bool words = input->source == SOURCE_FILE;

	for (int i = 0; i < (words ? 3 : 1); i++) {
		if (strcasecmp(input->value, yes[i]) == 0) {
			*(bool *)field = true;
			return 0;
		}
		if (strcasecmp(input->value, no[i]) == 0) {
			*(bool *)field = false;
			return 0;
		}
	}
	buf__puts(why, "is neither true nor false; write one of them");
	return -EINVAL;
}

static bool has_scheme(const char *url)
{
	return (strncasecmp(url, "http://", 7) == 0 && url[7]) ||
	       (strncasecmp(url, "https://", 8) == 0 && url[8]);
}

static int bad_url(const char *url, struct buf *why)
{
	if (strstr(url, "://"))
		buf__puts(why, "has a scheme other than http:// and https://; OTLP goes over "
			       "these two");
	else
		buf__printf(why, "is a URL without a scheme; write http://%s", url);
	return -EINVAL;
}

int option_parse_export(struct options *options, void *field, const struct option_input *input,
			struct buf *why)
{
	const char *spec = input->value;

	if (strncmp(spec, "otlp=", 5) == 0) {
		if (!has_scheme(spec + 5))
			return bad_url(spec + 5, why);
	} else if (strcmp(spec, "file=") == 0 || strcmp(spec, "file") == 0) {
		buf__puts(why, "names no file; write file=PATH");
		return -EINVAL;
	} else if (strncmp(spec, "file=", 5) != 0 && strcmp(spec, "otlp") != 0 &&
		   strcmp(spec, "console") != 0 && strcmp(spec, "none") != 0) {
		buf__puts(why, "is not an exporter; choose otlp=URL, file=PATH, console or none");
		return -EINVAL;
	}
	return option_parse_item(options, field, input, why);
}

int option_parse_endpoint(struct options *options, void *field, const struct option_input *input,
			  struct buf *why)
{
	if (!has_scheme(input->value))
		return bad_url(input->value, why);
	int err = option_parse_text(options, field, input, why);

	/* the variable of the signal is the whole URL, the general one a base */
	if (!err)
		options->otlp.url_verbatim = strstr(input->name, "_TRACES_") != NULL;
	return err;
}

int option_parse_protocol(struct options *options, void *field, const struct option_input *input,
			  struct buf *why)
{
	if (strcasecmp(input->value, "http/protobuf") == 0)
		return 0;
	buf__puts(why, "is not spoken; http/protobuf is (point it at port 4318)");
	return -EINVAL;
}

int option_parse_attributes(struct options *options, void *field, const struct option_input *input,
			    struct buf *why)
{
	struct resource *trial = resource__new();

	if (!trial)
		return -ENOMEM;
	int err = resource__set_pairs(trial, slice_of(input->value));

	resource__unref(trial);
	if (err == -ENOMEM)
		return err;
	if (err) {
		buf__puts(why, "is not a list k=v,k=v; write commas and equal signs inside a "
			       "value as %2C and %3D");
		return -EINVAL;
	}
	return option_parse_text(options, field, input, why);
}

int option_parse_pairs(struct options *options, void *field, const struct option_input *input,
		       struct buf *why)
{
	const char *p = input->value;

	for (;;) {
		size_t n = strcspn(p, ",");
		const char *equals = memchr(p, '=', n);

		if (n && (!equals || equals == p)) {
			buf__puts(why, "is not a list k=v,k=v; write commas and equal signs "
				       "inside a value as %2C and %3D");
			return -EINVAL;
		}
		if (!p[n])
			break;
		p += n + 1;
	}
	return option_parse_text(options, field, input, why);
}

/* "30s", "500ms", "2m", "1h"; a bare number is seconds, in OTEL_* milliseconds. */
static bool parse_time(const struct option_input *input, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = { { "ms", NSEC_PER_MSEC },
		      { "s", NSEC_PER_SEC },
		      { "m", 60 * NSEC_PER_SEC },
		      { "h", 3600 * NSEC_PER_SEC } };
	char *end;

	if (!isdigit((unsigned char)*input->value))
		return false;
	errno = 0;
	unsigned long long n = strtoull(input->value, &end, 10);

	if (errno || n > 1000000000)
		return false;
	const char *unit = *end ? end : (input->source == SOURCE_OTEL ? "ms" : "s");

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(unit, units[i].unit) == 0) {
			*ret_ns = n * units[i].ns;
			return true;
		}
	}
	return false;
}

static int bad_time(struct buf *why)
{
	buf__puts(why, "is not a time; write 500ms, 30s, 2m or 1h");
	return -EINVAL;
}

int option_parse_duration(struct options *options, void *field, const struct option_input *input,
			  struct buf *why)
{
	uint64_t ns;

	if (!parse_time(input, &ns))
		return bad_time(why);
	if (!ns) {
		buf__puts(why, "is no time at all; give at least 1ms");
		return -EINVAL;
	}
	*(uint64_t *)field = ns;
	return 0;
}

/* 0 is allowed: no limit */
int option_parse_timeout_ms(struct options *options, void *field, const struct option_input *input,
			    struct buf *why)
{
	uint64_t ns;

	if (!parse_time(input, &ns))
		return bad_time(why);
	*(uint64_t *)field = ns / NSEC_PER_MSEC;
	return 0;
}

int option_parse_count(struct options *options, void *field, const struct option_input *input,
		       struct buf *why)
{
	uint64_t n;

	if (!parse_number(input->value, 1, COUNT_MAX, &n)) {
		buf__printf(why, "is not a count; give a number from 1 to %d", COUNT_MAX);
		return -EINVAL;
	}
	*(uint32_t *)field = (uint32_t)n;
	return 0;
}

int option_parse_log_level(struct options *options, void *field, const struct option_input *input,
			   struct buf *why)
{
	int err = log_level__parse(input->value, field);

	if (err)
		buf__puts(why, "is not a log level; choose error, warn, info or debug");
	return err;
}

int option_parse_sampler(struct options *options, void *field, const struct option_input *input,
			 struct buf *why)
{
	char name[64];
	const char *arg = strchr(input->value, '=');
	size_t n = arg ? (size_t)(arg - input->value) : strlen(input->value);

	if (input->source == SOURCE_OTEL) {
		n = strlen(input->value);
		arg = input->env("OTEL_TRACES_SAMPLER_ARG");
	} else if (arg) {
		arg++;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : 0), input->value);
	struct sampler sampler = { 0 };
	int err = sampler__parse(name, arg, &sampler);

	/* the specification: a bad argument is ignored, the sampler stays */
	if (err == -ERANGE && input->source == SOURCE_OTEL)
		err = sampler__parse(name, NULL, &sampler);
	if (err == -ERANGE) {
		buf__puts(why, "has a ratio that is not a number from 0 to 1; "
			       "write traceidratio=0.1");
		return -EINVAL;
	}
	if (err) {
		buf__puts(why, "is not a sampler; choose always_on, always_off, traceidratio=R, "
			       "or one of them as parentbased_...");
		return -EINVAL;
	}
	*(struct sampler *)field = sampler;
	return 0;
}

static int parse_token(struct options *options, void *field, const struct option_input *input,
		       bool lower, struct buf *why)
{
	struct slice_list *list = field;
	size_t n = strlen(input->value);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)input->value[i];

		if (!isalnum(c) && !strchr("!#$%&'*+-.^_`|~", c)) {
			n = 0;
			break;
		}
	}
	if (!n) {
		buf__puts(why, "is not a name that HTTP allows; give letters, digits and -");
		return -EINVAL;
	}
	char *copy = options_copy(options, input->value, n);
	struct slice *items = options_grow(options, list->items, list->count, sizeof(*items));

	if (!copy || !items)
		return -ENOMEM;
	for (size_t i = 0; lower && i < n; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	list->items = items;
	list->items[list->count++] = slice(copy, n);
	return 0;
}

int option_parse_header(struct options *options, void *field, const struct option_input *input,
			struct buf *why)
{
	return parse_token(options, field, input, true, why);
}

int option_parse_method(struct options *options, void *field, const struct option_input *input,
			struct buf *why)
{
	return parse_token(options, field, input, false, why);
}

int option_parse_compression(struct options *options, void *field, const struct option_input *input,
			     struct buf *why)
{
	bool gzip = strcasecmp(input->value, "gzip") == 0;

	if (!gzip && strcasecmp(input->value, "none") != 0) {
		buf__puts(why, "is not a compression; choose gzip or none");
		return -EINVAL;
	}
	*(bool *)field = gzip;
	return 0;
}

int option_parse_pem(struct options *options, void *field, const struct option_input *input,
		     struct buf *why)
{
	if (access(input->value, R_OK) != 0) {
		buf__printf(why, "cannot be read: %s; give a PEM file that %s may read",
			    strerror(errno), geteuid() == 0 ? "root" : "this user");
		return -EINVAL;
	}
	return option_parse_text(options, field, input, why);
}
