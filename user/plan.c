// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "plan.h"

#include <errno.h>
#include <string.h>

/* A probe of a family, and when it is wanted. */
enum wanted_when { ALWAYS, WITH_UNITS, WITH_WAKES, WITH_URING, URING_MADE };

struct row {
	const char *program;
	const char *hook;
	bool optional;
	enum wanted_when when;
};

/* What every family has beside its payload probes. */
static const struct row common_rows[] = {
	{ "socket__set_state", "tp_btf/inet_sock_set_state", false, ALWAYS },
	{ "socket__destroy", "tp_btf/tcp_destroy_sock", false, ALWAYS },
	{ "task__fork", "tp_btf/sched_process_fork", false, ALWAYS },
	{ "task__exec", "tp_btf/sched_process_exec", false, ALWAYS },
	{ "task__exit", "tp_btf/sched_process_exit", false, ALWAYS },
	{ "unit__create", "tp_btf/task_newtask", false, WITH_UNITS },
	{ "unit__waking", "tp_btf/sched_waking", true, WITH_WAKES },
	{ "unit__switch", "tp_btf/sched_switch", true, WITH_WAKES },
};

static const struct row tracepoint_rows[] = {
	{ "tracepoint__send", "tp_btf/sock_send_length", false, ALWAYS },
	{ "tracepoint__recv", "tp_btf/sock_recv_length", false, ALWAYS },
	{ "uring__create", "tp_btf/io_uring_create", true, URING_MADE },
	{ "uring__submit", "tp_btf/io_uring_submit_req", true, WITH_URING },
	{ "uring__arm", "tp_btf/io_uring_poll_arm", true, WITH_URING },
};

static const struct row kprobe_rows[] = {
	{ "kprobe__tcp_sendmsg", "kprobe/tcp_sendmsg", false, ALWAYS },
	{ "kretprobe__tcp_sendmsg", "kretprobe/tcp_sendmsg", false, ALWAYS },
	{ "kprobe__tcp_recvmsg", "kprobe/tcp_recvmsg", false, ALWAYS },
	{ "kretprobe__tcp_recvmsg", "kretprobe/tcp_recvmsg", false, ALWAYS },
	{ "kprobe__tcp_cleanup_rbuf", "kprobe/tcp_cleanup_rbuf", false, ALWAYS },
	{ "kretprobe__inet_csk_accept", "kretprobe/inet_csk_accept", true, ALWAYS },
	{ "kprobe__unix_stream_sendmsg", "kprobe/unix_stream_sendmsg", true, ALWAYS },
	{ "kretprobe__unix_stream_sendmsg", "kretprobe/unix_stream_sendmsg", true, ALWAYS },
	{ "kprobe__unix_stream_recvmsg", "kprobe/unix_stream_recvmsg", true, ALWAYS },
	{ "kretprobe__unix_stream_recvmsg", "kretprobe/unix_stream_recvmsg", true, ALWAYS },
	{ "kprobe__unix_release_sock", "kprobe/unix_release_sock", true, ALWAYS },
};

static const enum feature common_needs[] = {
	FEATURE_BPF,	   FEATURE_BTF,	 FEATURE_RINGBUF,      FEATURE_TP_BTF,
	FEATURE_SET_STATE, FEATURE_LOOP, FEATURE_SYSCALL_PROG,
};

static const enum feature tracepoint_needs[] = { FEATURE_SOCK_LENGTH, FEATURE_PT_REGS };
static const enum feature kprobe_needs[] = { FEATURE_KPROBE };

#define ROWS(list)  .rows = list, .row_count = sizeof(list) / sizeof((list)[0])
#define NEEDS(list) .needs = list, .need_count = sizeof(list) / sizeof((list)[0])

/* Hook families, the best first (docs/performance.md has the costs). */
static const struct family {
	const char *name;
	const struct row *rows;
	unsigned int row_count;
	const enum feature *needs;
	unsigned int need_count;
} families[] = {
	{ .name = "tracepoint", ROWS(tracepoint_rows), NEEDS(tracepoint_needs) },
	{ .name = "kprobe", ROWS(kprobe_rows), NEEDS(kprobe_needs) },
};

#define FAMILY_COUNT (sizeof(families) / sizeof(families[0]))

