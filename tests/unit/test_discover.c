// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/clock.h"
#include "discover.h"
#include "discover/elf.h"
#include "discover/host.h"
#include "discover/runtime.h"
#include "fake_proc.h"

static const struct discover_opts no_opts;

#define CONTAINER "8a3f1c0de4b5968778695a4b3c2d1e0f8a3f1c0de4b5968778695a4b3c2d1e0f"

/* pid 300: a Python service in a container; more files by the tests */
static void make_process(uint32_t pid, const char *comm, char state, unsigned int flags)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	snprintf(text, sizeof(text),
		 "%u (%s) %c 1 %u %u 0 -1 %u 1 2 3 4 5 6 7 8 20 0 1 0 12345 0 0 1 2 3\n", pid, comm,
		 state, pid, pid, flags);
	fake__text(path, text);
	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	snprintf(text, sizeof(text),
		 "Name:\tx\nTgid:\t%u\nPid:\t%u\nUid:\t33\t0\t0\t0\nNSpid:\t%u\t42\t7\n", pid, pid,
		 pid);
	fake__text(path, text);
}

static void make_host(void)
{
	fake__text("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	fake__text("/etc/passwd", "root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/false\n");
	fake__text("/etc/os-release",
		   "PRETTY_NAME=\"Debian \\\"12\\\"\"\nNAME='Debian'\nVERSION_ID=12\nBROKEN\n");
	fake__text("/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
	fake__text("/proc/stat", "cpu 1 2\nbtime 1795555737\nprocesses 3\n");
}

static void make_python(void)
{
	static const char cmdline[] = "/usr/bin/python3.11\0-u\0cart.py\0--password=hush\0";
	static const char environ[] =
		"A=1\0OTEL_RESOURCE_ATTRIBUTES=service.version=1.2,"
		"service.namespace=shop,process.pid=1,telemetry.sdk.name=x\0Z";

	make_process(300, "python3.11", 'S', 0x400000);
	fake__file("/proc/300/cmdline", cmdline, sizeof(cmdline) - 1);
	fake__file("/proc/300/environ", environ, sizeof(environ) - 1);
	fake__text("/proc/300/cgroup", "0::/system.slice/docker-" CONTAINER ".scope\n");
	fake__link("/proc/300/exe", "/usr/bin/python3.11 (deleted)");
	fake__link("/proc/300/cwd", "/srv");
}

static struct process *find(uint32_t pid, const struct discover_opts *opts)
{
	struct process *process = NULL;
	struct buf why = { 0 };
	int err = discover__process(pid, opts, &process, &why);

	buf__append(&why, "", 1);
	if (err)
		fail_msg("%d: %s", err, why.p);
	buf__release(&why);
	return process;
}

static void has(const struct process *process, const char *key, const char *value)
{
	const struct attr *attr = resource__get(process->resource, key);

	if (!attr && value)
		fail_msg("%s is missing", key);
	if (attr && (!value || attr->type != ATTR_STRING || !slice_eq(attr->s, slice_of(value))))
		fail_msg("%s is '%.*s' instead of '%s'", key, (int)attr->s.n, attr->s.p,
			 value ? value : "absent");
}

static void has_int(const struct process *process, const char *key, int64_t value)
{
	const struct attr *attr = resource__get(process->resource, key);

	assert_non_null(attr);
	assert_int_equal(attr->type, ATTR_INT);
	assert_int_equal(attr->i, value);
}

static void all_attributes(void **state)
{
	make_host();
	make_python();
	struct process *process = find(300, &no_opts);

	assert_int_equal(process->pid, 300);
	assert_int_equal(process->start_ticks, 12345);
	assert_int_equal(process->runtime, RUNTIME_PYTHON);
	has(process, "service.name", "cart");
	has(process, "service.version", "1.2");
	has(process, "service.namespace", "shop");
	/* made once with another implementation of version 5 from the same name */
	has(process, "service.instance.id", "40ca2cc8-2536-5715-bf16-be2c08da12ba");
	has(process, "telemetry.sdk.name", "spanprobe");
	has(process, "telemetry.sdk.language", "python");
	has(process, "telemetry.sdk.version", SPANPROBE_VERSION);
	has(process, "host.id", "0123456789abcdef0123456789abcdef");
	has(process, "spanprobe.host.id.from", NULL);
	has(process, "os.type", "linux");
	has(process, "os.name", "Debian");
	has(process, "os.version", "12");
	has(process, "os.description", "Debian \"12\"");
	has_int(process, "process.pid", 300);
	has_int(process, "process.vpid", 7);
	/* 12345 ticks of 10 ms after boot */
	has(process, "process.creation.time", "2026-11-24T21:31:00.450Z");
	has(process, "process.executable.name", "python3.11");
	has(process, "process.executable.path", "/usr/bin/python3.11");
	has(process, "process.command", "/usr/bin/python3.11");
	has(process, "process.owner", "www-data");
	has(process, "process.runtime.name", "cpython");
	has(process, "process.runtime.version", "3.11");
	has(process, "container.id", CONTAINER);
	has(process, "process.command_line", NULL);
	has(process, "process.parent_pid", NULL);
	for (uint32_t i = 0; i < process->resource->count; i++) {
		const struct attr *attr = &process->resource->attrs[i];

		if (attr->type == ATTR_STRING && attr->s.n)
			assert_null(memmem(attr->s.p, attr->s.n, "hush", 4));
	}
	process__unref(process);
}

/* A child that lives, and one that is gone: all but what names it is its parent's. */
static void forked(void **state)
{
	static const char environ[] = "OTEL_RESOURCE_ATTRIBUTES=service.instance.id=mine";
	const uint64_t born_ns = 678 * 10 * NSEC_PER_MSEC;

	make_host();
	make_python();
	make_process(301, "python3.11", 'S', 0x400000);
	struct process *parent = find(300, &no_opts), *fresh = find(301, &no_opts);
	struct process *child = discover__fork(parent, 301, born_ns);
	struct process *gone = discover__fork(parent, 302, born_ns);

	has(child, "service.name", "cart");
	has(child, "container.id", CONTAINER);
	has(child, "process.creation.time", "2026-11-24T21:31:00.450Z");
	has_int(child, "process.pid", 301);
	has_int(child, "process.vpid", 7);
	assert_int_equal(child->pid, 301);
	assert_int_equal(child->start_ticks, 12345);
	assert_int_equal(child->runtime, RUNTIME_PYTHON);
	assert_int_equal(child->resource->count, parent->resource->count);
	/* the same as that of an agent that comes later */
	struct slice id = resource__get(fresh->resource, "service.instance.id")->s;
	assert_true(slice_eq(resource__get(child->resource, "service.instance.id")->s, id));
	assert_false(slice_eq(resource__get(parent->resource, "service.instance.id")->s, id));
	has_int(gone, "process.pid", 302);
	has(gone, "process.vpid", NULL);
	has(gone, "process.creation.time", "2026-11-24T21:29:03.780Z");
	has_int(parent, "process.pid", 300);
	process__unref(parent);
	process__unref(fresh);
	process__unref(child);
	process__unref(gone);
	make_process(303, "sh", 'S', 0x400000);
	fake__link("/proc/303/exe", "/bin/sh");
	fake__text("/proc/303/cmdline", "sh");
	parent = find(303, &no_opts);
	child = discover__exec(parent, "curl"); /* ... and gone before anybody looked */
	has(parent, "service.name", "sh");
	has(child, "service.name", "curl");
	has(child, "process.executable.name", "curl");
	has(child, "process.executable.path", NULL);
	has(child, "process.command", NULL);
	has_int(child, "process.pid", 303);
	process__unref(parent);
	process__unref(child);
	fake__file("/proc/300/environ", environ, sizeof(environ) - 1);
	parent = find(300, &no_opts);
	child = discover__fork(parent, 301, born_ns);
	has(child, "service.instance.id", "mine");
	process__unref(parent);
	process__unref(child);
}

static void options_win(void **state)
{
	static const struct discover_opts opts = {
		.service_name = "front",
		.resource_attributes =
			"service.name=no,service.version=9,deployment.environment.name=test",
	};

	make_host();
	make_python();
	struct process *process = find(300, &opts);

	has(process, "service.name", "front");
	has(process, "service.version", "9");
	has(process, "service.namespace", "shop");
	has(process, "deployment.environment.name", "test");
	process__unref(process);
}

static const char *name_with(const char *environ, size_t n, const char *cgroup)
{
	static char name[128];

	fake__file("/proc/300/environ", environ, n);
	fake__text("/proc/300/cgroup", cgroup);
	struct process *process = find(300, &no_opts);
	struct slice s = resource__service_name(process->resource);

	snprintf(name, sizeof(name), "%.*s", (int)s.n, s.p);
	process__unref(process);
	return name;
}

static void service_name_order(void **state)
{
	static const char both[] =
		"OTEL_RESOURCE_ATTRIBUTES=service.name=two\0OTEL_SERVICE_NAME=one";
	static const char pairs[] = "OTEL_SERVICE_NAME=\0OTEL_RESOURCE_ATTRIBUTES=service.name=two";
	static const char broken[] = "OTEL_RESOURCE_ATTRIBUTES=service.name=two,%zz=1";
	const char *unit = "0::/system.slice/shop.service\n";

	make_host();
	make_python();
	assert_string_equal(name_with(both, sizeof(both), unit), "one");
	assert_string_equal(name_with(pairs, sizeof(pairs), unit), "two");
	assert_string_equal(name_with(broken, sizeof(broken), unit), "cart");
	fake__text("/proc/300/cmdline", "");
	assert_string_equal(name_with("", 0, unit), "shop");
	assert_string_equal(name_with("", 0, "0::/init.scope\n"), "python3.11");
	fake__link("/proc/300/exe", "/opt/my tool");
	assert_string_equal(name_with("", 0, ""), "my tool");
}

static void refused(uint32_t pid, int expected, const char *word)
{
	struct process *process = NULL;
	struct buf why = { 0 };

	assert_int_equal(discover__process(pid, &no_opts, &process, &why), expected);
	assert_null(process);
	buf__append(&why, "", 1);
	if (!strstr(why.p, word))
		fail_msg("'%s' does not say '%s'", why.p, word);
	buf__release(&why);
}

static void refusals(void **state)
{
	make_host();
	refused(999, -ESRCH, "999");
	refused(0, -ESRCH, "no such process");
	make_process(2, "kthreadd", 'S', 0x208040);
	refused(2, -EINVAL, "kernel thread");
	make_process(301, "a) R 1 (b", 'Z', 0);
	refused(301, -EINVAL, "zombie");
	make_process((uint32_t)getpid(), "x", 'R', 0);
	refused((uint32_t)getpid(), -EINVAL, "itself");
	make_process(302, "x", 'S', 0);
	fake__text("/proc/302/status", "Name:\tx\nTgid:\t300\n");
	refused(302, -EINVAL, "--pid 300");
	make_process(303, "x", 'S', 0);
	fake__text("/proc/303/stat", "303 (x"); /* cut off by its end */
	refused(303, -EINVAL, "");
	fake__text("/proc/303/stat", "");
	refused(303, -ESRCH, "no such process");
}

/* Names with every kind of byte; no files but stat and status. */
static void hostile_names(void **state)
{
	static const char *const names[] = { "a b", ")", "((", "a\nb) Z 0", "\xff\xfe", "" };

	make_host();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		make_process(310, names[i], 'S', 0);
		struct process *process = find(310, &no_opts);

		assert_int_equal(process->start_ticks, 12345);
		assert_true(resource__service_name(process->resource).n > 0);
		process__unref(process);
	}
	make_process(310, "\xff\xfe", 'S', 0);
	struct process *process = find(310, &no_opts);

	has(process, "service.name", "\xef\xbf\xbd\xef\xbf\xbd");
	process__unref(process);
}

static void stat_at_every_prefix(void **state)
{
	static const char text[] = "7 (x) y) S 1 7 7 0 -1 64 1 2 3 4 5 6 7 8 20 0 1 0 12345 0\n";
	struct proc_stat stat;

	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = test_malloc(n + 1);

		memcpy(copy, text, n);
		int err = proc__parse_stat(slice(copy, n), &stat);

		/* a number that is cut off cannot be told from a whole one: read() gives it whole */
		assert_int_equal(err,
				 n > strlen("7 (x) y) S 1 7 7 0 -1 64 1 2 3 4 5 6 7 8 20 0 1 0 ") ?
					 0 :
					 -EINVAL);
		test_free(copy);
	}
	assert_string_equal(stat.comm, "x) y");
	assert_int_equal(stat.flags, 64);
	assert_int_equal(proc__parse_stat(SLICE("7 (x) S 1 7 7 0 -1 99999999999999999999999"),
					  &stat),
			 -EINVAL);
}

