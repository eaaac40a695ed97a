// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Each interpreter has its own options; what counts is which of them take the next argument as
 * their value, which mean that there is no script (-c, -e), and where the program's name is then.
 * A name that says nothing ("index", "manage") gives way to the folder it stands in.
 */
#include "discover/script.h"

#include <stdio.h>

#define PACKAGE_LEVELS 3
#define PACKAGE_MAX    (64u << 10)

struct interpreter {
	enum runtime runtime;
	const char *with_value; /* options whose value is the next argument */
	const char *no_script;	/* options after which the program text is in the command line */
	const char *generic;	/* stems that name no program */
	const char *launchers;	/* stems of programs that run an application */
};

static const struct interpreter interpreters[] = {
	{ RUNTIME_PYTHON, "-W -X --check-hash-based-pycs", "-c", "__main__ manage",
	  "gunicorn uvicorn hypercorn daphne granian flask celery waitress-serve waitress" },
	{ RUNTIME_NODE,
	  "-r --require --import --loader --experimental-loader -C --conditions --env-file --title",
	  "-e --eval -p --print -pe", "index main app . ..", "" },
	{ RUNTIME_JAVA,
	  "-cp -classpath --class-path -p --module-path --add-modules --add-exports --add-opens "
	  "--add-reads --limit-modules --upgrade-module-path --patch-module --enable-native-access "
	  "--source",
	  "", "", "" },
	{ RUNTIME_RUBY, "-I -r -C", "-e", "main app",
	  "rails puma unicorn rackup sidekiq thin bundle" },
	{ RUNTIME_PHP, "-c -d -z -t", "-r -S", "index artisan console router", "" },
	{ RUNTIME_DOTNET,
	  "--additionalprobingpath --additional-deps --depsfile --runtimeconfig --fx-version "
	  "--roll-forward",
	  "", "", "" },
};

struct program {
	struct slice name; /* a script, module, jar or class */
	bool is_path;
	uint32_t rest; /* index of the first argument after it */
};

static const struct interpreter *interpreter_of(enum runtime runtime)
{
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++) {
		if (interpreters[i].runtime == runtime)
			return &interpreters[i];
	}
	return NULL;
}

static bool append(struct buf *out, struct slice name)
{
	if (name.n == 0 || slice_eq(name, SLICE(".")) || slice_eq(name, SLICE("..")))
		return false;
	buf__append(out, name.p, name.n);
	return true;
}

/* --- from the command line to the program ------------------------------------------------ */

/* Letters may be joined: "-um pkg", "-mpkg". 1: program found, 0: go on, -1: there is none */
static int python_letters(const struct facts *facts, uint32_t *i, struct program *ret)
{
	struct slice arg = facts->argv[*i];

	for (size_t j = 1; j < arg.n; j++) {
		struct slice value = slice_from(arg, j + 1);

		if (arg.p[j] == 'c')
			return -1;
		if (!strchr("mWX", arg.p[j]))
			continue;
		if (!value.n && ++*i < facts->argc)
			value = facts->argv[*i];
		if (arg.p[j] != 'm')
			return 0;
		*ret = (struct program){ value, false, *i + 1 };
		return value.n ? 1 : -1;
	}
	return 0;
}

static bool java_property(struct slice arg, struct slice *ret)
{
	static const char *const properties[] = { "-Dotel.service.name=",
						  "-Dspring.application.name=" };

	for (size_t i = 0; i < 2; i++) {
		struct slice key = slice_of(properties[i]);

		if (arg.n > key.n && slice_starts(arg, key)) {
			*ret = slice_from(arg, key.n);
			return true;
		}
	}
	return false;
}

/* Options that name the program by themselves. 1, 0, -1 as above */
static int program_option(const struct facts *facts, enum runtime runtime, uint32_t *i,
			  struct program *ret)
{
	struct slice arg = facts->argv[*i], next = { 0 };

