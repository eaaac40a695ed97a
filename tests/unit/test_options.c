// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "options.h"

/* --- an environment and a command line of the test's own --------------------------------- */

static const char *const *environment;

static char *env(const char *name)
{
	size_t n = strlen(name);

	for (int i = 0; environment && environment[i]; i++)
		if (strncmp(environment[i], name, n) == 0 && environment[i][n] == '=')
			return (char *)(uintptr_t)environment[i] + n + 1;
	return NULL;
}

struct given {
	struct options options;
	struct buf why, warnings;
	int err;
};

static struct given parse(const char *const *variables, char *const *argv)
{
	struct given given = { .err = 0 };
	int argc = 0;

	while (argv[argc])
		argc++;
	environment = variables;
	given.err = options__parse(argc, (char **)(uintptr_t)argv, env, &given.options, &given.why,
				   &given.warnings);
	buf__append(&given.why, "", 1);
	buf__append(&given.warnings, "", 1);
	return given;
}

#define ARGV(...) ((char *[]){ (char *)"spanprobe", __VA_ARGS__ __VA_OPT__(, ) NULL })
#define ENVP(...) ((const char *[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define S(text)	  ((char *)(uintptr_t)(text))

static void done(struct given *given)
{
	options__release(&given->options);
	buf__release(&given->why);
	buf__release(&given->warnings);
}

static void refused(char *const *argv, const char *reason)
{
	struct given g = parse(NULL, argv);

	assert_int_equal(g.err, -EINVAL);
	if (!strstr(g.why.p, reason))
		fail_msg("'%s' does not contain '%s'", g.why.p, reason);
	done(&g);
}

static char *write_file(const char *text)
{
	static char path[] = "/tmp/test_options.XXXXXX";
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

/* --- tests ------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	struct given g = parse(NULL, ARGV(S("--pid"), S("12")));

	assert_int_equal(g.err, 0);
	assert_int_equal(g.options.command, COMMAND_RUN);
	assert_int_equal(g.options.pids.count, 1);
	assert_int_equal(g.options.pids.items[0], 12);
	assert_int_equal(g.options.exports.count, 1);
	assert_string_equal(g.options.exports.items[0], "otlp");
	assert_string_equal(g.options.otlp.url, "http://localhost:4318");
	assert_int_equal(g.options.otlp.timeout_ms, 10000);
	assert_int_equal(g.options.batch_spans, 512);
	assert_int_equal(g.options.batch_delay_ns, NSEC_PER_SEC);
	assert_true(g.options.sampler.parent_based);
	assert_int_equal(g.options.log_level, LOG_INFO);
	assert_int_equal(g.warnings.n, 1);
	done(&g);
}

static void test_every_selection(void **state)
{
	struct given g = parse(NULL, ARGV(S("-p"), S("12,13"), S("--pid=14"), S("--exe"),
					  S("*/a,b"), S("--port"), S("80,8080-8090"), S("-f"),
					  S("--duration"), S("90s"), S("--stats"), S("500ms"),
					  S("-n"), S("--"), S("ls"), S("--pid"), S("x")));

	assert_int_equal(g.err, 0);
	assert_int_equal(g.options.pids.count, 3);
	assert_int_equal(g.options.pids.items[2], 14);
	assert_int_equal(g.options.exe.count, 1); /* a glob may hold a comma */
	assert_string_equal(g.options.exe.items[0], "*/a,b");
	assert_int_equal(g.options.ports.count, 2);
	assert_int_equal(g.options.ports.items[0].last, 80);
	assert_int_equal(g.options.ports.items[1].first, 8080);
	assert_int_equal(g.options.ports.items[1].last, 8090);
	assert_true(g.options.follow_children);
	assert_true(g.options.dry_run);
	assert_true(options__waits(&g.options));
	assert_int_equal(g.options.duration_ns, 90 * NSEC_PER_SEC);
	assert_int_equal(g.options.stats_ns, 500 * NSEC_PER_MSEC);
	assert_string_equal(g.options.spawn[0], "ls");
	assert_string_equal(g.options.spawn[2], "x");
	done(&g);
}