static void runtimes(void **state)
{
	static const struct {
		const char *exe, *maps;
		enum runtime runtime;
	} cases[] = {
		{ "/usr/sbin/nginx", "", RUNTIME_NGINX },
		{ "/usr/bin/python3.11", "", RUNTIME_PYTHON },
		{ "/usr/bin/python", "", RUNTIME_PYTHON },
		{ "/usr/bin/pythonish", "", RUNTIME_NATIVE },
		{ "/usr/local/bin/node", "", RUNTIME_NODE },
		{ "/usr/bin/nodejs", "", RUNTIME_NODE },
		{ "/opt/jdk/bin/java", "", RUNTIME_JAVA },
		{ "/usr/bin/ruby3.1", "", RUNTIME_RUBY },
		{ "/usr/sbin/php-fpm8.2", "", RUNTIME_PHP },
		{ "/usr/bin/dotnet", "", RUNTIME_DOTNET },
		{ "/usr/bin/uwsgi", "7f r-xp 0 0:0 1 /usr/lib/libpython3.11.so.1.0\n",
		  RUNTIME_PYTHON },
		{ "/opt/x", "7f rw-p 0 0:0 0 \n7f r-xp 0 0:0 1 /jdk/lib/server/libjvm.so\n",
		  RUNTIME_JAVA },
		{ "/opt/x", "7f r-xp 0 0:0 1 /dotnet/libcoreclr.so\n", RUNTIME_DOTNET },
		{ "/opt/x", "7f r-xp 0 0:0 1 /libpython/libc.so.6\n", RUNTIME_NATIVE },
		{ "/opt/x", "\n\n/", RUNTIME_NATIVE },
	};

	make_host();
	make_process(320, "x", 'S', 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake__link("/proc/320/exe", cases[i].exe);
		fake__text("/proc/320/maps", cases[i].maps);
		struct process *process = find(320, &no_opts);

		if (process->runtime != cases[i].runtime)
			fail_msg("%s is %d instead of %d", cases[i].exe, process->runtime,
				 cases[i].runtime);
		process__unref(process);
	}
}

