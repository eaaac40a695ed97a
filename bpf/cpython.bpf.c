// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * cpython: which context was copied from which, and what went through thread-pool queues. The
 * places are found by user/runtime/cpython.c.
 */
#include "runtime.h"
#include "table.h"

static __always_inline void cpython__tell(enum unit_change change, __u64 other_unit, __u64 arg)
{
	struct event_unit what = { .change = change, .other_unit = other_unit, .arg = arg };
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	if (recipe__of(pid_tgid >> 32, UNITS_CPYTHON))
		unit__emit(pid_tgid, bpf_ktime_get_ns(), &what);
}

/* Is the thread in the first context that it entered after its last event outside of any? */
static __always_inline bool cpython__in_read(const struct recipe *recipe)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct thread *thread = bpf_map_lookup_elem(&threads, &tid);
	__u64 fs = bpf_get_current_task_btf()->thread.fsbase, state;

	if (!recipe->words[CPYTHON_LOOP] || !thread || !thread->words[0])
		return false;
	state = user__read64(fs + recipe->words[CPYTHON_FS_STATE]);
	return user__read64(state + recipe->words[CPYTHON_STATE_CONTEXT] + 8) == thread->words[0];
}

/* PyContext_CopyCurrent returns: the copy */
SEC("uprobe")
int cpython__copied(struct pt_regs *regs)
{
	struct recipe *recipe = recipe__of(bpf_get_current_pid_tgid() >> 32, UNITS_CPYTHON);

	if (recipe && PT_REGS_RC(regs))
		cpython__tell(UNIT_BIND, PT_REGS_RC(regs),
			      cpython__in_read(recipe) ? BIND_IN_READ : BIND_COPY);
	return 0;
}

/* A context was made in another way: its address means nothing that it may have meant before. */
SEC("uprobe")
int cpython__made(struct pt_regs *regs)
{
	if (PT_REGS_RC(regs))
		cpython__tell(UNIT_BIND, PT_REGS_RC(regs), BIND_FRESH);
	return 0;
}

static __always_inline struct sock *cpython__socket(__u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(bpf_get_current_task_btf(), files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file;
	struct socket *socket;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd))
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* accept() and accept4() return: a descriptor */
SEC("uprobe")
int cpython__accepted(struct pt_regs *regs)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();
	int fd = PT_REGS_RC(regs);
	struct entry *entry;
	struct sock *sk;
	__u16 family;

	if (fd < 0 || !recipe__of(pid_tgid >> 32, UNITS_CPYTHON))
		return 0;
	sk = cpython__socket(fd);
	if (!sk)
		return 0;
	family = SK(sk, __sk_common.skc_family);
	if (!sock__is_unix(family) && SK(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	entry = conn__find(sk, family);
	if (!entry)
		entry = conn__adopt(sk, family, pid_tgid, 0, 0);
	if (!entry)
		return 0;
	if (!(entry->flags & ENTRY_OPEN_SENT))
		conn__announce(sk, entry, pid_tgid, now - 1);
	cpython__tell(UNIT_ACCEPT, entry->id, 0);
	return 0;
}

/*
 * libuv's uv_stream_t, the first of uvloop's handles: a layout of many years. It is not believed but
 * checked: the handle points back to the object, and its loop knows its watcher by its descriptor.
 */
#define STREAM_WORDS  32 /* of a UVStream that are looked at */
#define HANDLE_LOOP   8
#define HANDLE_WATCH  136
#define HANDLE_FD     184
#define LOOP_WATCHERS 104

static __always_inline __u64 cpython__handle(struct recipe *recipe, __u64 stream)
{
	__u64 at = recipe->words[CPYTHON_STREAM_HANDLE], handle;

	if (at) {
		handle = user__read64(stream + at);
		return user__read64(handle) == stream ? handle : 0;
	}
	for (at = 16; at < 8 * STREAM_WORDS; at += 8) {
		handle = user__read64(stream + at);
		if (!handle || user__read64(handle) != stream)
			continue;
		recipe->words[CPYTHON_STREAM_HANDLE] = at;
		return handle;
	}
	return 0;
}

/* UVStream.write(self, ...), writelines likewise */
SEC("uprobe")
int cpython__writes(struct pt_regs *regs)
{
	struct recipe *recipe = recipe__of(bpf_get_current_pid_tgid() >> 32, UNITS_CPYTHON);
	struct entry *entry;
	struct sock *sk;
	__u64 handle;
	__u32 fd;

	if (!recipe)
		return 0;
	handle = cpython__handle(recipe, PT_REGS_PARM1(regs));
	if (!handle || bpf_probe_read_user(&fd, sizeof(fd), (void *)(handle + HANDLE_FD)) ||
	    user__read64(user__read64(user__read64(handle + HANDLE_LOOP) + LOOP_WATCHERS) +
			 8ull * fd) != handle + HANDLE_WATCH)
		return 0;
	sk = cpython__socket(fd);
	if (!sk)
		return 0;
	entry = conn__find(sk, SK(sk, __sk_common.skc_family));
	if (!entry || entry->flags & ENTRY_WRITTEN)
		return 0;
	entry->flags |= ENTRY_WRITTEN;
	cpython__tell(UNIT_WRITE, entry->id, 0);
	return 0;
}

/* _queue.SimpleQueue.put(self, args, ...): the first of them */
SEC("uprobe")
int cpython__put(struct pt_regs *regs)
{
	__u64 item = 0;

	bpf_probe_read_user(&item, sizeof(item), (const void *)PT_REGS_PARM2(regs));
	if (item)
		cpython__tell(UNIT_PUT, 0, item);
	return 0;
}

/* _queue.SimpleQueue.get returns */
SEC("uprobe")
int cpython__got(struct pt_regs *regs)
{
	if (PT_REGS_RC(regs))
		cpython__tell(UNIT_GET, 0, PT_REGS_RC(regs));
	return 0;
}