static bool row__wanted(const struct row *row, const struct features *features,
			const struct plan_opts *opts)
{
	switch (row->when) {
	case WITH_UNITS:
		return opts->units;
	case WITH_WAKES:
		return opts->units && features->has[FEATURE_PT_REGS];
	case WITH_URING:
	case URING_MADE:
		return features->has[FEATURE_URING];
	default:
		return true;
	}
}

static void plan__add(struct plan *plan, const struct row *rows, unsigned int count,
		      const struct features *features, const struct plan_opts *opts)
{
	for (unsigned int i = 0; i < count && plan->count < PLAN_PROBES_MAX; i++) {
		if (!row__wanted(&rows[i], features, opts))
			continue;
		plan->probes[plan->count++] = (struct plan_probe){
			.program = rows[i].program,
			.hook = rows[i].hook,
			.optional = rows[i].optional,
			.demand = rows[i].when == WITH_WAKES ? DEMAND_WAKES :
				  rows[i].when == WITH_URING ? DEMAND_URING :
							       DEMAND_NONE,
		};
	}
}

#define PLAN_NEXT_STEP "`spanprobe doctor` tells how to mend it"

/* Appends what is missing to why; returns whether anything is. */
static bool plan__lacks(const struct features *features, const enum feature *needs,
			unsigned int count, const char *who, struct buf *why)
{
	bool lacks = false;

	for (unsigned int i = 0; i < count; i++) {
		if (features->has[needs[i]])
			continue;
		buf__printf(why, "%s lacks %s (%s)", lacks ? "," : who, feature__name(needs[i]),
			    features->reason[needs[i]][0] ? features->reason[needs[i]] :
							    feature__remedy(needs[i]));
		lacks = true;
	}
	if (lacks)
		buf__puts(why, "; ");
	return lacks;
}

static const struct family *family__find(const char *name)
{
	for (unsigned int i = 0; i < FAMILY_COUNT; i++) {
		if (!strcmp(families[i].name, name))
			return &families[i];
	}
	return NULL;
}

int plan__make(const struct features *features, const struct plan_opts *opts, struct plan *ret,
	       struct buf *why)
{
	const struct family *forced = opts->family ? family__find(opts->family) : NULL;
	unsigned int common = sizeof(common_needs) / sizeof(common_needs[0]);
	struct plan plan = { 0 };

	if (opts->family && !forced) {
		buf__printf(why, "no hook family is called '%s'; there are: ", opts->family);
		plan__families(why);
		return -EINVAL;
	}
	if (plan__lacks(features, common_needs, common, "this kernel", why)) {
		buf__puts(why, PLAN_NEXT_STEP);
		return -ENOTSUP;
	}
	for (unsigned int i = 0; i < FAMILY_COUNT; i++) {
		const struct family *family = &families[i];

		if (forced && family != forced)
			continue;
		if (plan__lacks(features, family->needs, family->need_count, family->name, why))
			continue;
		plan.family = family->name;
		plan__add(&plan, family->rows, family->row_count, features, opts);
		plan__add(&plan, common_rows, sizeof(common_rows) / sizeof(common_rows[0]),
			  features, opts);
		if (opts->units)
			plan.uprobes = features->has[FEATURE_UPROBE_MULTI] ? UPROBES_MULTI :
				       features->has[FEATURE_UPROBE]	   ? UPROBES_SINGLE :
									     UPROBES_NONE;
		*ret = plan;
		buf__clear(why);
		return 0;
	}
	buf__puts(why, PLAN_NEXT_STEP);
	return -ENOTSUP;
}

void plan__print(const struct plan *plan, struct buf *out)
{
	static const char *const uprobes[] = { "none", "one by one", "uprobe.multi" };

	buf__printf(out, "hook family: %s\nprobes of runtimes: %s\n", plan->family,
		    uprobes[plan->uprobes]);
	for (unsigned int i = 0; i < plan->count; i++)
		buf__printf(out, "  %-34s %s%s\n", plan->probes[i].hook, plan->probes[i].program,
			    plan->probes[i].demand   ? " (while it is of use)" :
			    plan->probes[i].optional ? " (optional)" :
						       "");
}

void plan__families(struct buf *out)
{
	for (unsigned int i = 0; i < FAMILY_COUNT; i++)
		buf__printf(out, "%s%s", i ? ", " : "", families[i].name);
}