static void java_release(void **state)
{
	make_host();
	make_process(321, "java", 'S', 0);
	fake__link("/proc/321/exe", "/opt/jdk/bin/java");
	fake__text("/proc/321/root/opt/jdk/release",
		   "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n");
	struct process *process = find(321, &no_opts);

	has(process, "process.runtime.version", "17.0.15");
	process__unref(process);
}

static void host_id_falls_back(void **state)
{
	struct buf id = { 0 };
	char path[256];

	make_host();
	fake__text("/etc/machine-id", "uninitialized\n");
	fake__text("/var/lib/dbus/machine-id", "fedcba9876543210fedcba9876543210\n");
	assert_null(host__id(&id));
	assert_memory_equal(id.p, "fedcba98", 8);
	fake__text("/var/lib/dbus/machine-id", "");
	buf__clear(&id);
	assert_string_equal(host__id(&id), "boot_id");
	assert_memory_equal(id.p, "11111111-2222", 13);
	fake__path(path, sizeof(path), "/proc/sys/kernel/random/boot_id");
	unlink(path);
	buf__clear(&id);
	assert_string_equal(host__id(&id), "hostname");
	assert_int_equal(id.n, 36);
	buf__release(&id);

	struct resource *resource = discover__host_resource();

	assert_non_null(resource);
	assert_true(
		slice_eq(resource__get(resource, "spanprobe.host.id.from")->s, SLICE("hostname")));
	resource__unref(resource);
	fake__text("/var/lib/dbus/machine-id", "");
}

