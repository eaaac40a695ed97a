// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Java on HotSpot: its USDT probes tell when a thread parks and whom another one unparks, and
 * what it parks for stands in Thread.parkBlocker. Where that is follows from what the JVM exports
 * (hotspot.h) and from the class of the threads themselves; where a thread's Parker is from the
 * instruction in front of the probe. The kernel side checks it all once for each thread: the
 * JavaThread that it found must have the id of the thread that runs.
 *
 * Where that cannot be had (before 17, collectors that move objects while threads run, headers
 * without a class pointer) threads are followed without it: by their wakes, or, where virtual
 * threads may run on them, by themselves alone.
 */
#include <errno.h>
#include <string.h>

#include "code/insn.h"
#include "code/memory.h"
#include "code/usdt.h"
#include "runtime/java.h"
#include "runtime/module.h"

#define THREADS_MAX 64 /* that are looked at for one whose class is known */
#define SUPERS_MAX  8
#define GC_PROBES   8

static uint64_t offset_of(const struct jvm *jvm, enum wanted what)
{
	return jvm->field[what].at;
}

/* Another name, of other releases, for the same thing. */
static void or_else(struct jvm *jvm, enum wanted what, enum wanted old)
{
	if (!jvm->field[what].found)
		jvm->field[what] = jvm->field[old];
}

/* The first thread is listed when flags and heap are settled. */
static bool has_threads(const struct jvm *jvm)
{
	uint32_t pid = jvm->libjvm->pid, count = 0;
	uint64_t list = 0;

	return !memory__word(pid, offset_of(jvm, THREAD_LIST), &list) && list &&
	       !memory__read(pid, list + offset_of(jvm, LIST_LENGTH), &count, sizeof(count)) &&
	       count;
}

