// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "discover/script.h"
#include "fake_proc.h"

/* command: arguments between blanks, "_" for a blank in one. name: NULL means none */
static const struct {
	enum runtime runtime;
	const char *command, *cwd, *name;
} cases[] = {
	{ RUNTIME_PYTHON, "python app.py", "/srv/x", "app" },
	{ RUNTIME_PYTHON, "python3 -u /srv/shop/cart.py --port 1", "/", "cart" },
	{ RUNTIME_PYTHON, "python -W ignore -X dev app.py", "/", "app" },
	{ RUNTIME_PYTHON, "python -Wignore -bsu app.py", "/", "app" },
	{ RUNTIME_PYTHON, "python -m http.server 8000", "/", "http.server" },
	{ RUNTIME_PYTHON, "python -um shop", "/", "shop" },
	{ RUNTIME_PYTHON, "python -mshop.run", "/", "shop.run" },
	{ RUNTIME_PYTHON, "python -m", "/", NULL },
	{ RUNTIME_PYTHON, "python -c print(1)", "/", NULL },
	{ RUNTIME_PYTHON, "python", "/", NULL },
	{ RUNTIME_PYTHON, "python /srv/shop/manage.py runserver", "/", "shop" },
	{ RUNTIME_PYTHON, "python manage.py runserver", "/srv/shop/", "shop" },
	{ RUNTIME_PYTHON, "python /srv/shop/__main__.py", "/", "shop" },
	{ RUNTIME_PYTHON, "/venv/bin/python /venv/bin/gunicorn -b 0.0.0.0:80 shop.wsgi:application",
	  "/", "shop" },
	{ RUNTIME_PYTHON, "python /bin/gunicorn --bind unix:/run/x.sock main:app", "/", "main" },
	{ RUNTIME_PYTHON, "python /bin/uvicorn --host localhost --port 80 cart:app", "/", "cart" },
	{ RUNTIME_PYTHON, "python -m uvicorn cart.main:create()", "/", "cart" },
	{ RUNTIME_PYTHON, "python -m uvicorn", "/", "uvicorn" },
	{ RUNTIME_PYTHON, "python /bin/gunicorn -b localhost:80", "/", "gunicorn" },
	{ RUNTIME_PYTHON, "python /bin/flask --app shop run", "/", "shop" },
	{ RUNTIME_PYTHON, "python /bin/celery -A proj worker", "/", "proj" },
	{ RUNTIME_PYTHON, "python /bin/flask --app=shop:create run", "/", "shop" },
	{ RUNTIME_PYTHON, "gunicorn:_worker_[shop.wsgi:application]", "/", "shop" },
	{ RUNTIME_PYTHON, "gunicorn:_master_[cart]", "/", "cart" },
	{ RUNTIME_PYTHON, "python -- app.py", "/", "app" },
	{ RUNTIME_NODE, "node server.js", "/srv", "server" },
	{ RUNTIME_NODE, "node --inspect -r ts-node/register --max-old-space-size=1 src/cart.ts",
	  "/srv", "cart" },
	{ RUNTIME_NODE, "node index.js", "/srv/shop", "shop" },
	{ RUNTIME_NODE, "node ./dist/main.js", "/srv/shop", "shop" },
	{ RUNTIME_NODE, "node ../shop/app.mjs", "/srv/other", "shop" },
	{ RUNTIME_NODE, "node .", "/srv/shop", "shop" },
	{ RUNTIME_NODE, "node index.js", "/pkg/dist", "cart" },
	{ RUNTIME_NODE, "node /pkg/index.js", "/", "cart" },
	{ RUNTIME_NODE, "node /pkg/node_modules/.bin/next start", "/pkg", "cart" },
	{ RUNTIME_NODE, "node /index.js", "/srv", "index" },
	{ RUNTIME_NODE, "node -e 1", "/", NULL },
	{ RUNTIME_JAVA, "java -Xmx1g -jar /opt/cart.jar --server.port=1", "/", "cart" },
	{ RUNTIME_JAVA, "java -cp a:b com.example.Cart x", "/", "com.example.Cart" },
	{ RUNTIME_JAVA, "java --module-path /m -m shop/com.example.Main", "/", "com.example.Main" },
	{ RUNTIME_JAVA, "java -Dotel.service.name=cart -jar x.jar", "/", "cart" },
	{ RUNTIME_JAVA, "java -Dspring.application.name=cart -jar x.jar", "/", "cart" },
	{ RUNTIME_JAVA, "java src/Cart.java", "/", "Cart" },
	{ RUNTIME_JAVA, "java -version", "/", NULL },
	{ RUNTIME_JAVA, "java -jar", "/", NULL },
	{ RUNTIME_RUBY, "ruby -I lib cart.rb", "/", "cart" },
	{ RUNTIME_RUBY, "ruby bin/rails server", "/srv/shop", "shop" },
	{ RUNTIME_RUBY, "puma_6.4_(tcp://0.0.0.0:80)_[shop]", "/", "shop" },
	{ RUNTIME_PHP, "php artisan serve", "/srv/shop", "shop" },
	{ RUNTIME_PHP, "php -f cart.php", "/", "cart" },
	{ RUNTIME_PHP, "php-fpm:_pool_www", "/", NULL },
	{ RUNTIME_DOTNET, "dotnet /app/Cart.dll", "/", "Cart" },
	{ RUNTIME_DOTNET, "dotnet exec --depsfile x Cart.dll", "/", "Cart" },
	{ RUNTIME_NATIVE, "server app.py", "/", NULL },
};