static void test_precedence(void **state)
{
	char *path = write_file("service_name: file\nbatch_size: 5\nqueue_size: 70\npid: [7, 8]\n"
				"sampler: always_off\n");
	const char *const *vars = ENVP("OTEL_SERVICE_NAME=otel", "SPANPROBE_SERVICE_NAME=env",
				       "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=6", "SPANPROBE_PID=9");
	struct given g = parse(vars, ARGV(S("-c"), path, S("--pid"), S("1"), S("--service-name"),
					  S("argv")));

	assert_int_equal(g.err, 0);
	assert_string_equal(g.options.service_name, "argv");
	assert_int_equal(g.options.pids.count, 1); /* lists do not mix sources */
	assert_int_equal(g.options.pids.items[0], 1);
	assert_int_equal(g.options.batch_spans, 6);
	assert_int_equal(g.options.queue_spans, 70);
	assert_int_equal(g.options.sampler.root, SAMPLER_ALWAYS_OFF);
	done(&g);

	g = parse(vars, ARGV(S("--config"), path));
	assert_string_equal(g.options.service_name, "env");
	assert_int_equal(g.options.pids.count, 1);
	assert_int_equal(g.options.pids.items[0], 9);
	done(&g);

	g = parse(ENVP("OTEL_SERVICE_NAME=otel"), ARGV(S("--config"), path));
	assert_string_equal(g.options.service_name, "otel");
	assert_int_equal(g.options.pids.count, 2);
	done(&g);
	unlink(path);
}

static void test_otel_variables(void **state)
{
	struct given g = parse(
		ENVP("OTEL_TRACES_EXPORTER=console, otlp",
		     "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1/base",
		     "OTEL_EXPORTER_OTLP_HEADERS=a=1,b=2%2C3",
		     "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=GZIP",
		     "OTEL_EXPORTER_OTLP_COMPRESSION=none", "OTEL_EXPORTER_OTLP_TIMEOUT=2500",
		     "OTEL_BSP_EXPORT_TIMEOUT=0", "OTEL_BSP_SCHEDULE_DELAY=200",
		     "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=x%3Dy",
		     "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25",
		     "OTEL_LOG_LEVEL=DEBUG", "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS=GET,PURGE"),
		ARGV(S("--pid"), S("1")));

	assert_int_equal(g.err, 0);
	assert_string_equal(g.warnings.p, "");
	assert_int_equal(g.options.exports.count, 2);
	assert_string_equal(g.options.exports.items[1], "otlp");
	assert_string_equal(g.options.otlp.url, "http://a:1/base");
	assert_false(g.options.otlp.url_verbatim);
	assert_string_equal(g.options.otlp.headers, "a=1,b=2%2C3");
	assert_true(g.options.otlp.gzip);
	assert_int_equal(options__export(&g.options).otlp.timeout_ms, 2500);
	assert_int_equal(g.options.batch_delay_ns, 200 * NSEC_PER_MSEC);
	assert_true(g.options.sampler.root == SAMPLER_RATIO && g.options.sampler.ratio == 0.25);
	assert_int_equal(g.options.log_level, LOG_DEBUG);
	assert_int_equal(options__describe(&g.options).known_method_count, 2);
	done(&g);

	g = parse(ENVP("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1",
		       "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://b:2/x", "OTEL_SDK_DISABLED=TRUE"),
		  ARGV(S("-p1")));
	assert_string_equal(g.options.otlp.url, "http://b:2/x");
	assert_true(g.options.otlp.url_verbatim);
	assert_int_equal(g.options.exports.count, 1);
	assert_string_equal(g.options.exports.items[0], "none");
	done(&g);
}

static void test_bad_variables_are_warned_about(void **state)
{
	struct given g = parse(ENVP("OTEL_TRACES_EXPORTER=zipkin,console",
				    "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318",
				    "OTEL_EXPORTER_OTLP_TIMEOUT=-3", "OTEL_BSP_MAX_QUEUE_SIZE=many",
				    "OTEL_TRACES_SAMPLER=jaeger_remote", "OTEL_LOG_LEVEL=loud",
				    "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_SDK_DISABLED=1",
				    "OTEL_RESOURCE_ATTRIBUTES=nonsense", "OTEL_SERVICE_NAME="),
			       ARGV(S("--pid"), S("1")));

	assert_int_equal(g.err, 0);
	static const char *const named[] = { "zipkin",	   "ENDPOINT",	   "TIMEOUT",
					     "QUEUE_SIZE", "SAMPLER",	   "LOG_LEVEL",
					     "PROTOCOL",   "SDK_DISABLED", "RESOURCE_ATTRIBUTES" };
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++)
		if (!strstr(g.warnings.p, named[i]))
			fail_msg("no warning names %s", named[i]);
	assert_int_equal(g.options.exports.count, 1);
	assert_string_equal(g.options.exports.items[0], "console");
	assert_string_equal(g.options.otlp.url, "http://localhost:4318");
	assert_int_equal(g.options.otlp.timeout_ms, 10000);
	assert_int_equal(g.options.queue_spans, 8192);
	assert_false(g.options.disabled);
	assert_null(g.options.service_name);
	assert_null(g.options.resource_attributes);
	done(&g);

	g = parse(ENVP("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=7"),
		  ARGV(S("-p1")));
	assert_true(g.options.sampler.root == SAMPLER_RATIO && g.options.sampler.ratio == 1.0);
	done(&g);
}

