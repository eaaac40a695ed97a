// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the probes share: opened once. */
struct asking {
	struct btf *btf; /* the kernel's types, or NULL */
	char *reason;	 /* of the feature that is being asked for */
};

#define REASON_SIZE sizeof(((struct features *)0)->reason[0])

static bool no(struct asking *asking, const char *what, int err)
{
	if (err)
		snprintf(asking->reason, REASON_SIZE, "%s: %s", what,
			 strerror(err < 0 ? -err : err));
	else
		snprintf(asking->reason, REASON_SIZE, "%s", what);
	return false;
}

static bool ask__btf(struct asking *asking)
{
	return asking->btf ? true : no(asking, "/sys/kernel/btf/vmlinux cannot be read", 0);
}

/* mov r0, 0; exit */
static const struct bpf_insn return_0[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
	{ .code = BPF_JMP | BPF_EXIT },
};

static int load_nothing(enum bpf_prog_type type, struct bpf_prog_load_opts *opts)
{
	return bpf_prog_load(type, "spanprobe_ask", "GPL", return_0, 2, opts);
}

/* Tracing types need CAP_BPF and CAP_PERFMON: what a plain user lacks. */
static bool ask__bpf(struct asking *asking)
{
	int fd = load_nothing(BPF_PROG_TYPE_TRACEPOINT, NULL);

	if (fd < 0)
		return no(asking, "loading an empty program", fd);
	close(fd);
	return true;
}

static bool ask__ringbuf(struct asking *asking)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "spanprobe_ask", 0, 0, 4096, NULL);

	if (fd < 0)
		return no(asking, "making a ring buffer", fd);
	close(fd);
	return true;
}

/* A BTF tracepoint that exists, loaded and attached. */
static bool ask__tracepoint(struct asking *asking, const char *name)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_RAW_TP);
	char typedef_name[64];
	int id, fd, link;

	if (!asking->btf)
		return no(asking, "no BTF", 0);
	snprintf(typedef_name, sizeof(typedef_name), "btf_trace_%s", name);
	id = btf__find_by_name_kind(asking->btf, typedef_name, BTF_KIND_TYPEDEF);
	if (id < 0) {
		snprintf(asking->reason, REASON_SIZE, "no tracepoint %s", name);
		return false;
	}
	opts.attach_btf_id = id;
	fd = load_nothing(BPF_PROG_TYPE_TRACING, &opts);
	if (fd < 0)
		return no(asking, "loading a BTF tracepoint program", fd);
	link = bpf_raw_tracepoint_open(NULL, fd);
	close(fd);
	if (link < 0)
		return no(asking, "attaching to a BTF tracepoint", link);
	close(link);
	return true;
}

static bool ask__tp_btf(struct asking *asking)
{
	return ask__tracepoint(asking, "sched_process_exit");
}

static bool ask__sock_length(struct asking *asking)
{
	return ask__tracepoint(asking, "sock_send_length") &&
	       ask__tracepoint(asking, "sock_recv_length");
}

/* The tracepoints, and the form of io_uring's memory that uring.h knows. */
static bool ask__uring(struct asking *asking)
{
	if (!asking->btf || btf__find_by_name_kind(asking->btf, "iou_vec", BTF_KIND_STRUCT) < 0)
		return no(asking, "no struct iou_vec", 0);
	return ask__tracepoint(asking, "io_uring_submit_req") &&
	       ask__tracepoint(asking, "io_uring_poll_arm");
}

static bool ask__set_state(struct asking *asking)
{
	return ask__tracepoint(asking, "inet_sock_set_state") &&
	       ask__tracepoint(asking, "tcp_destroy_sock");
}

static bool ask__helper(struct asking *asking, enum bpf_prog_type type, enum bpf_func_id id)
{
	int ret = libbpf_probe_bpf_helper(type, id, NULL);

	return ret == 1 ? true : no(asking, "the verifier does not know the helper", ret);
}

static bool ask__loop(struct asking *asking)
{
	return ask__helper(asking, BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop);
}

/* libbpf does not ask for helpers of tracing programs: the enumerator in BTF is as good. */
static bool ask__pt_regs(struct asking *asking)
{
	if (!asking->btf)
		return no(asking, "no BTF", 0);
	if (btf__find_by_name_kind(asking->btf, "bpf_task_pt_regs", BTF_KIND_FUNC) < 0 &&
	    btf__find_by_name_kind(asking->btf, "btf_bpf_task_pt_regs", BTF_KIND_TYPEDEF) < 0)
		return no(asking, "no helper bpf_task_pt_regs", 0);
	return true;
}

