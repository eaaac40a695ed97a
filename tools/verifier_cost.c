// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * verifier_cost BASELINE [-w]: instructions that the verifier walks for each program, against the
 * stored ones of the same kernel series. Fails when a program has grown by more than 10 %: a limit
 * of a million is met by surprise otherwise. -w prints a new baseline for this kernel instead.
 *
 * A line of the file: kernel series, program, instructions; '#' begins a comment.
 * Exit: 0 fine, 1 grown or refused, 77 nothing stored for this kernel.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "features.h"
#include "settings.h"
#include "spanprobe.skel.h"

/* "6.12" of "6.12.117+deb12-cloud-amd64" */
static void kernel_series(char *ret, size_t size)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	snprintf(ret, size, "%u.%u", major, minor);
}

/* 0: not stored */
static unsigned int stored(const char *path, const char *series, const char *program)
{
	char line[256], kernel[32], name[64];
	unsigned int count, found = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || sscanf(line, "%31s %63s %u", kernel, name, &count) != 3)
			continue;
		if (!strcmp(kernel, series) && !strcmp(name, program))
			found = count;
	}
	fclose(file);
	return found;
}

static unsigned int walked(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length))
		return 0;
	return info.verified_insns;
}

static int judge(struct spanprobe_bpf *skeleton, const char *path, bool write)
{
	struct bpf_program *program;
	unsigned int known = 0, grown = 0;
	char series[32];

	kernel_series(series, sizeof(series));
	bpf_object__for_each_program(program, skeleton->obj) {
		const char *name = bpf_program__name(program);
		unsigned int now, before;

		if (!bpf_program__autoload(program))
			continue;
		now = walked(program);
		before = stored(path, series, name);
		if (write) {
			printf("%s %s %u\n", series, name, now);
			continue;
		}
		known += before > 0;
		if (before && now > before + before / 10) {
			printf("%-32s %7u instructions, stored %u: grown\n", name, now, before);
			grown++;
		} else {
			printf("%-32s %7u instructions, stored %u\n", name, now, before);
		}
	}
	if (write)
		return 0;
	if (!known) {
		printf("nothing is stored for kernel %s\n", series);
		return 77;
	}
	return grown ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct spanprobe_bpf *skeleton;
	struct bpf_program *program;
	struct features features;
	int ret;

	if (argc < 2)
		return 2;
	features__ask(&features);
	skeleton = spanprobe_bpf__open();
	if (!skeleton)
		return 1;
	bpf_map__set_max_entries(skeleton->maps.rings, 1);
	if (!features.has[FEATURE_SOCK_LENGTH]) {
		bpf_program__set_autoload(skeleton->progs.tracepoint__send, false);
		bpf_program__set_autoload(skeleton->progs.tracepoint__recv, false);
	}
	bpf_object__for_each_program(program, skeleton->obj)
		if (!features.has[FEATURE_URING] &&
		    !strncmp(bpf_program__name(program), "uring__", 7))
			bpf_program__set_autoload(program, false);
	if (spanprobe_bpf__load(skeleton))
		return 1;
	ret = judge(skeleton, argv[1], argc > 2 && !strcmp(argv[2], "-w"));
	spanprobe_bpf__destroy(skeleton);
	return ret;
}
