// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "discover/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <uuid/uuid.h>

#include "discover/proc.h"

#define PASSWD_MAX (4u << 20)

static struct slice trim(struct slice s)
{
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	while (s.n && strchr(" \t", s.p[0]))
		s = slice_from(s, 1);
	return s;
}

/* Appends the first line of a file; false when there is none. */
static bool first_line(const char *path, struct buf *out)
{
	struct buf text = { 0 };
	struct slice rest, line = { 0 };

	if (proc__read_path(path, &text, PROC_READ_MAX) == 0) {
		rest = slice(text.p, text.n);
		proc__cut(&rest, '\n', &line);
		line = trim(line);
		buf__append(out, line.p, line.n);
	}
	buf__release(&text);
	return line.n > 0;
}

void host__boot_id(struct buf *out)
{
	first_line("/proc/sys/kernel/random/boot_id", out);
}

static bool is_machine_id(struct slice s)
{
	/* an image that has not booted yet says "uninitialized" or nothing */
	return s.n == 32 && strspn(s.p, "0123456789abcdef") >= 32;
}

const char *host__id(struct buf *out)
{
	static const char *const paths[] = { "/etc/machine-id", "/var/lib/dbus/machine-id" };
	size_t before = out->n;

	for (size_t i = 0; i < 2; i++) {
		if (first_line(paths[i], out)) {
			buf__append(out, "", 1);
			out->n--;
			if (is_machine_id(slice(out->p + before, out->n - before)))
				return NULL;
		}
		out->n = before;
	}
	host__boot_id(out);
	if (out->n > before)
		return "boot_id";

	struct utsname uts;
	uuid_t id;
	char text[UUID_STR_LEN];

	if (uname(&uts) != 0)
		strcpy(uts.nodename, "localhost");
	uuid_generate_sha1(id, *uuid_get_template("dns"), uts.nodename, strlen(uts.nodename));
	uuid_unparse_lower(id, text);
	buf__puts(out, text);
	return "hostname";
}

static uint64_t boot_time(void)
{
	struct buf text = { 0 };
	struct slice rest, line;
	uint64_t seconds = 0;

	/* a line per CPU and a long one of interrupts come first */
	if (proc__read_path("/proc/stat", &text, 1u << 20) == 0) {
		rest = slice(text.p, text.n);
		while (!seconds && proc__cut(&rest, '\n', &line)) {
			if (slice_starts(line, SLICE("btime ")))
				proc__number(trim(slice_from(line, 6)), &seconds);
		}
	}
	buf__release(&text);
	return seconds;
}

const struct host_boot *host__boot(void)
{
	static struct host_boot boot;
	static char root[64] = "?";
	struct buf ids = { 0 };

	if (!strncmp(root, proc_root, sizeof(root) - 1))
		return &boot;
	boot.seconds = boot_time();
	host__id(&ids);
	buf__puts(&ids, "/");
	host__boot_id(&ids);
	snprintf(boot.ids, sizeof(boot.ids), "%.*s", (int)ids.n, ids.n ? ids.p : "");
	if (!ids.failed)
		snprintf(root, sizeof(root), "%s", proc_root);
	buf__release(&ids);
	return &boot;
}

void host__user(uint32_t uid, struct buf *out)
{
	struct buf text = { 0 };
	struct slice rest, line, name, skip, number;
	uint64_t value;

	if (proc__read_path("/etc/passwd", &text, PASSWD_MAX) != 0)
		text.n = 0;
	rest = slice(text.p, text.n);
	while (proc__cut(&rest, '\n', &line)) {
		if (proc__cut(&line, ':', &name) && proc__cut(&line, ':', &skip) &&
		    proc__cut(&line, ':', &number) && name.n && proc__number(number, &value) &&
		    value == uid) {
			buf__append(out, name.p, name.n);
			goto out;
		}
	}
	buf__printf(out, "%u", uid);
out:
	buf__release(&text);
}

static const char *arch_name(const char *machine)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" }, { "aarch64", "arm64" }, { "i686", "x86" },
		{ "i586", "x86" },     { "ppc64le", "ppc64" }, { "armv7l", "arm32" },
		{ "armv8l", "arm32" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(machine, names[i][0]) == 0)
			return names[i][1];
	}
	return machine;
}

/* One value of os-release: bare, or in quotes of a shell, in which a backslash escapes. */
static int set_release(struct resource *resource, const char *key, struct slice value)
{
	struct buf plain = { 0 };

	value = trim(value);
	bool quoted = value.n >= 2 && (value.p[0] == '"' || value.p[0] == '\'') &&
		      value.p[value.n - 1] == value.p[0];

	if (quoted)
		value = slice(value.p + 1, value.n - 2);
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\\' && i + 1 < value.n)
			i++;
		buf__append(&plain, &value.p[i], 1);
	}
	int err = plain.failed ? -ENOMEM : 0;

	if (!err && plain.n)
		err = resource__set(resource, key, slice(plain.p, plain.n));
	buf__release(&plain);
	return err;
}

static int describe_os(struct resource *resource)
{
	static const char *const keys[][2] = {
		{ "NAME", "os.name" },
		{ "VERSION_ID", "os.version" },
		{ "PRETTY_NAME", "os.description" },
	};
	struct buf text = { 0 };
	int err = resource__set(resource, "os.type", SLICE("linux"));
	struct slice rest, line, key;

	if (proc__read_path("/etc/os-release", &text, PROC_READ_MAX) != 0 &&
	    proc__read_path("/usr/lib/os-release", &text, PROC_READ_MAX) != 0)
		text.n = 0;
	rest = slice(text.p, text.n);
	while (!err && proc__cut(&rest, '\n', &line)) {
		if (!proc__cut(&line, '=', &key))
			continue;
		for (size_t i = 0; i < 3 && !err; i++) {
			if (slice_eq(key, slice_of(keys[i][0])))
				err = set_release(resource, keys[i][1], line);
		}
	}
	buf__release(&text);
	return err;
}

int host__describe(struct resource *resource)
{
	struct buf id = { 0 };
	const char *from = host__id(&id);
	int err = id.failed ? -ENOMEM : resource__set(resource, "host.id", slice(id.p, id.n));
	struct utsname uts;

	buf__release(&id);
	/* such an id lives until the next boot, or is shared by hosts of one name: do not hide it */
	if (!err && from)
		err = resource__set(resource, "spanprobe.host.id.from", slice_of(from));
	if (!err && uname(&uts) == 0) {
		err = resource__set(resource, "host.name", slice_of(uts.nodename));
		if (!err)
			err = resource__set(resource, "host.arch",
					    slice_of(arch_name(uts.machine)));
	}
	return err ? err : describe_os(resource);
}
