// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * From the facts of a process to its resource. Later settings win over earlier ones: what /proc
 * says, then OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME of the process, then what cannot be
 * set by anyone but us, then the options of spanprobe.
 */
#include "discover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "base/clock.h"
#include "discover/container.h"
#include "discover/facts.h"
#include "discover/host.h"
#include "discover/runtime.h"
#include "discover/script.h"

/* Of the conventions, for ids made by version 5 (SHA-1) over stable names. */
#define INSTANCE_NAMESPACE "4d63009a-8d0f-11ee-aad7-4c796ed8e320"
#define COMMAND_MAX	   256

/* Collects the first error, so that a list of settings reads as one. */
struct setter {
	struct resource *resource;
	int err;
};

static void set(struct setter *to, const char *key, struct slice value)
{
	if (!to->err && value.n)
		to->err = resource__set(to->resource, key, value);
}

static void set_text(struct setter *to, const char *key, const char *value)
{
	set(to, key, slice_of(value));
}

static void set_buf(struct setter *to, const char *key, struct buf *value)
{
	if (!to->err && value->failed)
		to->err = -ENOMEM;
	set(to, key, slice(value->p, value->n));
	buf__clear(value);
}

static void set_int(struct setter *to, const char *key, int64_t value)
{
	if (!to->err)
		to->err = resource__set_int(to->resource, key, value);
}

/* argv[0] alone, since arguments hold secrets; a process that sets a title may have put them all
 * into it ("nginx: master process nginx -g ..."): the first word is what is safe. */
static struct slice command_of(const struct facts *facts)
{
	struct slice command = facts->argc ? facts->argv[0] : slice(NULL, 0);
	const char *space = command.n ? memchr(command.p, ' ', command.n) : NULL;

	if (space && !slice_eq(command, slice_of(facts->exe)))
		command.n = (size_t)(space - command.p);
	if (command.n > 1 && command.p[command.n - 1] == ':')
		command.n--;
	if (command.n > COMMAND_MAX)
		command.n = COMMAND_MAX;
	return command;
}

static void set_creation_time(struct setter *to, uint64_t start_ticks)
{
	uint64_t boot = host__boot()->seconds, hz = (uint64_t)sysconf(_SC_CLK_TCK);
	time_t seconds = (time_t)(boot + start_ticks / hz);
	char date[32], text[48];
	struct tm tm;

	if (!boot || !gmtime_r(&seconds, &tm) || !strftime(date, sizeof(date), "%FT%T", &tm))
		return;
	snprintf(text, sizeof(text), "%s.%03uZ", date,
		 (unsigned int)(start_ticks % hz * 1000 / hz));
	set_text(to, "process.creation.time", text);
}

/* The same process has the same id when spanprobe starts again; another one never has it. */
static bool instance_id(uint32_t pid, uint64_t start_ticks, char text[UUID_STR_LEN])
{
	uuid_t namespace, id;
	char name[192];
	int n = snprintf(name, sizeof(name), "%s/%u/%llu", host__boot()->ids, pid,
			 (unsigned long long)start_ticks);

	if (uuid_parse(INSTANCE_NAMESPACE, namespace) != 0)
		return false;
	uuid_generate_sha1(id, namespace, name, (size_t)n);
	uuid_unparse_lower(id, text);
	return true;
}

static void set_process(struct setter *to, const struct facts *facts, enum runtime runtime)
{
	struct buf text = { 0 };

	set_creation_time(to, facts->stat.start_ticks);
	set(to, "process.executable.name", facts__exe_name(facts));
	set_text(to, "process.executable.path", facts->exe);
	set_text(to, "process.executable.build_id.gnu", facts->elf.build_id);
	set_text(to, "process.executable.build_id.go", facts->elf.go_build_id);
	set(to, "process.command", command_of(facts));
	/* the names of another mount namespace are not those of this machine's users */
	if (facts->own_mounts)
		buf__printf(&text, "%u", facts->status.uid);
	else
		host__user(facts->status.uid, &text);
	set_buf(to, "process.owner", &text);
	if (runtime__product(runtime)) {
		set_text(to, "process.runtime.name", runtime__product(runtime));
		runtime__version(facts, runtime, &text);
		set_buf(to, "process.runtime.version", &text);
	}
	buf__release(&text);
}

static void set_service_name(struct setter *to, const struct facts *facts, enum runtime runtime,
			     const struct cgroup_facts *cgroup)
{
	struct slice name = facts__env(facts, "OTEL_SERVICE_NAME");
	struct buf text = { 0 };

	if (!name.n && resource__get(to->resource, "service.name"))
		return;
	if (!name.n && script__name(facts, runtime, &text))
		name = slice(text.p, text.n);
	if (!name.n)
		name = cgroup->unit;
	if (!name.n)
		name = facts__exe_name(facts);
	set(to, "service.name", name);
	buf__release(&text);
}

/* A malformed list is ignored as a whole, as the SDKs do; too many pairs are cut. */
static void set_pairs(struct setter *to, struct slice pairs)
{
	if (!to->err && pairs.n && resource__set_pairs(to->resource, pairs) == -ENOMEM)
		to->err = -ENOMEM;
}

