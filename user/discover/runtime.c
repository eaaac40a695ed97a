// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "discover/runtime.h"

/* More than the other files of /proc: one line per mapping, and the library may be late. */
#define MAPS_MAX (512u << 10)

struct runtime_form {
	enum runtime runtime;
	const char *exe;     /* name of the executable, which a version may follow */
	const char *library; /* mapped into a program that embeds it */
	const char *product;
	const char *env; /* set by the official container images */
};

static const struct runtime_form forms[] = {
	{ RUNTIME_NGINX, "nginx", NULL, NULL, NULL },
	{ RUNTIME_PYTHON, "python", "libpython", "cpython", "PYTHON_VERSION" },
	{ RUNTIME_NODE, "node", "libnode.so", "nodejs", "NODE_VERSION" },
	{ RUNTIME_NODE, "nodejs", NULL, "nodejs", "NODE_VERSION" },
	{ RUNTIME_JAVA, "java", "libjvm.so", "java", NULL },
	{ RUNTIME_RUBY, "ruby", "libruby", "ruby", "RUBY_VERSION" },
	{ RUNTIME_PHP, "php", "libphp", "php", "PHP_VERSION" },
	{ RUNTIME_PHP, "php-fpm", NULL, "php", "PHP_VERSION" },
	{ RUNTIME_PHP, "php-cgi", NULL, "php", "PHP_VERSION" },
	{ RUNTIME_DOTNET, "dotnet", "libcoreclr.so", "dotnet", "DOTNET_VERSION" },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* s up to the first byte that is no part of "3.11.4" */
static struct slice version_run(struct slice s)
{
	size_t n = 0;

	while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || (n && s.p[n] == '.')))
		n++;
	while (n && s.p[n - 1] == '.')
		n--;
	return slice(s.p, n);
}

/* "python", "python3.11", "ruby3.1", "php-fpm8.2": what follows the name is a version only */
static bool exe_is(struct slice name, const char *exe)
{
	struct slice stem = slice_of(exe);

	if (!slice_starts(name, stem))
		return false;
	struct slice rest = slice_from(name, stem.n);

	return version_run(rest).n == rest.n;
}

static enum runtime by_library(uint32_t pid)
{
	enum runtime found = RUNTIME_NATIVE;
	struct buf maps = { 0 };

	proc__read(pid, "maps", &maps, MAPS_MAX);
	struct slice rest = slice(maps.p, maps.n), line;

	while (found == RUNTIME_NATIVE && proc__cut(&rest, '\n', &line)) {
		if (!line.n || !memchr(line.p, '/', line.n))
			continue;
		struct slice file = path__base(line);

		for (size_t i = 0; i < FORMS && found == RUNTIME_NATIVE; i++) {
			if (forms[i].library && slice_starts(file, slice_of(forms[i].library)))
				found = forms[i].runtime;
		}
	}
	buf__release(&maps);
	return found;
}

enum runtime runtime__detect(const struct facts *facts)
{
	struct slice name = facts__exe_name(facts);

	if (facts->elf.is_go)
		return RUNTIME_GO;
	for (size_t i = 0; i < FORMS; i++) {
		if (exe_is(name, forms[i].exe))
			return forms[i].runtime;
	}
	return by_library(facts->pid);
}

const char *runtime__product(enum runtime runtime)
{
	if (runtime == RUNTIME_GO)
		return "go";
	for (size_t i = 0; i < FORMS; i++) {
		if (forms[i].runtime == runtime)
			return forms[i].product;
	}
	return NULL;
}

/* JAVA_HOME/release beside JAVA_HOME/bin/java: JAVA_VERSION="17.0.15" */
static void java_version(const struct facts *facts, struct buf *out)
{
	struct slice home = path__dir(path__dir(slice_of(facts->exe)));
	char path[PROC_PATH_MAX + 16];
	struct buf text = { 0 };

	memcpy(path, home.p, home.n);
	memcpy(path + home.n, "/release", sizeof("/release"));
	if (home.n && proc__read_inside(facts->pid, path, &text, PROC_READ_MAX) == 0) {
		struct slice rest = slice(text.p, text.n), line;
		static const char key[] = "JAVA_VERSION=\"";

		while (proc__cut(&rest, '\n', &line)) {
			if (!slice_starts(line, slice_of(key)))
				continue;
			struct slice version = version_run(slice_from(line, sizeof(key) - 1));

			buf__append(out, version.p, version.n);
			break;
		}
	}
	buf__release(&text);
}

void runtime__version(const struct facts *facts, enum runtime runtime, struct buf *out)
{
	struct slice version = { 0 };

	if (runtime == RUNTIME_GO) {
		buf__puts(out, facts->elf.go_version);
		return;
	}
	if (runtime == RUNTIME_JAVA) {
		java_version(facts, out);
		return;
	}
	for (size_t i = 0; i < FORMS && !version.n; i++) {
		if (forms[i].runtime != runtime || !forms[i].env)
			continue;
		version = version_run(facts__env(facts, forms[i].env));
		struct slice name = facts__exe_name(facts);

		/* "python3.11": less exact, but true */
		if (!version.n && slice_starts(name, slice_of(forms[i].exe)))
			version = version_run(slice_from(name, strlen(forms[i].exe)));
	}
	buf__append(out, version.p, version.n);
}
