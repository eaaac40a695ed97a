// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "grow.h"
#include "loss.h"
#include "spanprobe.skel.h"

#define CPUS_MAX 1024 /* of the sums over per-CPU counters */

struct load {
	struct spanprobe_bpf *skeleton;
	struct rings *rings;
	struct grow *grow;
	int cpus;
	/* of the drain that is running */
	int (*push)(void *ctx, void *record, size_t size);
	void *push_ctx;
};

/* libbpf's words while an object is being loaded; libbpf has one print function per process. */
static struct buf *load_words;

static int keep_words(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[1024];

	if (level > LIBBPF_WARN || !load_words)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	/* the verifier's log is long, and its end is what matters */
	if (load_words->n + strlen(line) > 8192)
		buf__clear(load_words);
	buf__puts(load_words, line);
	return 0;
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t power = 1;

	while (power < n && power < (1u << 31))
		power <<= 1;
	return power;
}

static void settings__defaults(struct settings *settings, int cpus)
{
	uint32_t page = sysconf(_SC_PAGESIZE);

	settings->agent_pid = getpid();
	if (!settings->ring_count)
		settings->ring_count = cpus;
	settings->ring_count = power_of_two(settings->ring_count);
	if (settings->ring_count > RINGS_MAX)
		settings->ring_count = RINGS_MAX;
	if (!settings->ring_bytes)
		settings->ring_bytes = RING_BYTES_DEFAULT / settings->ring_count;
	settings->ring_bytes = power_of_two(settings->ring_bytes);
	if (settings->ring_bytes < page)
		settings->ring_bytes = page;
	if (!settings->wake_bytes)
		settings->wake_bytes = settings->ring_bytes / 4;
	settings->wake_bytes = power_of_two(settings->wake_bytes);
	if (!settings->head_bytes)
		settings->head_bytes = HEAD_BYTES_DEFAULT;
}

/* Programs that the agent runs itself, whatever the family. */
static bool is_own_program(const char *name)
{
	return !strcmp(name, "apply_policy") || !strcmp(name, "apply_recipe") ||
	       !strcmp(name, "socket__bootstrap");
}

/* Those of runtimes hang on the processes that need them (attach__process), as many at a time where
 * the kernel can: it must know before it loads them. */
static bool is_uprobe(const struct bpf_program *program)
{
	return !strcmp(bpf_program__section_name(program), "uprobe");
}

static bool plan__has(const struct plan *plan, const char *name)
{
	for (unsigned int i = 0; i < plan->count; i++) {
		if (!strcmp(plan->probes[i].program, name))
			return true;
	}
	return false;
}

static int load__configure(struct load *load, const struct load_opts *opts)
{
	struct spanprobe_bpf *skeleton = load->skeleton;
	struct settings settings = opts->settings;
	struct bpf_program *program;
	uint32_t cpus = load->cpus;
	int err;

	settings__defaults(&settings, cpus);
	settings.uring = plan__has(opts->plan, "uring__submit");
	memcpy((void *)&skeleton->rodata->settings, &settings, sizeof(settings));
	bpf_object__for_each_program(program, skeleton->obj) {
		const char *name = bpf_program__name(program);

		bpf_program__set_autoload(program, is_own_program(name) ||
							   plan__has(opts->plan, name) ||
							   (is_uprobe(program) &&
							    opts->plan->uprobes != UPROBES_NONE));
		if (is_uprobe(program) && opts->plan->uprobes == UPROBES_MULTI)
			bpf_program__set_expected_attach_type(program, BPF_TRACE_UPROBE_MULTI);
	}
	err = bpf_map__set_max_entries(skeleton->maps.conns,
				       opts->conns_max ? opts->conns_max : CONNS_DEFAULT);
	if (!err)
		err = bpf_map__set_max_entries(skeleton->maps.rings, settings.ring_count);
	/* only the kprobe family keeps open calls */
	if (!err && strcmp(opts->plan->family, "kprobe") != 0)
		err = bpf_map__set_max_entries(skeleton->maps.calls, 1);
	return err;
}