struct pids {
	uint32_t pid[64];
	int count;
};

static void note(void *ctx, uint32_t pid)
{
	struct pids *pids = ctx;

	if (pids->count < 64)
		pids->pid[pids->count++] = pid;
}

static bool holds(const struct pids *pids, uint32_t pid)
{
	for (int i = 0; i < pids->count; i++) {
		if (pids->pid[i] == pid)
			return true;
	}
	return false;
}

#define TCP_LINE(address, state, inode)                                                            \
	"   0: " address " 00000000:0000 " state                                                   \
	" 00000000:00000000 00:00000000 00000000     0        0 " inode " 1 0000 100 0 0 10 0\n"

static void scan_matches(void **state)
{
	static const char *const globs[] = { "*/gunicorn", "/srv/[ab]*" };
	static const struct port_range ports[] = { { 8080, 8080 }, { 9000, 9010 } };
	struct discover_opts opts = { .exe_globs = globs, .exe_count = 2 };
	struct pids pids = { 0 };

	for (uint32_t pid = 400; pid < 405; pid++)
		make_process(pid, "x", 'S', 0);
	fake__link("/proc/400/exe", "/usr/bin/gunicorn (deleted)");
	fake__link("/proc/401/exe", "/srv/b/c");
	fake__link("/proc/402/exe", "/srv/c");
	assert_int_equal(discover__scan(&opts, note, &pids), 0);
	assert_int_equal(pids.count, 2);
	assert_true(holds(&pids, 400) && holds(&pids, 401));
	assert_true(discover__matches_exe(&opts, 400));
	assert_false(discover__matches_exe(&opts, 402));
	assert_false(discover__matches_exe(&opts, 4040));

	/* 401 listens on 9005; 402 holds the same inode number in another namespace; 403 a client */
	opts = (struct discover_opts){ .ports = ports, .port_count = 2 };
	for (uint32_t pid = 401; pid < 405; pid++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
		fake__link(path, pid == 402 ? "net:[2]" : "net:[1]");
		snprintf(path, sizeof(path), "/proc/%u/net/tcp", pid);
		fake__text(path, pid == 402 ? "  sl\n" :
					      "  sl\n" TCP_LINE("0100007F:1F91", "0A", "70")
						      TCP_LINE("0100007F:1F90", "01", "71"));
		snprintf(path, sizeof(path), "/proc/%u/net/tcp6", pid);
		fake__text(path, pid == 402 ?
					 "" :
					 "  sl\n" TCP_LINE("00000000000000000000000000000000:232D",
							   "0A", "72"));
	}
	fake__link("/proc/401/fd/3", "socket:[72]");
	fake__link("/proc/402/fd/3", "socket:[72]");
	fake__link("/proc/403/fd/3", "socket:[71]");
	fake__link("/proc/404/fd/3", "socket:[70]");
	pids.count = 0;
	assert_int_equal(discover__scan(&opts, note, &pids), 0);
	assert_int_equal(pids.count, 1);
	assert_true(holds(&pids, 401));
	assert_true(discover__matches_port(&opts, 9010));
	assert_false(discover__matches_port(&opts, 9011));
}