	if (*i + 1 < facts->argc)
		next = facts->argv[*i + 1];
	if (runtime == RUNTIME_PYTHON && arg.p[1] != '-')
		return python_letters(facts, i, ret);
	if (runtime == RUNTIME_JAVA) {
		if (java_property(arg, &ret->name))
			return 1;
		if (slice_eq(arg, SLICE("-jar")) && next.n) {
			*ret = (struct program){ path__stem(path__base(next)), false, *i + 2 };
			return 1;
		}
		if (slice__in(arg, "-m --module") && next.n) {
			const char *slash = memchr(next.p, '/', next.n);

			next = slash ? slice_from(next, (size_t)(slash - next.p) + 1) : next;
			*ret = (struct program){ next, false, *i + 2 };
			return 1;
		}
	}
	if (runtime == RUNTIME_PHP && slice_eq(arg, SLICE("-f")) && next.n) {
		*ret = (struct program){ next, true, *i + 2 };
		return 1;
	}
	return 0;
}

static bool find_program(const struct facts *facts, const struct interpreter *in,
			 struct program *ret)
{
	for (uint32_t i = 1; i < facts->argc; i++) {
		struct slice arg = facts->argv[i];

		if (arg.n == 0)
			return false;
		if (slice_eq(arg, SLICE("--")) && i + 1 < facts->argc) {
			*ret = (struct program){ facts->argv[i + 1], true, i + 2 };
			return true;
		}
		if (arg.n < 2 || arg.p[0] != '-') {
			if (in->runtime == RUNTIME_DOTNET && slice_eq(arg, SLICE("exec")))
				continue;
			/* java takes a class, "com.example.Main", or a source file */
			bool is_path =
				in->runtime != RUNTIME_JAVA || memmem(arg.p, arg.n, ".java", 5);

			*ret = (struct program){ arg, is_path, i + 1 };
			return arg.p[0] != '-';
		}
		if (slice__in(arg, in->no_script))
			return false;
		uint32_t at = i;
		int found = program_option(facts, in->runtime, &i, ret);

		if (found)
			return found > 0;
		if (i == at && slice__in(arg, in->with_value))
			i++;
	}
	return false;
}

/* --- from the program to a name ------------------------------------------------------------ */

/* A clean absolute folder: "." and ".." resolved, no end slash; "" is the root or unknown. */
static void absolute_dir(const struct facts *facts, struct slice path, struct buf *out)
{
	struct slice part, rest;
	struct buf whole = { 0 };

	if (!path.n || path.p[0] != '/')
		buf__puts(&whole, facts->cwd);
	buf__puts(&whole, "/");
	buf__append(&whole, path.p, path.n);
	rest = slice(whole.p, whole.n);
	while (proc__cut(&rest, '/', &part)) {
		if (part.n == 0 || slice_eq(part, SLICE(".")))
			continue;
		if (slice_eq(part, SLICE(".."))) {
			out->n = path__dir(slice(out->p, out->n)).n;
			continue;
		}
		buf__puts(out, "/");
		buf__append(out, part.p, part.n);
	}
	buf__release(&whole);
}

static bool name_of_folder(struct slice dir, struct buf *out)
{
	while (dir.n && slice__in(path__base(dir), "dist build out lib src bin target public"))
		dir = path__dir(dir);
	return append(out, path__base(dir));
}