static int load__record(void *ctx, void *record, size_t size)
{
	struct load *load = ctx;
	const struct event *event = record;

	/* a record's room in the ring is one of a few classes: what is behind its end is slack */
	if (size >= sizeof(*event) && event->size < size)
		size = event->size;
	return load->push(load->push_ctx, record, size);
}

static int load__make_rings(struct load *load)
{
	const struct settings *settings = (const void *)&load->skeleton->rodata->settings;
	int outer = bpf_map__fd(load->skeleton->maps.rings);
	int err;

	load->rings = rings__new();
	if (!load->rings)
		return -ENOMEM;
	for (uint32_t i = 0; i < settings->ring_count; i++) {
		struct ring *ring;
		int fd;

		err = ring__new(settings->ring_bytes, &ring);
		if (err)
			return err;
		err = rings__add(load->rings, ring);
		if (err) {
			ring__free(ring);
			return err;
		}
		fd = ring__fd(ring);
		err = bpf_map_update_elem(outer, &i, &fd, BPF_ANY);
		if (err)
			return err;
	}
	load->grow = grow__new(load->rings, outer, settings->ring_count,
			       settings->ring_bytes * RING_GROWS);
	return load->grow ? 0 : -ENOMEM;
}

/* The object's part of load__new, with libbpf's words caught. */
static int load__open(struct load *load, const struct load_opts *opts, struct buf *why)
{
	libbpf_print_fn_t before = libbpf_set_print(keep_words);
	struct buf words = { 0 };
	int err;

	load_words = &words;
	load->skeleton = spanprobe_bpf__open();
	err = load->skeleton ? load__configure(load, opts) : -errno;
	if (!err)
		err = spanprobe_bpf__load(load->skeleton);
	if (!err)
		err = load__make_rings(load);
	load_words = NULL;
	libbpf_set_print(before);
	if (err) {
		buf__printf(why, "the kernel refused the BPF programs: %s", strerror(-err));
		if (words.n)
			buf__printf(why, "\n%.*s", (int)words.n, words.p);
	}
	buf__release(&words);
	return err;
}

int load__new(const struct load_opts *opts, struct load **ret, struct buf *why)
{
	struct load *load = calloc(1, sizeof(*load));
	int err;

	if (!load)
		return -ENOMEM;
	load->cpus = libbpf_num_possible_cpus();
	if (load->cpus < 1)
		load->cpus = 1;
	err = load__open(load, opts, why);
	if (err) {
		load__free(load);
		if (err == -EPERM || err == -EACCES)
			return geteuid() == 0 ? -ENOTSUP : -EPERM;
		return err == -EINVAL || err == -E2BIG || err == -ENOENT ? -ENOTSUP : err;
	}
	*ret = load;
	return 0;
}

void load__free(struct load *load)
{
	if (!load)
		return;
	grow__free(load->grow);
	rings__free(load->rings);
	spanprobe_bpf__destroy(load->skeleton);
	free(load);
}

int load__trace(struct load *load, uint32_t pid)
{
	uint64_t *word;

	if (!pid || pid >= PID_LIMIT || pid == (uint32_t)getpid())
		return -EINVAL;
	word = (uint64_t *)&load->skeleton->bss->traced[pid / 64];
	__atomic_fetch_or(word, 1ull << (pid & 63), __ATOMIC_SEQ_CST);
	return 0;
}

void load__untrace(struct load *load, uint32_t pid)
{
	uint64_t *word;

	if (pid >= PID_LIMIT)
		return;
	word = (uint64_t *)&load->skeleton->bss->traced[pid / 64];
	__atomic_fetch_and(word, ~(1ull << (pid & 63)), __ATOMIC_SEQ_CST);
	bpf_map_delete_elem(bpf_map__fd(load->skeleton->maps.known), &pid);
}

static int bootstrap__run(struct load *load, uint32_t pid)
{
	union bpf_iter_link_info info = { .task.pid = pid };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link;
	char page[4096];
	int fd, err = 0;
	ssize_t n;

	link = bpf_program__attach_iter(load->skeleton->progs.socket__bootstrap, &opts);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		bpf_link__destroy(link);
		return fd;
	}
	do {
		n = read(fd, page, sizeof(page));
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	if (n < 0)
		err = -errno;
	close(fd);
	bpf_link__destroy(link);
	return err;
}