/* --- the real /proc ------------------------------------------------------------------------- */

static pid_t start_child(void (*run)(void))
{
	int pipes[2];
	char byte;

	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (run)
			run();
		close(pipes[0]);
		close(pipes[1]);
		pause();
		_exit(0);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 0); /* ready */
	close(pipes[0]);
	return pid;
}

static void stop_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int listen_fd;

static void live_process(void **state)
{
	proc_root = "";
	pid_t pid = start_child(NULL);
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t start = clock__monotonic_ns();
		struct process *process = find((uint32_t)pid, &no_opts);
		uint64_t took = clock__monotonic_ns() - start;

		best = took < best ? took : best;
		has(process, "service.name", "test_discover");
		has(process, "process.executable.name", "test_discover");
		has(process, "telemetry.sdk.language", "cpp");
		has_int(process, "process.pid", pid);
		assert_int_equal(process->runtime, RUNTIME_NATIVE);
		process__unref(process);
	}
	/* the budget, kept even with the sanitizers on */
	assert_true(best < 5 * NSEC_PER_MSEC);
	print_message("discover__process: %llu us\n", (unsigned long long)(best / 1000));

	uint32_t children[4], self = (uint32_t)getpid();

	assert_int_equal(discover__children(&self, 1, children, 4), 1);
	assert_int_equal(children[0], pid);
	assert_int_equal(discover__children(&self, 1, children, 0), 0);

	kill(pid, SIGKILL);
	siginfo_t info;

	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	refused((uint32_t)pid, -EINVAL, "zombie");
	waitpid(pid, NULL, 0);
	refused((uint32_t)pid, -ESRCH, "no such process");
	refused((uint32_t)getpid(), -EINVAL, "itself");
	proc_root = fake_dir;
}