static void test_usage_errors(void **state)
{
	refused(ARGV(), "nothing to trace");
	refused(ARGV(S("--pid"), S("abc")), "--pid 'abc' is not a process id");
	refused(ARGV(S("--pid"), S("0")), "--pid");
	refused(ARGV(S("--pid"), S("-1")), "--pid");
	refused(ARGV(S("--pid"), S("99999999999999999999")), "--pid");
	refused(ARGV(S("--pid"), S("")), "--pid");
	refused(ARGV(S("--pid")), "--pid needs a value");
	refused(ARGV(S("-p")), "-p needs a value");
	refused(ARGV(S("--pidd"), S("1")), "did you mean --pid?");
	refused(ARGV(S("--exprot=none")), "did you mean --export?");
	refused(ARGV(S("-z")), "-z: no such option");
	refused(ARGV(S("--follow-children=1")), "takes no value");
	refused(ARGV(S("-p1"), S("--port"), S("90-80")), "--port");
	refused(ARGV(S("-p1"), S("--port"), S("65536")), "--port");
	refused(ARGV(S("-p1"), S("--export"), S("otlp=collector:4318")),
		"--export 'otlp=collector:4318' is a URL without a scheme; write "
		"http://collector:4318");
	refused(ARGV(S("-p1"), S("--export"), S("otlp=ftp://x")), "scheme");
	refused(ARGV(S("-p1"), S("--export"), S("file=")), "names no file");
	refused(ARGV(S("-p1"), S("--export"), S("zipkin")), "not an exporter");
	refused(ARGV(S("-p1"), S("--duration"), S("5 days")), "not a time");
	refused(ARGV(S("-p1"), S("--duration"), S("0")), "no time at all");
	refused(ARGV(S("-p1"), S("--stats"), S("5"), S("--stats"), S("6")), "twice");
	refused(ARGV(S("-p1"), S("--sampler"), S("traceidratio=2")), "ratio");
	refused(ARGV(S("-p1"), S("--sampler"), S("sometimes")), "not a sampler");
	refused(ARGV(S("-p1"), S("--log-level"), S("loud")), "--log-level");
	refused(ARGV(S("-p1"), S("--compression"), S("zstd")), "gzip");
	refused(ARGV(S("-p1"), S("--request-header"), S("a b")), "--request-header");
	refused(ARGV(S("-p1"), S("--tls-ca"), S("/nonexistent")), "cannot be read");
	refused(ARGV(S("-p1"), S("--resource-attributes"), S("x")), "k=v");
	refused(ARGV(S("-p1"), S("--otlp-headers"), S("=x")), "k=v");
	refused(ARGV(S("-p1"), S("1234")), "a process goes with --pid");
	refused(ARGV(S("-p1"), S("--")), "names no program");
	refused(ARGV(S("-p1"), S("-o"), S("x")), "--output does not go with");
	refused(ARGV(S("record"), S("-p1")), "record needs --output");
	refused(ARGV(S("replay")), "replay needs");
	refused(ARGV(S("replay"), S("a"), S("b")), "unexpected argument 'b'");
	refused(ARGV(S("replay"), S("a"), S("-p1")), "--pid does not go with replay");
	refused(ARGV(S("replay"), S("a"), S("--"), S("ls")), "COMMAND");
	refused(ARGV(S("-p1"), S("--config"), S("/nonexistent")), "/nonexistent: No such file");
}

static void test_commands(void **state)
{
	struct given g = parse(NULL, ARGV(S("replay"), S("-e"), S("console"), S("run.spr")));

	assert_int_equal(g.err, 0);
	assert_int_equal(g.options.command, COMMAND_REPLAY);
	assert_string_equal(g.options.input, "run.spr");
	done(&g);
	g = parse(NULL, ARGV(S("record"), S("-o"), S("x.spr"), S("-p1")));
	assert_int_equal(g.err, 0);
	assert_string_equal(g.options.output, "x.spr");
	assert_string_equal(g.options.exports.items[0], "none");
	done(&g);
	g = parse(NULL, ARGV(S("doctor")));
	assert_int_equal(g.err, 0);
	done(&g);
	g = parse(NULL, ARGV(S("--bad"), S("--help")));
	assert_int_equal(g.err, -EINVAL);
	done(&g);
	g = parse(NULL, ARGV(S("-h")));
	assert_int_equal(g.options.command, COMMAND_HELP);
	done(&g);
	g = parse(NULL, ARGV(S("--version")));
	assert_int_equal(g.options.command, COMMAND_VERSION);
	done(&g);
}