static struct facts facts;

static void set_command(const char *command, const char *cwd)
{
	facts.argc = 0;
	buf__clear(&facts.cmdline);
	buf__puts(&facts.cmdline, command);
	for (size_t i = 0; i < facts.cmdline.n; i++) {
		if (facts.cmdline.p[i] == ' ')
			facts.cmdline.p[i] = '\0';
		else if (facts.cmdline.p[i] == '_' && !strstr(command, "__main__") &&
			 !strstr(command, "node_modules"))
			facts.cmdline.p[i] = ' ';
	}
	struct slice rest = slice(facts.cmdline.p, facts.cmdline.n), arg;

	while (proc__cut(&rest, '\0', &arg))
		facts.argv[facts.argc++] = arg;
	snprintf(facts.cwd, sizeof(facts.cwd), "%s", cwd);
	facts.pid = 7;
}

static void every_command(void **state)
{
	struct buf out = { 0 };

	fake__text("/proc/7/root/pkg/package.json",
		   "{\n\t\"version\": \"1.0\",\n\t\"author\": {\"name\": \"who\"},\n"
		   "\t\"files\": [\"name\", \"x\"],\n\t\"name\": \"@shop\\/cart\"\n}\n");
	fake__text("/proc/7/root/srv/none", "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf__clear(&out);
		set_command(cases[i].command, cases[i].cwd);
		bool found = script__name(&facts, cases[i].runtime, &out);
		struct slice name = slice(out.p, out.n);

		if (found != (cases[i].name != NULL) || !slice_eq(name, slice_of(cases[i].name)))
			fail_msg("%s: '%.*s' instead of '%s'", cases[i].command, (int)out.n, out.p,
				 cases[i].name ? cases[i].name : "none");
	}
	buf__release(&out);
	buf__release(&facts.cmdline);
}

static void packages(void **state)
{
	static const struct {
		const char *json, *name;
	} files[] = {
		{ "{\"name\":\"a\"}", "a" },
		{ "{\"x\":{\"name\":\"no\"},\"y\":[{\"name\":\"no\"}],\"name\":\"b\"}", "b" },
		{ "{\"name\":{\"name\":\"no\"}}", NULL },
		{ "{\"name\":\"\"}", NULL },
		{ "[\"name\",\"a\"]", NULL },
		{ "\"name\"", NULL },
		{ "{\"name\"", NULL },
		{ "{\"x\":\"name\",\"y\":\"a\"}", NULL },
		{ "", NULL },
		{ "\xff\xfe{", NULL },
	};
	struct buf out = { 0 };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		buf__clear(&out);
		bool found = package__name(slice_of(files[i].json), &out);

		if (found != (files[i].name != NULL) ||
		    (found && !slice_eq(slice(out.p, out.n), slice_of(files[i].name))))
			fail_msg("%s: '%.*s'", files[i].json, (int)out.n, out.p);
	}
	/* as deep as it fits: must end, and soon */
	static char deep[60000];

	memset(deep, '[', sizeof(deep));
	assert_false(package__name(slice(deep, sizeof(deep)), &out));
	memset(deep, '{', sizeof(deep));
	assert_false(package__name(slice(deep, sizeof(deep)), &out));
	buf__release(&out);
}

/* What the process has there instead of a file must not block us or lead out of its root. */
static void traps(void **state)
{
	char path[256];
	struct buf out = { 0 };

	fake__text("/outside", "{\"name\":\"secret\"}");
	fake__text("/proc/7/root/trap/x", "");
	fake__path(path, sizeof(path), "/proc/7/root/trap/package.json");
	assert_int_equal(mkfifo(path, 0600), 0);
	set_command("node /trap/index.js", "/");
	assert_true(script__name(&facts, RUNTIME_NODE, &out));
	assert_true(slice_eq(slice(out.p, out.n), SLICE("trap")));

	buf__clear(&out);
	fake__link("/proc/7/root/trap/package.json", "../../../../outside");
	assert_true(script__name(&facts, RUNTIME_NODE, &out));
	assert_true(slice_eq(slice(out.p, out.n), SLICE("trap")));
	buf__release(&out);
	buf__release(&facts.cmdline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command),
		cmocka_unit_test(packages),
		cmocka_unit_test(traps),
	};

	return cmocka_run_group_tests_name("discover_script", tests, fake__setup, fake__teardown);
}