int load__bootstrap(struct load *load, uint32_t pid)
{
	libbpf_print_fn_t before = libbpf_set_print(keep_words);
	uint32_t head_bytes = 0; /* as the settings say */
	int err = bootstrap__run(load, pid);

	libbpf_set_print(before);
	if (err == -EINVAL || err == -EOPNOTSUPP)
		err = -ENOTSUP;
	if (!err)
		bpf_map_update_elem(bpf_map__fd(load->skeleton->maps.known), &pid, &head_bytes,
				    BPF_ANY);
	return err;
}

int load__apply(struct load *load, const struct capture_policy *policy)
{
	struct capture_policy copy = *policy;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &copy, .ctx_size_in = sizeof(copy));
	int err =
		bpf_prog_test_run_opts(bpf_program__fd(load->skeleton->progs.apply_policy), &opts);

	if (err)
		return err;
	return opts.retval ? -(int)opts.retval : 0;
}

static void count_recipes(struct load *load)
{
	int fd = bpf_map__fd(load->skeleton->maps.recipes);
	uint32_t key, next, count = 0, node_count = 0;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;
	struct recipe recipe;

	while (more) {
		count++;
		key = next;
		node_count += !bpf_map_lookup_elem(fd, &key, &recipe) && recipe.kind == UNITS_NODE;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
	}
	load->skeleton->bss->recipe_count = count;
	load->skeleton->bss->node_count = node_count;
}

int load__recipe(struct load *load, const struct recipe *recipe)
{
	struct recipe copy = *recipe;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &copy, .ctx_size_in = sizeof(copy));
	int err;

	/* before the first one is there: a record with a thread's count in place of a unit would lie */
	load->skeleton->bss->recipe_count++;
	err = bpf_prog_test_run_opts(bpf_program__fd(load->skeleton->progs.apply_recipe), &opts);
	if (!err)
		err = -(int)opts.retval;
	count_recipes(load);
	return err;
}

int load__recipe_counts(const struct load *load, uint32_t pid, struct recipe *ret)
{
	return bpf_map_lookup_elem(bpf_map__fd(load->skeleton->maps.recipes), &pid, ret) ? -ENOENT :
											   0;
}

int load__drain(struct load *load, int (*push)(void *ctx, void *record, size_t size), void *ctx)
{
	int n;

	load->push = push;
	load->push_ctx = ctx;
	n = rings__drain(load->rings, load__record, load);
	grow__tick(load->grow);
	return n;
}

bool load__uring(const struct load *load)
{
	return __atomic_load_n(&load->skeleton->bss->uring_used, __ATOMIC_RELAXED);
}

int load__epoll_fd(const struct load *load)
{
	return rings__epoll_fd(load->rings);
}

uint64_t load__records_lost(const struct load *load)
{
	return __atomic_load_n(&load->skeleton->bss->records_lost, __ATOMIC_RELAXED);
}

void load__losses(const struct load *load, struct stats *stats)
{
	uint64_t counts[CPUS_MAX] = { 0 };
	int fd = bpf_map__fd(load->skeleton->maps.losses);

	if (load->cpus > CPUS_MAX)
		return;
	/* the kernel's own losses come first in the list */
	for (uint32_t i = 0; i <= LOSS_IOV_CUT; i++) {
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(fd, &i, counts))
			continue;
		for (int cpu = 0; cpu < load->cpus; cpu++)
			sum += counts[cpu];
		stats->lost[i] = sum;
	}
}

size_t load__kernel_bytes(const struct load *load)
{
	struct bpf_map *map;
	size_t bytes = rings__kernel_bytes(load->rings);

	bpf_object__for_each_map(map, load->skeleton->obj)
		bytes += map__kernel_bytes(bpf_map__fd(map));
	return bytes;
}

struct bpf_object *load__object(struct load *load)
{
	return load->skeleton->obj;
}