static void bad_file(const char *text, const char *place, const char *reason)
{
	char *path = write_file(text), expected[128];

	snprintf(expected, sizeof(expected), "%s:%s: ", path, place);
	refused(ARGV(S("--config"), path), expected);
	refused(ARGV(S("--config"), path), reason);
	unlink(path);
}

static void test_files(void **state)
{
	char *path = write_file("# comment\npid: 5\nfollow_children: yes\nexport:\n  - console\n"
				"  - file=/tmp/x,y\nport: 80-81, 90\n"
				"resource_attributes:\n  a.b: c=d\n  e: \"1,2\"\n"
				"service_name:\nrequest_header: [X-A, X-B]\n");
	struct given g = parse(NULL, ARGV(S("-c"), path));

	assert_string_equal(g.why.p, "");
	assert_int_equal(g.err, 0);
	assert_int_equal(g.options.pids.items[0], 5);
	assert_true(g.options.follow_children);
	assert_int_equal(g.options.exports.count, 2);
	assert_string_equal(g.options.exports.items[1], "file=/tmp/x,y");
	assert_int_equal(g.options.ports.count, 2);
	assert_string_equal(g.options.resource_attributes, "a.b=c%3Dd,e=1%2C2");
	assert_null(g.options.service_name);
	assert_int_equal(g.options.request_headers.count, 2);
	assert_true(slice_eq(g.options.request_headers.items[0], SLICE("x-a")));
	done(&g);
	/* a command takes what it can use and leaves the rest */
	g = parse(NULL, ARGV(S("replay"), S("x"), S("-c"), path));
	assert_int_equal(g.err, 0);
	assert_int_equal(g.options.pids.count, 0);
	done(&g);
	unlink(path);
	path = write_file("# nothing but this\n");
	g = parse(NULL, ARGV(S("-c"), path, S("-p1")));
	assert_int_equal(g.err, 0);
	done(&g);
	unlink(path);

	bad_file("pid: 1\nsrvice_name: x\n", "2:1", "did you mean 'service_name'?");
	bad_file("pid: 1\nqwertyuiop: x\n", "2:1", "no such key");
	bad_file("pid: [1, x]\n", "1:10", "not a process id");
	bad_file("pid: 1\n\tx: 2\n", "2:1", "not YAML");
	bad_file("- pid\n", "1:1", "KEY: VALUE");
	bad_file("pid:\n  a: 1\n", "2:3", "value or a list");
	bad_file("pid: 1\nstats: 5s\nstats: 6s\n", "3:1", "twice");
	bad_file("follow_children: maybe\npid: 1\n", "1:1", "neither true nor false");
	bad_file("export: [[console]]\n", "1:10", "plain values");
	bad_file("pid: \"\\xff", "1:11", "not YAML");
}

static void test_example(void **state)
{
	struct given g = parse(NULL, ARGV(S("-c"), S("packaging/spanprobe.yaml")));

	assert_string_equal(g.why.p, "");
	assert_int_equal(g.err, 0);
	assert_int_equal(g.options.exe.count, 1);
	assert_int_equal(g.options.ports.count, 2);
	assert_string_equal(g.options.resource_attributes,
			    "deployment.environment.name=production");
	done(&g);
}

static void test_help_fits_a_screen(void **state)
{
	struct buf out = { 0 };
	int lines = 0;

	options__help(&out);
	for (struct slice rest = slice(out.p, out.n); rest.n; lines++) {
		const char *end = memchr(rest.p, '\n', rest.n);

		assert_non_null(end);
		if (end - rest.p > 80)
			fail_msg("too wide: %.*s", (int)(end - rest.p), rest.p);
		rest = slice_from(rest, (size_t)(end - rest.p) + 1);
	}
	assert_in_range(lines, 20, 40);
	buf__release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_selection),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_otel_variables),
		cmocka_unit_test(test_bad_variables_are_warned_about),
		cmocka_unit_test(test_usage_errors),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_help_fits_a_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