static int look_up(struct jvm *jvm, struct buf *why)
{
	static const struct hotspot_field wanted[WANTED_COUNT] = {
		[THREAD_LIST] = HOTSPOT_FIELD("ThreadsSMRSupport", "_java_thread_list"),
		[LIST_LENGTH] = HOTSPOT_FIELD("ThreadsList", "_length"),
		[LIST_THREADS] = HOTSPOT_FIELD("ThreadsList", "_threads"),
		[OSTHREAD] = HOTSPOT_FIELD("Thread", "_osthread"),
		[OSTHREAD_OLD] = HOTSPOT_FIELD("JavaThread", "_osthread"),
		[OSTHREAD_ID] = HOTSPOT_FIELD("OSThread", "_thread_id"),
		[STACK_BASE] = HOTSPOT_FIELD("JavaThread", "_stack_base"),
		[THREAD_OBJECT] = HOTSPOT_FIELD("JavaThread", "_threadObj"),
		[VTHREAD] = HOTSPOT_FIELD("JavaThread", "_vthread"),
		[KLASS_OFFSET] = HOTSPOT_FIELD("oopDesc", "_metadata._klass"),
		[KLASS_NAME] = HOTSPOT_FIELD("Klass", "_name"),
		[KLASS_SUPER] = HOTSPOT_FIELD("Klass", "_super"),
		[SYMBOL_LENGTH] = HOTSPOT_FIELD("Symbol", "_length"),
		[SYMBOL_BODY] = HOTSPOT_FIELD("Symbol", "_body"),
		[OOP_BASE] = HOTSPOT_FIELD("CompressedOops", "_base"),
		[OOP_SHIFT] = HOTSPOT_FIELD("CompressedOops", "_shift"),
		[KLASS_BASE] = HOTSPOT_FIELD("CompressedKlassPointers", "_base"),
		[KLASS_SHIFT] = HOTSPOT_FIELD("CompressedKlassPointers", "_shift"),
		[OOP_BASE_OLD] = HOTSPOT_FIELD("CompressedOops", "_narrow_oop._base"),
		[OOP_SHIFT_OLD] = HOTSPOT_FIELD("CompressedOops", "_narrow_oop._shift"),
		[KLASS_BASE_OLD] = HOTSPOT_FIELD("CompressedKlassPointers", "_narrow_klass._base"),
		[KLASS_SHIFT_OLD] =
			HOTSPOT_FIELD("CompressedKlassPointers", "_narrow_klass._shift"),
	};
	static const struct hotspot_flag flags[FLAG_COUNT] = {
		[USE_OOPS] = { .name = "UseCompressedOops" },
		[USE_CLASSES] = { .name = "UseCompressedClassPointers" },
		[USE_COMPACT] = { .name = "UseCompactObjectHeaders" },
		[USE_G1] = { .name = "UseG1GC" },
		[USE_PARALLEL] = { .name = "UseParallelGC" },
		[USE_SERIAL] = { .name = "UseSerialGC" },
	};
	int err;

	memcpy(jvm->field, wanted, sizeof(wanted));
	memcpy(jvm->flag, flags, sizeof(flags));
	err = hotspot__fields(jvm->libjvm, jvm->field, WANTED_COUNT);
	if (!err && jvm->field[THREAD_LIST].found && !has_threads(jvm)) {
		buf__puts(why, "it has not started yet");
		return -EAGAIN;
	}
	if (!err)
		err = hotspot__flags(jvm->libjvm, jvm->flag, FLAG_COUNT);
	if (err) {
		buf__puts(why, "libjvm.so does not tell of itself");
		return err;
	}
	or_else(jvm, OSTHREAD, OSTHREAD_OLD);
	or_else(jvm, OOP_BASE, OOP_BASE_OLD);
	or_else(jvm, OOP_SHIFT, OOP_SHIFT_OLD);
	or_else(jvm, KLASS_BASE, KLASS_BASE_OLD);
	or_else(jvm, KLASS_SHIFT, KLASS_SHIFT_OLD);
	for (int i = 0; i < WANTED_COUNT; i++) {
		if (jvm->field[i].found || i == VTHREAD || i == OSTHREAD_OLD || i >= OOP_BASE_OLD)
			continue;
		buf__printf(why, "libjvm.so has no %s::%s", jvm->field[i].type,
			    jvm->field[i].field);
		return -ENOTSUP;
	}
	return 0;
}

/* What the kernel side can read: objects that stay in place while their thread runs, with a class
 * pointer in each. */
static int check_forms(const struct jvm *jvm, struct buf *why)
{
	if (strcmp(jvm->field[THREAD_OBJECT].is, "OopHandle") != 0)
		buf__puts(why, "Java before 17");
	else if (!jvm->flag[USE_G1].value && !jvm->flag[USE_PARALLEL].value &&
		 !jvm->flag[USE_SERIAL].value)
		buf__puts(why, "its collector moves objects while threads run");
	else if (jvm->flag[USE_COMPACT].value)
		buf__puts(why, "compact object headers");
	else
		return 0;
	return -ENOTSUP;
}