static void set_sdk(struct setter *to, const char *language)
{
	set_text(to, "telemetry.sdk.name", "spanprobe");
	set_text(to, "telemetry.sdk.language", language);
	set_text(to, "telemetry.sdk.version", SPANPROBE_VERSION);
}

static void set_pid(struct setter *to, uint32_t pid, const struct proc_status *status)
{
	set_int(to, "process.pid", pid);
	if (status->vpid && status->vpid != pid)
		set_int(to, "process.vpid", status->vpid);
}

static int describe(const struct facts *facts, const struct discover_opts *opts,
		    enum runtime runtime, struct resource *resource)
{
	struct setter to = { resource, 0 };
	struct cgroup_facts cgroup;
	char id[UUID_STR_LEN];

	cgroup_facts__parse(slice(facts->cgroup.p, facts->cgroup.n), &cgroup);
	set_sdk(&to, runtime__language(runtime));
	if (!to.err)
		to.err = host__describe(resource);
	set_process(&to, facts, runtime);
	if (instance_id(facts->pid, facts->stat.start_ticks, id))
		set_text(&to, "service.instance.id", id);
	set_text(&to, "container.id", cgroup.container_id);
	set_text(&to, "k8s.pod.uid", cgroup.pod_uid);
	set_pairs(&to, facts__env(facts, "OTEL_RESOURCE_ATTRIBUTES"));
	set_service_name(&to, facts, runtime, &cgroup);

	set_sdk(&to, runtime__language(runtime));
	set_pid(&to, facts->pid, &facts->status);
	set_pairs(&to, slice_of(opts->resource_attributes));
	set(&to, "service.name", slice_of(opts->service_name));
	return to.err;
}

int discover__process(uint32_t pid, const struct discover_opts *opts, struct process **ret,
		      struct buf *why)
{
	struct facts *facts = malloc(sizeof(*facts)); /* too big for a stack */
	struct resource *resource = resource__new();
	int err = facts && resource ? 0 : -ENOMEM;

	if (!err)
		err = facts__read(pid, facts, why);
	if (!err) {
		enum runtime runtime = runtime__detect(facts);
		struct process *process = NULL;

		err = describe(facts, opts, runtime, resource);
		if (!err)
			process = process__new(pid, facts->stat.start_ticks, runtime, resource);
		if (process)
			*ret = process;
		else if (!err)
			err = -ENOMEM;
		facts__release(facts);
	}
	resource__unref(resource);
	free(facts);
	return err;
}

struct process *discover__fork(const struct process *parent, uint32_t pid, uint64_t born_ns)
{
	static const char *const own[] = { "process.vpid", NULL };
	const struct attr *id = resource__get(parent->resource, "service.instance.id");
	struct setter to = { resource__copy(parent->resource, own), 0 };
	struct process *process = NULL;
	struct proc_status status;
	char text[UUID_STR_LEN];
	struct proc_stat stat;

	if (!to.resource)
		return NULL;
	if (proc__stat(pid, &stat))
		stat.start_ticks = born_ns / (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	if (proc__status(pid, &status))
		status.vpid = 0;
	set_creation_time(&to, stat.start_ticks);
	/* one that somebody has chosen is inherited */
	if (id && instance_id(parent->pid, parent->start_ticks, text) &&
	    slice_eq(id->s, slice_of(text)) && instance_id(pid, stat.start_ticks, text))
		set_text(&to, "service.instance.id", text);
	set_pid(&to, pid, &status);
	if (!to.err)
		process = process__new(pid, stat.start_ticks, parent->runtime, to.resource);
	resource__unref(to.resource);
	return process;
}

struct process *discover__exec(const struct process *before, const char *name)
{
	static const char *const own[] = {
		"process.executable.path",
		"process.executable.build_id.gnu",
		"process.executable.build_id.go",
		"process.command",
		"process.runtime.name",
		"process.runtime.version",
		NULL,
	};
	const struct attr *exe = resource__get(before->resource, "process.executable.name");
	struct setter to = { resource__copy(before->resource, own), 0 };
	struct process *process = NULL;

	if (!to.resource)
		return NULL;
	/* a service's name that somebody has chosen is inherited */
	if (exe && slice_eq(resource__service_name(before->resource), exe->s))
		set_text(&to, "service.name", name);
	set_text(&to, "process.executable.name", name);
	set_sdk(&to, runtime__language(RUNTIME_NATIVE));
	if (!to.err)
		process =
			process__new(before->pid, before->start_ticks, RUNTIME_NATIVE, to.resource);
	resource__unref(to.resource);
	return process;
}

struct resource *discover__host_resource(void)
{
	struct resource *resource = resource__new();
	struct setter to = { resource, 0 };

	if (!resource)
		return NULL;
	set_sdk(&to, "cpp");
	set_text(&to, "service.name", "spanprobe");
	if (!to.err)
		to.err = host__describe(resource);
	if (to.err) {
		resource__unref(resource);
		return NULL;
	}
	return resource;
}