/* The perf event of a kprobe on `function`, or a negative errno. */
static int kprobe_open(const char *function)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	FILE *file = fopen("/sys/bus/event_source/devices/kprobe/type", "re");
	int type, fd, n;

	if (!file)
		return -errno;
	n = fscanf(file, "%d", &type);
	fclose(file);
	if (n != 1)
		return -EINVAL;
	attr.type = type;
	attr.config1 = (uintptr_t)function;
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Kernels without CONFIG_KPROBES load such a program and then refuse to attach it: hence the
 * trial on the very function that is traced. */
static bool ask__kprobe(struct asking *asking)
{
	int fd = load_nothing(BPF_PROG_TYPE_KPROBE, NULL);
	int event, err = 0;

	if (fd < 0)
		return no(asking, "loading a kprobe program", fd);
	event = kprobe_open("tcp_sendmsg");
	if (event < 0)
		err = event;
	else if (ioctl(event, PERF_EVENT_IOC_SET_BPF, fd))
		err = -errno;
	if (event >= 0)
		close(event);
	close(fd);
	return err ? no(asking, "attaching a kprobe", err) : true;
}

static bool ask__uprobe(struct asking *asking)
{
	int fd;

	if (access("/sys/bus/event_source/devices/uprobe/type", R_OK))
		return no(asking, "no perf event source for uprobes", errno);
	fd = load_nothing(BPF_PROG_TYPE_KPROBE, NULL);
	if (fd < 0)
		return no(asking, "loading a uprobe program", fd);
	close(fd);
	return true;
}

/* A link on a file that has no code: a kernel that knows the kind of link looks at the file. */
static bool ask__uprobe_multi(struct asking *asking)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_UPROBE_MULTI);
	LIBBPF_OPTS(bpf_link_create_opts, link_opts);
	unsigned long offset = 0;
	int fd = load_nothing(BPF_PROG_TYPE_KPROBE, &opts), link;

	if (fd < 0)
		return no(asking, "loading a uprobe.multi program", fd);
	link_opts.uprobe_multi.path = "/";
	link_opts.uprobe_multi.offsets = &offset;
	link_opts.uprobe_multi.cnt = 1;
	link = bpf_link_create(fd, -1, BPF_TRACE_UPROBE_MULTI, &link_opts);
	close(fd);
	if (link >= 0)
		close(link);
	return link >= 0 || link == -EBADF ? true : no(asking, "making a link", link);
}

static bool ask__iter_file(struct asking *asking)
{
	if (!asking->btf ||
	    btf__find_by_name_kind(asking->btf, "bpf_iter_task_file", BTF_KIND_FUNC) < 0)
		return no(asking, "no iterator over the files of tasks", 0);
	return true;
}

static bool ask__syscall_prog(struct asking *asking)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_SLEEPABLE);
	int fd = load_nothing(BPF_PROG_TYPE_SYSCALL, &opts);

	if (fd < 0)
		return no(asking, "loading a syscall program", fd);
	close(fd);
	return true;
}

static bool (*const asks[FEATURE_COUNT])(struct asking *asking) = {
	[FEATURE_BTF] = ask__btf,
	[FEATURE_BPF] = ask__bpf,
	[FEATURE_RINGBUF] = ask__ringbuf,
	[FEATURE_TP_BTF] = ask__tp_btf,
	[FEATURE_SOCK_LENGTH] = ask__sock_length,
	[FEATURE_SET_STATE] = ask__set_state,
	[FEATURE_URING] = ask__uring,
	[FEATURE_PT_REGS] = ask__pt_regs,
	[FEATURE_KPROBE] = ask__kprobe,
	[FEATURE_ITER_FILE] = ask__iter_file,
	[FEATURE_UPROBE] = ask__uprobe,
	[FEATURE_UPROBE_MULTI] = ask__uprobe_multi,
	[FEATURE_LOOP] = ask__loop,
	[FEATURE_SYSCALL_PROG] = ask__syscall_prog,
};

static const struct {
	const char *name, *since, *remedy;
} texts[FEATURE_COUNT] = {
#define FEATURE(id, name, since, remedy) [FEATURE_##id] = { name, since, remedy },
	FEATURE_LIST(FEATURE)
#undef FEATURE
};

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

void features__ask(struct features *features)
{
	struct asking asking = { 0 };
	libbpf_print_fn_t before = libbpf_set_print(silent);

	memset(features, 0, sizeof(*features));
	asking.btf = btf__load_vmlinux_btf();
	for (int i = 0; i < FEATURE_COUNT; i++) {
		asking.reason = features->reason[i];
		features->has[i] = asks[i](&asking);
		if (features->has[i])
			features->reason[i][0] = '\0';
	}
	btf__free(asking.btf);
	libbpf_set_print(before);
}

const char *feature__name(enum feature feature)
{
	return texts[feature].name;
}

const char *feature__since(enum feature feature)
{
	return texts[feature].since;
}

const char *feature__remedy(enum feature feature)
{
	return texts[feature].remedy;
}