static int read_forms(const struct jvm *jvm, struct buf *why)
{
	__u64 *words = jvm->recipe->words;
	uint32_t oop_shift = 0, klass_shift = 0, pid = jvm->libjvm->pid;
	uint64_t oop_base = 0, klass_base = 0;
	int err = memory__word(pid, offset_of(jvm, OOP_BASE), &oop_base);

	if (!err)
		err = memory__word(pid, offset_of(jvm, KLASS_BASE), &klass_base);
	if (!err)
		err = memory__read(pid, offset_of(jvm, OOP_SHIFT), &oop_shift, 4);
	if (!err)
		err = memory__read(pid, offset_of(jvm, KLASS_SHIFT), &klass_shift, 4);
	if (!err && (oop_shift > 7 || klass_shift > 15))
		err = -ENOTSUP;
	if (err) {
		buf__puts(why, "the form of its references");
		return err;
	}
	words[JAVA_OOP_BASE] = oop_base;
	words[JAVA_KLASS_BASE] = klass_base;
	words[JAVA_FORMS] = oop_shift | klass_shift << 8;
	if (jvm->flag[USE_OOPS].value)
		words[JAVA_FORMS] |= JAVA_OOP_NARROW;
	if (jvm->flag[USE_CLASSES].value)
		words[JAVA_FORMS] |= JAVA_KLASS_NARROW;
	words[JAVA_OSTHREAD] = offset_of(jvm, OSTHREAD) | offset_of(jvm, OSTHREAD_ID) << 32;
	words[JAVA_STACK_BASE] = offset_of(jvm, STACK_BASE);
	words[JAVA_THREAD_OBJECT] = offset_of(jvm, THREAD_OBJECT);
	words[JAVA_VTHREAD] = offset_of(jvm, VTHREAD);
	words[JAVA_KLASS_OFFSET] = offset_of(jvm, KLASS_OFFSET);
	words[JAVA_KLASS_NAME] = offset_of(jvm, KLASS_NAME);
	words[JAVA_SYMBOL] = offset_of(jvm, SYMBOL_LENGTH) << 32 | offset_of(jvm, SYMBOL_BODY);
	return 0;
}

/* --- the class of threads ----------------------------------------------------------------------- */

uint64_t java__class_of(const struct jvm *jvm, uint64_t object)
{
	const __u64 *words = jvm->recipe->words;
	uint64_t at = object + words[JAVA_KLASS_OFFSET], klass = 0;
	uint32_t narrow = 0;

	if (!(words[JAVA_FORMS] & JAVA_KLASS_NARROW))
		return memory__word(jvm->libjvm->pid, at, &klass) ? 0 : klass;
	if (memory__read(jvm->libjvm->pid, at, &narrow, sizeof(narrow)) || !narrow)
		return 0;
	return words[JAVA_KLASS_BASE] + ((uint64_t)narrow << (words[JAVA_FORMS] >> 8 & 15));
}

uint64_t java__reference(const struct jvm *jvm, uint64_t address)
{
	const __u64 *words = jvm->recipe->words;
	uint64_t object = 0;
	uint32_t narrow = 0;

	if (!(words[JAVA_FORMS] & JAVA_OOP_NARROW))
		return memory__word(jvm->libjvm->pid, address, &object) ? 0 : object;
	if (memory__read(jvm->libjvm->pid, address, &narrow, sizeof(narrow)) || !narrow)
		return 0;
	return words[JAVA_OOP_BASE] + ((uint64_t)narrow << (words[JAVA_FORMS] & 7));
}

uint64_t java__thread_object(const struct jvm *jvm, uint64_t java)
{
	uint32_t pid = jvm->libjvm->pid;
	uint64_t handle = 0, object = 0;

	if (memory__word(pid, java + offset_of(jvm, THREAD_OBJECT), &handle) || !handle ||
	    memory__word(pid, handle, &object))
		return 0;
	return object;
}

/* The class java.lang.Thread, by the superclasses of that JavaThread's object; 0: not found. */
static uint64_t thread_class(const struct jvm *jvm, uint64_t java)
{
	uint32_t pid = jvm->libjvm->pid;
	uint64_t object = java__thread_object(jvm, java), klass;
	char name[HOTSPOT_NAME];

	klass = object ? java__class_of(jvm, object) : 0;
	for (int i = 0; i < SUPERS_MAX && klass; i++) {
		if (hotspot__class_name(jvm->libjvm, klass, name, sizeof(name)))
			return 0;
		if (!strcmp(name, "java/lang/Thread"))
			return klass;
		if (memory__word(pid, klass + offset_of(jvm, KLASS_SUPER), &klass))
			return 0;
	}
	return 0;
}

