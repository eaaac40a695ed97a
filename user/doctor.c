// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "plan.h"
#include "rights.h"
#include "runtime/module.h"

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static void print_features(const struct features *features, struct buf *out)
{
	buf__puts(out, "abilities of the kernel:\n");
	for (int i = 0; i < FEATURE_COUNT; i++) {
		enum feature feature = (enum feature)i;

		buf__printf(out, "  %-24s %-4s since %s\n", feature__name(feature),
			    yes_no(features->has[i]), feature__since(feature));
		if (features->has[i])
			continue;
		if (features->reason[i][0])
			buf__printf(out, "  %-24s      why: %s\n", "", features->reason[i]);
		buf__printf(out, "  %-24s      %s\n", "", feature__remedy(feature));
	}
}

/* Answers whether any family can work. */
static bool print_families(const struct features *features, struct buf *out)
{
	struct buf names = { 0 };
	bool any = false;

	plan__families(&names);
	buf__append(&names, "", 1);
	buf__puts(out, "hook families:\n");
	for (char *rest = names.p, *name; rest && (name = strsep(&rest, ", "));) {
		struct plan_opts opts = { .family = name, .units = true };
		struct buf why = { 0 };
		struct plan plan;

		if (!*name)
			continue;
		bool works = plan__make(features, &opts, &plan, &why) == 0;

		any = any || works;
		buf__printf(out, "  %-24s %-4s %.*s\n", name, yes_no(works), (int)why.n,
			    why.n ? why.p : "");
		buf__release(&why);
	}
	buf__release(&names);
	return any;
}

static bool print_rights(struct buf *out)
{
	struct buf missing = { 0 };
	bool enough = rights__enough(&missing);

	buf__printf(out, "rights:\n  %-24s %-4s %s%.*s\n", "to trace", yes_no(enough),
		    enough ? "" : "run it with sudo, or give it ", (int)missing.n,
		    missing.n ? missing.p : "");
	buf__release(&missing);
	return enough;
}

/* --- one process ------------------------------------------------------------------------ */

static bool is_32bit(uint32_t pid)
{
	unsigned char ident[EI_NIDENT] = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool narrow = read(fd, ident, sizeof(ident)) == (ssize_t)sizeof(ident) &&
		      ident[EI_CLASS] == ELFCLASS32;

	close(fd);
	return narrow;
}

