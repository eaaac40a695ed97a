// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "attach.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "reaper.h"

struct process_links {
	uint32_t pid;
	unsigned int count, cap;
	UT_hash_handle hh;
	struct bpf_link *links[];
};

/* of one demand */
struct links {
	unsigned int users;
	unsigned int count;
	struct bpf_link *links[PLAN_PROBES_MAX];
};

struct attach {
	struct load *load;
	struct plan plan;
	struct links links[DEMAND_COUNT];
	struct process_links *processes;
	struct reaper *reaper;
};

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* Those of the plan that are for one demand. */
static int attach__planned(struct attach *attach, enum demand demand, struct buf *why)
{
	struct links *links = &attach->links[demand];
	libbpf_print_fn_t before = libbpf_set_print(silent);
	int err = 0;

	for (unsigned int i = 0; i < attach->plan.count && !err; i++) {
		const struct plan_probe *probe = &attach->plan.probes[i];
		struct bpf_program *program;
		struct bpf_link *link;

		if (probe->demand != demand)
			continue;
		program = bpf_object__find_program_by_name(load__object(attach->load),
							   probe->program);
		link = program ? bpf_program__attach(program) : NULL;
		if (link) {
			links->links[links->count++] = link;
		} else if (!probe->optional) {
			err = program ? -errno : -ENOENT;
			buf__printf(why, "cannot attach to %s: %s", probe->hook, strerror(-err));
		}
	}
	libbpf_set_print(before);
	return err;
}

int attach__new(struct load *load, const struct plan *plan, struct attach **ret, struct buf *why)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	int err;

	if (!attach)
		return -ENOMEM;
	attach->load = load;
	attach->plan = *plan;
	attach->reaper = reaper__new();
	err = attach->reaper ? attach__planned(attach, DEMAND_NONE, why) : -ENOMEM;
	if (err) {
		attach__free(attach);
		return err;
	}
	*ret = attach;
	return 0;
}

static void detach(struct bpf_link **links, unsigned int *count)
{
	while (*count)
		bpf_link__destroy(links[--*count]);
}

static void process_links__free(struct attach *attach, struct process_links *process)
{
	HASH_DEL(attach->processes, process);
	while (process->count)
		reaper__take(attach->reaper, process->links[--process->count]);
	free(process);
}

void attach__free(struct attach *attach)
{
	struct process_links *process, *next;

	if (!attach)
		return;
	/* the probes of runtimes last: whatever else is seen needs what they tell */
	for (int i = 0; i < DEMAND_COUNT; i++)
		detach(attach->links[i].links, &attach->links[i].count);
	HASH_ITER(hh, attach->processes, process, next)
		process_links__free(attach, process);
	reaper__free(attach->reaper);
	free(attach);
}

static struct bpf_link *uprobe__attach(const struct attach *attach, uint32_t pid,
				       const struct uprobe *probe)
{
	struct bpf_program *program =
		bpf_object__find_program_by_name(load__object(attach->load), probe->program);

	if (!program) {
		errno = ENOENT;
		return NULL;
	}
	if (attach->plan.uprobes == UPROBES_MULTI) {
		unsigned long offset = probe->offset;
		__u64 cookie = probe->cookie;
		LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = &offset, .cookies = &cookie,
			    .cnt = 1, .retprobe = probe->at_return);

		return bpf_program__attach_uprobe_multi(program, (pid_t)pid, probe->path, NULL,
							&opts);
	}
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = probe->cookie,
		    .retprobe = probe->at_return);

	return bpf_program__attach_uprobe_opts(program, (pid_t)pid, probe->path, probe->offset,
					       &opts);
}

static int attach_all(struct attach *attach, struct process_links *process,
		      const struct uprobe *probes, unsigned int count, struct buf *why)
{
	libbpf_print_fn_t before = libbpf_set_print(silent);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		struct bpf_link *link = uprobe__attach(attach, process->pid, &probes[i]);

		if (link) {
			process->links[process->count++] = link;
			continue;
		}
		err = -errno;
		buf__printf(why, "cannot attach %s: %s", probes[i].program, strerror(-err));
	}
	libbpf_set_print(before);
	return err;
}

int attach__process(struct attach *attach, uint32_t pid, const struct uprobe *probes,
		    unsigned int count, struct buf *why)
{
	struct process_links *process;
	int err;

	attach__drop_process(attach, pid);
	if (count && attach->plan.uprobes == UPROBES_NONE) {
		buf__puts(why, "this kernel has no uprobes");
		return -ENOTSUP;
	}
	process = calloc(1, sizeof(*process) + count * sizeof(process->links[0]));
	if (!process)
		return -ENOMEM;
	process->pid = pid;
	process->cap = count;
	HASH_ADD(hh, attach->processes, pid, sizeof(pid), process);
	err = attach_all(attach, process, probes, count, why);
	if (err)
		process_links__free(attach, process);
	return err;
}

static struct process_links *process_links__find(const struct attach *attach, uint32_t pid)
{
	struct process_links *process;

	HASH_FIND(hh, attach->processes, &pid, sizeof(pid), process);
	return process;
}

void attach__less(struct attach *attach, uint32_t pid, unsigned int keep)
{
	struct process_links *process = process_links__find(attach, pid);

	while (process && process->count > keep)
		reaper__take(attach->reaper, process->links[--process->count]);
}

int attach__again(struct attach *attach, uint32_t pid, const struct uprobe *probes,
		  unsigned int count, struct buf *why)
{
	struct process_links *process = process_links__find(attach, pid);

	if (!process || count > process->cap - process->count)
		return -EINVAL;
	return attach_all(attach, process, probes, count, why);
}

void attach__drop_process(struct attach *attach, uint32_t pid)
{
	struct process_links *process = process_links__find(attach, pid);

	if (process)
		process_links__free(attach, process);
}

int attach__demand(struct attach *attach, enum demand demand, struct buf *why)
{
	return attach->links[demand].users++ ? 0 : attach__planned(attach, demand, why);
}

void attach__demand_less(struct attach *attach, enum demand demand)
{
	struct links *links = &attach->links[demand];

	if (links->users && --links->users == 0)
		detach(links->links, &links->count);
}
