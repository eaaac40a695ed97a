// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "attach.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct attach {
	unsigned int count;
	struct bpf_link *links[PLAN_PROBES_MAX];
};

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int attach__all(struct attach *attach, struct load *load, const struct plan *plan,
		       struct buf *why)
{
	for (unsigned int i = 0; i < plan->count; i++) {
		const struct plan_probe *probe = &plan->probes[i];
		struct bpf_program *program =
			bpf_object__find_program_by_name(load__object(load), probe->program);
		struct bpf_link *link = program ? bpf_program__attach(program) : NULL;
		int err = program ? -errno : -ENOENT;

		if (link) {
			attach->links[attach->count++] = link;
		} else if (!probe->optional) {
			buf__printf(why, "cannot attach to %s: %s", probe->hook, strerror(-err));
			return err;
		}
	}
	return 0;
}

int attach__new(struct load *load, const struct plan *plan, struct attach **ret, struct buf *why)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	libbpf_print_fn_t before;
	int err;

	if (!attach)
		return -ENOMEM;
	before = libbpf_set_print(silent);
	err = attach__all(attach, load, plan, why);
	libbpf_set_print(before);
	if (err) {
		attach__free(attach);
		return err;
	}
	*ret = attach;
	return 0;
}

void attach__free(struct attach *attach)
{
	if (!attach)
		return;
	while (attach->count)
		bpf_link__destroy(attach->links[--attach->count]);
	free(attach);
}