static bool uses_io_uring(uint32_t pid)
{
	char path[320], link[64];
	struct dirent *entry;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	DIR *dir = opendir(path);

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%u/fd/%s", pid, entry->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strstr(link, "[io_uring]") != NULL;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Kprobes see the buffers of every call; the tracepoints need those of io_uring as well. */
static const char *uring_prospect(const struct features *features)
{
	if (features->has[FEATURE_URING] ||
	    (features->has[FEATURE_KPROBE] && !features->has[FEATURE_SOCK_LENGTH]))
		return "what goes through it is read";
	return "what goes through it is seen in length only, and counted as payload.unseen";
}

/* The file name of a TLS library that is mapped; empty: none. */
static void find_tls(uint32_t pid, char ret[64])
{
	static const char *const libraries[] = { "libssl.so", "libgnutls.so", "libnss3.so",
						 "libmbedtls.so", "libwolfssl.so" };
	char path[64], line[512];

	ret[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	FILE *maps = fopen(path, "re");

	while (maps && !ret[0] && fgets(line, sizeof(line), maps)) {
		const char *slash = strrchr(line, '/');

		for (size_t i = 0; slash && i < sizeof(libraries) / sizeof(*libraries); i++)
			if (strncmp(slash + 1, libraries[i], strlen(libraries[i])) == 0)
				snprintf(ret, 64, "%.*s", (int)strcspn(slash + 1, "\n"), slash + 1);
	}
	if (maps)
		fclose(maps);
}

/* Whose call is it? Looked at as tracing would, without touching the process. */
static void print_units(const struct process *process, const struct features *features,
			struct buf *out)
{
	const struct runtime_module *module = runtime_module__of(process->runtime);
	struct runtime_setup setup = { 0 };
	struct buf why = { 0 };
	int err = 0;

	if (module)
		err = module->prepare(process, &setup, &why);
	runtime_setup__release(&setup);
	if (module && !err && setup.count && !features->has[FEATURE_UPROBE]) {
		err = -ENOTSUP;
		buf__puts(&why, "this kernel has no uprobes");
	}
	buf__printf(out, "  %-24s ", "parents of its calls");
	if (!module)
		buf__puts(out, "by thread\n");
	else if (err && process->runtime == RUNTIME_NGINX)
		buf__printf(out, "by turns: %.*s\n", (int)why.n, why.n ? why.p : "");
	else if (err == -EAGAIN)
		buf__printf(out, "by thread: %.*s\n", (int)why.n, why.n ? why.p : "");
	else if (err)
		buf__printf(out, "none: %s units cannot be followed: %.*s\n", module->name,
			    (int)why.n, why.n ? why.p : "");
	else
		buf__printf(out, "by %s%s (%u probes)%s%.*s\n", module->name,
			    setup.recipe.flags & RECIPE_WAKES ? " and their wakes" : "",
			    setup.count, why.n ? "; less known: " : "", (int)why.n,
			    why.n ? why.p : "");
	buf__release(&why);
}

static int print_process(uint32_t pid, const struct discover_opts *discover,
			 const struct features *features, struct buf *out)
{
	struct process *process;
	struct buf why = { 0 };
	char tls[64];
	int err = discover__process(pid, discover, &process, &why);

	buf__printf(out, "process %u:\n", pid);
	if (err) {
		buf__printf(out, "  %.*s\n", (int)why.n, why.n ? why.p : strerror(-err));
		buf__release(&why);
		return err == -ESRCH ? EXIT_NO_PROCESS : EXIT_USAGE;
	}
	struct slice name = resource__service_name(process->resource);

	find_tls(pid, tls);
	buf__printf(out, "  %-24s %.*s\n", "service.name", (int)name.n, name.p);
	buf__printf(out, "  %-24s %s\n", "language", runtime__language(process->runtime));
	print_units(process, features, out);
	if (is_32bit(pid))
		buf__printf(out, "  %-24s its sends and receives may not be readable\n",
			    "32-bit program");
	if (tls[0])
		buf__printf(out, "  %-24s %s is loaded: what it encrypts is not understood\n",
			    "TLS", tls);
	if (uses_io_uring(pid))
		buf__printf(out, "  %-24s in use: %s\n", "io_uring", uring_prospect(features));
	process__unref(process);
	buf__release(&why);
	return EXIT_DONE;
}

int doctor__run(const struct options *options)
{
	struct discover_opts discover = options__discover(options);
	struct features features;
	struct buf out = { 0 };
	struct utsname kernel;
	int code = EXIT_DONE;

	if (uname(&kernel) == 0)
		buf__printf(&out, "kernel: %s %s %s\n", kernel.sysname, kernel.release,
			    kernel.machine);
	bool enough = print_rights(&out);

	memset(&features, 0, sizeof(features));
	features__ask(&features);
	print_features(&features, &out);
	bool works = print_families(&features, &out);

	if (!enough)
		code = EXIT_RIGHTS; /* without rights the rest cannot be known */
	else if (!works)
		code = EXIT_KERNEL;
	for (uint32_t i = 0; i < options->pids.count; i++) {
		int bad = print_process(options->pids.items[i], &discover, &features, &out);

		if (code == EXIT_DONE)
			code = bad;
	}
	buf__printf(&out, "verdict: %s\n",
		    code == EXIT_DONE	? "tracing works here" :
		    code == EXIT_RIGHTS ? "more rights are needed" :
		    code == EXIT_KERNEL ? "no hook family can work on this kernel" :
					  "the process cannot be traced");
	fwrite(out.p, 1, out.n, stdout);
	buf__release(&out);
	return code;
}