static void live_scan(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct port_range port;
	struct pids pids = { 0 };
	struct discover_opts opts = { .ports = &port, .port_count = 1 };

	proc_root = "";
	listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listen_fd, 1), 0);
	getsockname(listen_fd, (struct sockaddr *)&address, &length);
	port.first = port.last = ntohs(address.sin_port);
	pid_t pid = start_child(NULL);

	assert_int_equal(discover__scan(&opts, note, &pids), 0);
	assert_int_equal(pids.count, 1); /* not this process itself */
	assert_int_equal(pids.pid[0], pid);
	stop_child(pid);
	close(listen_fd);
	proc_root = fake_dir;
}

static struct port_range own_port;

/* Becomes the first process of its own pid, mount and network namespaces and listens there. */
static void move_and_listen(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(own_port.first) };
	pid_t pid = 0;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET) == 0)
		pid = fork();
	if (pid != 0) {
		close_range(3, ~0u, 0); /* so that only the child holds the pipe of start_child */
		waitpid(pid, NULL, 0);
		_exit(0);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0)
		_exit(1);
}

static void other_namespaces(void **state)
{
	struct discover_opts opts = { .ports = &own_port, .port_count = 1 };
	struct pids pids = { 0 };
	uint32_t child;

	if (geteuid() != 0)
		skip();
	own_port.first = own_port.last = (uint16_t)(20000 + getpid() % 40000);
	proc_root = "";
	pid_t pid = start_child(move_and_listen);

	uint32_t parent = (uint32_t)pid;

	assert_int_equal(discover__children(&parent, 1, &child, 1), 1);
	struct process *process = find(child, &opts);

	has_int(process, "process.pid", child);
	has_int(process, "process.vpid", 1);
	has(process, "process.owner", "0"); /* whose passwd would name it? */
	has(process, "service.name", "test_discover");
	process__unref(process);
	assert_int_equal(discover__scan(&opts, note, &pids), 0);
	assert_true(holds(&pids, child));
	assert_false(holds(&pids, (uint32_t)pid));
	kill((pid_t)child, SIGKILL);
	waitpid(pid, NULL, 0);
	proc_root = fake_dir;
}

static void elf_files(void **state)
{
	struct elf_facts facts;
	int fd = open("/proc/self/exe", O_RDONLY);

	assert_int_equal(elf_facts__read(fd, &facts), 0);
	assert_int_equal(strlen(facts.build_id), 40);
	assert_false(facts.is_go);

	/* the same file cut off at many places, and with bytes overwritten: no crash, no nonsense */
	static char bytes[1 << 16];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

	close(fd);
	assert_int_equal(n, sizeof(bytes));
	FILE *file = tmpfile();

	for (size_t size = 0; size < sizeof(bytes); size += size < 512 ? 7 : 4001) {
		assert_int_equal(ftruncate(fileno(file), 0), 0);
		assert_int_equal(pwrite(fileno(file), bytes, size, 0), size);
		elf_facts__read(fileno(file), &facts);
	}
	srand(1);
	for (int i = 0; i < 500; i++) {
		char head[4096];

		memcpy(head, bytes, sizeof(head));
		for (int j = 0; j < 8; j++)
			head[4 + rand() % (i % 2 ? 60 : 1000)] = (char)rand();
		assert_int_equal(pwrite(fileno(file), head, sizeof(head), 0), sizeof(head));
		elf_facts__read(fileno(file), &facts);
	}
	fclose(file);
	assert_int_not_equal(elf_facts__read(-1, &facts), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_attributes, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(forked, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(options_win, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(service_name_order, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(refusals, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(hostile_names, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(stat_at_every_prefix, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(runtimes, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(java_release, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(host_id_falls_back, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(scan_matches, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(live_process, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(live_scan, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(other_namespaces, fake__setup, fake__teardown),
		cmocka_unit_test_setup_teardown(elf_files, fake__setup, fake__teardown),
	};

	return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