static int find_blocker(struct jvm *jvm, struct buf *why)
{
	uint64_t list = 0, threads = 0, java = 0, klass = 0;
	uint32_t pid = jvm->libjvm->pid, count = 0, at = 0;
	int err = memory__word(pid, offset_of(jvm, THREAD_LIST), &list);

	if (!err && list) {
		err = memory__read(pid, list + offset_of(jvm, LIST_LENGTH), &count, sizeof(count));
		if (!err)
			err = memory__word(pid, list + offset_of(jvm, LIST_THREADS), &threads);
	}
	for (uint32_t i = 0; !err && !klass && i < count && i < THREADS_MAX; i++) {
		err = memory__word(pid, threads + 8ull * i, &java);
		if (!err)
			klass = thread_class(jvm, java);
	}
	if (!klass) { /* it begins, or moves its objects right now */
		buf__puts(why, "its threads were not found");
		return -EAGAIN;
	}
	err = hotspot__field_offset(jvm->libjvm, klass, "parkBlocker", &at);
	if (err || at < 8 || at > 4096) {
		buf__puts(why, "java.lang.Thread has no parkBlocker that can be found");
		return -ENOTSUP;
	}
	jvm->recipe->words[JAVA_PARK_BLOCKER] = at;
	jvm->thread_class = klass;
	jvm->threads = threads;
	jvm->thread_count = count;
	return 0;
}

/* --- probes ------------------------------------------------------------------------------------- */

/* bytes of struct pt_regs before each register */
static const uint8_t pt_regs_at[X86_R15 + 1] = {
	[X86_R15] = 0,	[X86_R14] = 8,	[X86_R13] = 16, [X86_R12] = 24,	 [X86_RBP] = 32,
	[X86_RBX] = 40, [X86_R11] = 48, [X86_R10] = 56, [X86_R9] = 64,	 [X86_R8] = 72,
	[X86_RAX] = 80, [X86_RCX] = 88, [X86_RDX] = 96, [X86_RSI] = 104, [X86_RDI] = 112,
};

static int add_usdt(const struct image *libjvm, struct runtime_setup *setup, const char *program,
		    const char *name, struct usdt_probe *ret, struct buf *why)
{
	struct usdt_probe places[GC_PROBES];
	bool bare = !ret; /* no argument is needed */
	int found = usdt__find(libjvm, "hotspot", name, places, GC_PROBES);

	if (found < 1 || found > (bare ? GC_PROBES : 1) || places[0].semaphore ||
	    (!bare && (places[0].args[0].kind != USDT_REG || places[0].count < 1 ||
		       places[0].args[0].reg > X86_R15 || places[0].args[0].size != 8))) {
		buf__printf(why, "libjvm.so has no probe %s, or an unknown form of it", name);
		return -ENOTSUP;
	}
	for (int i = 0; i < found; i++) {
		struct uprobe *probe =
			runtime_setup__probe(setup, program, libjvm, places[i].offset);

		if (probe && !bare)
			probe->cookie = pt_regs_at[places[i].args[0].reg];
	}
	if (ret)
		*ret = places[0];
	return 0;
}

#define BEFORE_PROBE 64

struct sum { /* a register as another one plus a number */
	enum x86_reg base;
	int64_t disp;
};

/* What the instruction leaves in the registers, as far as it is such a sum. */
static void follow(const struct insn *insn, struct sum *sums)
{
	const struct operand *to = &insn->operands[0], *from = &insn->operands[1];
	struct sum sum = { X86_NONE, 0 };

	if (insn->op == INSN_LEA && insn->count == 2 && from->index == X86_NONE &&
	    from->base <= X86_R15)
		sum = (struct sum){ from->base, from->disp };
	if (insn->op == INSN_MOV && insn->count == 2 && from->kind == OPERAND_REG &&
	    from->size == 8 && from->reg <= X86_R15)
		sum = sums[from->reg];
	for (int reg = 0; reg <= X86_R15; reg++) {
		if (insn->writes & X86_BIT(reg))
			sums[reg] = (struct sum){ X86_NONE, 0 };
	}
	if (to->kind == OPERAND_REG && to->size == 8 && to->reg <= X86_R15)
		sums[to->reg] = sum;
}

