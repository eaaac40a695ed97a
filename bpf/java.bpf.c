// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * java: threads of a HotSpot JVM that park and unpark each other (its USDT probes, plain nops that
 * need no flag). A thread that parks says what for: Thread.parkBlocker, of which the class is told.
 * It is read by the thread itself, which holds off the collector meanwhile.
 */
#include "java.h"

/* Where the probe's first argument is: the cookie is the register's place in struct pt_regs. */
static __always_inline __u64 probe__argument(struct pt_regs *ctx)
{
	__u64 at = bpf_get_attach_cookie(ctx) & 0x78, value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)ctx + at);
	return value;
}

/* The JavaThread of the current thread, whose Parker is given; checked once per thread. 0: it is
 * none. */
static __always_inline __u64 java__current(struct recipe *recipe, __u64 pid_tgid, __u64 parker)
{
	struct thread *thread = thread__get(pid_tgid);
	__u64 java = parker - recipe->words[JAVA_PARKER];

	if (!thread)
		return 0;
	if (thread->handle == java || java__learn(recipe, thread, pid_tgid, java)) {
		recipe->read++;
		return java;
	}
	recipe->failed++;
	loss__count(LOSS_UNIT_READ, 1);
	return 0;
}

/* Tells the name of a class once. */
static __always_inline void class__tell(const struct recipe *recipe, __u64 pid_tgid, __u64 class)
{
	struct parker key = { .address = class, .pid = pid_tgid >> 32 };
	__u64 symbol, where = recipe->words[JAVA_SYMBOL];
	struct event_name *record;
	void *ring;
	__u16 length = 0;
	__u8 one = 1;

	if (bpf_map_lookup_elem(&java_classes, &key))
		return;
	ring = ring__of_cpu();
	record = record__reserve(ring, sizeof(*record), LOSS_RING_UNIT);
	if (!record)
		return;
	event__fill(&record->event, EVENT_NAME, sizeof(*record), pid_tgid, bpf_ktime_get_ns());
	record->key = class;
	__builtin_memset(record->text, 0, sizeof(record->text));
	symbol = java__word(class + recipe->words[JAVA_KLASS_NAME]);
	bpf_probe_read_user(&length, sizeof(length), (const void *)(symbol + (where >> 32)));
	bpf_probe_read_user(record->text, bound__to(length, NAME_BYTES - 1),
			    (const void *)(symbol + (__u32)where));
	ring__submit(ring, record, sizeof(*record));
	bpf_map_update_elem(&java_classes, &key, &one, BPF_ANY);
}

/* thread__park__begin(parker, is absolute, time) */
SEC("uprobe")
int java__park(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), java, object;
	struct recipe *recipe = recipe__of(pid_tgid >> 32, UNITS_JAVA);
	struct event_unit park = { .change = UNIT_PARK };

	if (!recipe)
		return 0;
	java = java__current(recipe, pid_tgid, probe__argument(ctx));
	if (!java)
		return 0;
	object = java__word(java__word(java + recipe->words[JAVA_THREAD_OBJECT]));
	/* a virtual thread that parks in its place has its blocker elsewhere */
	if (object && (!recipe->words[JAVA_VTHREAD] ||
		       object == java__word(java__word(java + recipe->words[JAVA_VTHREAD]))))
		park.other_unit =
			java__reference(recipe, object + recipe->words[JAVA_PARK_BLOCKER]);
	if (park.other_unit)
		park.arg = java__class_of(recipe, park.other_unit);
	if (park.arg)
		class__tell(recipe, pid_tgid, park.arg);
	park.other_tid = java__word(java + recipe->words[JAVA_STACK_BASE]) - ctx->sp;
	unit__emit(pid_tgid, bpf_ktime_get_ns(), &park);
	return 0;
}

/* thread__unpark(parker): before the permit is given */
SEC("uprobe")
int java__unpark(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct event_unit unpark = { .change = UNIT_UNPARK };
	struct parker key = { .pid = pid_tgid >> 32 };
	const struct recipe *recipe = recipe__of(key.pid, UNITS_JAVA);
	struct thread *thread = NULL;
	__u32 *tid;

	if (!recipe)
		return 0;
	key.address = probe__argument(ctx);
	tid = bpf_map_lookup_elem(&parkers, &key);
	if (tid) {
		unpark.other_tid = *tid;
		thread = bpf_map_lookup_elem(&threads, tid);
	}
	if (thread && thread->handle && recipe->words[JAVA_WORKER])
		unpark.other_unit = JAVA_UNIT_THREAD | java__task(recipe, thread)
							       << JAVA_UNIT_TASK_SHIFT;
	unit__emit(pid_tgid, bpf_ktime_get_ns(), &unpark);
	return 0;
}

/* gc__begin: objects will move */
SEC("uprobe")
int java__gc(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct recipe *recipe = recipe__of(pid_tgid >> 32, UNITS_JAVA);
	struct event_unit gc = { .change = UNIT_GC };

	if (!recipe)
		return 0;
	recipe->words[JAVA_EPOCH]++;
	unit__emit(pid_tgid, bpf_ktime_get_ns(), &gc);
	return 0;
}

/* gc__end: objects have moved */
SEC("uprobe")
int java__gc_end(struct pt_regs *ctx)
{
	struct recipe *recipe = recipe__of(bpf_get_current_pid_tgid() >> 32, UNITS_JAVA);

	if (recipe)
		recipe->words[JAVA_EPOCH]++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