/* The name in the nearest package.json at dir or a few levels above, else the folder's. */
static bool name_of_package(const struct facts *facts, struct slice dir, struct buf *out)
{
	struct buf text = { 0 };
	struct slice at = dir;
	bool found = false;

	for (int i = 0; i < PACKAGE_LEVELS && at.n && !found; i++, at = path__dir(at)) {
		char path[PROC_PATH_MAX];
		int n = snprintf(path, sizeof(path), "%.*s/package.json", (int)at.n, at.p);

		if (n > 0 && (size_t)n < sizeof(path) &&
		    proc__read_inside(facts->pid, path, &text, PACKAGE_MAX) == 0)
			found = package__name(slice(text.p, text.n), out);
	}
	buf__release(&text);
	return found || name_of_folder(dir, out);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* "shop.wsgi:application" -> "shop", "app:app" -> "app"; not "localhost:80", "unix:/run/x" */
static bool name_of_application(struct slice text, struct buf *out)
{
	const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
	size_t n = colon ? (size_t)(colon - text.p) : 0;

	if (!n || n + 1 >= text.n || !is_word(text.p[0]) || !is_word(text.p[n + 1]) ||
	    slice_starts(text, SLICE("unix:")))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_word(text.p[i]) && text.p[i] != '.' &&
		    !(text.p[i] >= '0' && text.p[i] <= '9'))
			return false;
	}
	struct slice module = slice(text.p, n);
	const char *dot = memrchr(module.p, '.', module.n);

	if (dot &&
	    slice__in(slice_from(module, (size_t)(dot - module.p) + 1), "wsgi asgi main app"))
		module.n = (size_t)(dot - module.p);
	return append(out, module);
}

static bool name_of_launched(const struct facts *facts, const struct program *program,
			     struct buf *out)
{
	for (uint32_t i = program->rest; i < facts->argc; i++) {
		struct slice arg = facts->argv[i];
		struct slice value = slice_starts(arg, SLICE("--app=")) ? slice_from(arg, 6) : arg;

		if (slice__in(arg, "-A --app") && i + 1 < facts->argc) {
			value = facts->argv[i + 1];
			return name_of_application(value, out) || append(out, value);
		}
		if (name_of_application(value, out))
			return true;
		if (value.p != arg.p)
			return append(out, value);
	}
	return false;
}

/* A program that has set its title: "gunicorn: worker [shop.wsgi]", "puma 6.4 (tcp://..) [shop]" */
static bool name_of_title(const struct facts *facts, struct buf *out)
{
	struct slice title = facts->argv[0];

	if (title.n < 3 || title.p[title.n - 1] != ']' || !memchr(title.p, ' ', title.n))
		return false;
	const char *open = memrchr(title.p, '[', title.n);

	if (!open)
		return false;
	struct slice inner = slice(open + 1, (size_t)(title.p + title.n - open) - 2);

	return name_of_application(inner, out) || append(out, inner);
}

static bool name_of_program(const struct facts *facts, const struct interpreter *in,
			    const struct program *program, struct buf *out)
{
	struct slice name =
		program->is_path ? path__stem(path__base(program->name)) : program->name;
	struct buf dir = { 0 };
	bool found = false;

	if (slice__in(name, in->launchers)) {
		absolute_dir(facts, slice(NULL, 0), &dir);
		found = name_of_launched(facts, program, out) ||
			(in->runtime == RUNTIME_RUBY && name_of_folder(slice(dir.p, dir.n), out));
	} else if (in->runtime == RUNTIME_NODE &&
		   memmem(program->name.p, program->name.n, "/node_modules/", 14)) {
		/* a tool that runs the package of the current folder */
		absolute_dir(facts, slice(NULL, 0), &dir);
		found = name_of_package(facts, slice(dir.p, dir.n), out);
	} else if (program->is_path && slice__in(name, in->generic)) {
		bool is_dir = slice__in(program->name, ". ..");

		absolute_dir(facts, is_dir ? program->name : path__dir(program->name), &dir);
		/* path__dir("/x.js") is "", which must not become the current folder */
		if (program->name.p[0] == '/' && !path__dir(program->name).n)
			dir.n = 0;
		found = in->runtime == RUNTIME_NODE ?
				name_of_package(facts, slice(dir.p, dir.n), out) :
				name_of_folder(slice(dir.p, dir.n), out);
	}
	buf__release(&dir);
	return found || append(out, name);
}

bool script__name(const struct facts *facts, enum runtime runtime, struct buf *out)
{
	const struct interpreter *in = interpreter_of(runtime);
	struct program program = { 0 };

	if (!in || facts->argc == 0)
		return false;
	if (facts->argc == 1)
		return name_of_title(facts, out);
	return find_program(facts, in, &program) && name_of_program(facts, in, &program, out);
}