/*
 * The probe's argument is &thread->_parker: the compiler has added the offset of the Parker to the
 * thread, right before the probe. Where the instructions begin is not known: decoding from a wrong
 * place soon falls into step.
 */
static int find_parker(const struct image *libjvm, const struct usdt_probe *park, __u64 *ret)
{
	uint8_t code[BEFORE_PROBE];
	struct insn insn;
	size_t at;

	if (park->offset < BEFORE_PROBE ||
	    image__read(libjvm, park->offset - BEFORE_PROBE, code, sizeof(code)))
		return -ENOTSUP;
	for (size_t start = 0; start < BEFORE_PROBE; start++) {
		struct sum sums[X86_R15 + 1];

		for (int reg = 0; reg <= X86_R15; reg++)
			sums[reg] = (struct sum){ X86_NONE, 0 };
		for (at = start; at < BEFORE_PROBE; at += insn.length) {
			if (insn__decode(code + at, BEFORE_PROBE - at, 0, &insn))
				break;
			follow(&insn, sums);
		}
		const struct sum *sum = &sums[park->args[0].reg];

		if (at != BEFORE_PROBE || sum->base == X86_NONE || sum->disp < 8 ||
		    sum->disp > 65536)
			continue;
		*ret = (__u64)sum->disp;
		return 0;
	}
	return -ENOTSUP;
}

static int add_probes(const struct jvm *jvm, struct runtime_setup *setup, struct buf *why)
{
	struct usdt_probe park, unpark;
	int err = add_usdt(jvm->libjvm, setup, "java__park", "thread__park__begin", &park, why);

	if (!err)
		err = add_usdt(jvm->libjvm, setup, "java__unpark", "thread__unpark", &unpark, why);
	if (!err)
		err = add_usdt(jvm->libjvm, setup, "java__gc", "gc__begin", NULL, why);
	if (!err)
		err = add_usdt(jvm->libjvm, setup, "java__gc_end", "gc__end", NULL, why);
	if (err)
		return err;
	err = find_parker(jvm->libjvm, &park, &jvm->recipe->words[JAVA_PARKER]);
	if (err)
		buf__puts(why, "where its threads keep their Parker was not found");
	return err;
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* Without parks; why stays for the user to read. Virtual threads have come with 21. */
static void fall_back(const struct jvm *jvm, struct runtime_setup *setup)
{
	memset(&setup->recipe, 0, sizeof(setup->recipe));
	setup->count = 0;
	if (jvm->field[VTHREAD].found) {
		setup->recipe.kind = UNITS_JAVA;
		setup->recipe.words[JAVA_VTHREAD] = offset_of(jvm, VTHREAD);
		return;
	}
	setup->recipe.kind = UNITS_THREADS;
	setup->recipe.flags = RECIPE_WAKES;
}

static int java__prepare(const struct process *process, struct runtime_setup *ret, struct buf *why)
{
	struct jvm jvm = { .recipe = &ret->recipe };
	struct image *libjvm = NULL;
	int err = image__of_process(process->pid, "libjvm.so", &libjvm);

	if (err) {
		buf__puts(why, "it has no libjvm.so");
		return err == -ENOENT ? -EAGAIN : err;
	}
	jvm.libjvm = libjvm;
	err = runtime_setup__keep(ret, libjvm);
	if (err)
		return err;
	ret->recipe.kind = UNITS_JAVA;
	err = look_up(&jvm, why);
	if (!err)
		err = check_forms(&jvm, why);
	if (!err)
		err = read_forms(&jvm, why);
	if (!err)
		err = find_blocker(&jvm, why);
	if (!err)
		err = add_probes(&jvm, ret, why);
	if (!err)
		ret->more = !java__find_tasks(&jvm);
	if (err && err != -EAGAIN && err != -ESRCH) {
		fall_back(&jvm, ret);
		err = 0;
	}
	return err;
}

const struct runtime_module java_module = { "java", java__prepare };
