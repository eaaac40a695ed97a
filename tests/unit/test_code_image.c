// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Files of living processes. The library of these tests is built here, loaded by a child and then
 * deleted, so nothing finds it by its name. What the kernel emulates it says itself: a process that
 * it had to single-step has a mapping "[uprobes]".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "code/memory.h"
#include "code/pointers.h"
#include "code/site.h"
#include "code/symbols.h"
#include "code_files.h"

static char folder[64];

struct shape {
	const char *name, *body;
	bool emulated;
	uint8_t moved;
};

static const struct shape shapes[] = {
	{ "s_push", "push %rbx; pop %rbx; ret", true, 0 },
	{ "s_push_r12", "push %r12; pop %r12; ret", true, 0 },
	{ "s_nop", "nop; ret", true, 0 },
	{ "s_jmp", "jmp 1f; nop; 1: ret", true, 0 },
	{ "s_jmp_far", ".byte 0xe9, 0, 0, 0, 0; ret", true, 0 },
	{ "s_jcc", "je 1f; 1: ret", true, 0 },
	{ "s_jcc_far", ".byte 0x0f, 0x84, 0, 0, 0, 0; ret", true, 0 },
	{ "s_call", "call 1f; ret; 1: ret", true, 0 },
	{ "s_endbr_push", "endbr64; push %rbx; pop %rbx; ret", true, 4 },
	{ "s_check", "mov %rdi, %rax; cmp $1, %rdi; je 1f; inc %rax; 1: ret", true, 7 },
	{ "s_mov", "mov %rdi, %rax; ret", false, 0 },
	{ "s_endbr", "endbr64; ret", false, 0 },
	{ "s_sub", "sub $8, %rsp; add $8, %rsp; ret", false, 0 },
	{ "s_push_imm", "push $1; pop %rax; ret", false, 0 },
	{ "s_push_mem", "push (%rsp); pop %rax; ret", false, 0 },
	{ "s_ret", "ret", false, 0 },
};

#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static int build(void **state)
{
	char path[128], command[512];

	strcpy(folder, "/tmp/spanprobe-image-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/site.s", folder);
	FILE *file = fopen(path, "w");

	if (!file)
		return -1;
	fprintf(file, "\t.text\n");
	for (size_t i = 0; i < SHAPES; i++)
		fprintf(file,
			"\t.globl %s\n\t.type %s, @function\n\t.p2align 4\n%s:\n\t%s\n"
			"\t.size %s, . - %s\n",
			shapes[i].name, shapes[i].name, shapes[i].name, shapes[i].body,
			shapes[i].name, shapes[i].name);
	fprintf(file, "\t.section .note.GNU-stack,\"\",@progbits\n");
	fclose(file);
	snprintf(command, sizeof(command), "cc -shared -nostdlib -o %s/libsite.so %s", folder,
		 path);
	return system(command);
}

static int clean(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* --- a child that has the library, whose file is gone ---------------------------------------- */

struct child {
	pid_t pid;
	int to, from;
	uint64_t start; /* where the child has found s_push */
};

static void serve(int from, int to, const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void *start = library ? dlsym(library, shapes[0].name) : NULL;
	unsigned char index;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(to, &start, sizeof(start)) != sizeof(start))
		_exit(1);
	while (library && read(from, &index, 1) == 1) {
		long (*call)(long) = (long (*)(long))dlsym(library, shapes[index].name);

		call(1);
		if (write(to, &index, 1) != 1)
			break;
	}
	_exit(0);
}

static struct child start_child(void)
{
	struct child child;
	char path[128], copy[128], command[300];
	int to[2], from[2];

	snprintf(path, sizeof(path), "%s/libsite.so", folder);
	snprintf(copy, sizeof(copy), "%s/libsite_copy.so", folder);
	snprintf(command, sizeof(command), "cp %s %s", path, copy);
	assert_int_equal(system(command), 0);
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	child.pid = fork();
	if (child.pid == 0) {
		close(to[1]);
		close(from[0]);
		serve(to[0], from[1], copy);
	}
	close(to[0]);
	close(from[1]);
	child.to = to[1];
	child.from = from[0];
	assert_int_equal(read(child.from, &child.start, sizeof(child.start)), sizeof(child.start));
	assert_int_not_equal(child.start, 0);
	assert_int_equal(unlink(copy), 0);
	return child;
}

static void end_child(struct child *child)
{
	close(child->to);
	close(child->from);
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
}

static void call(struct child *child, unsigned char index)
{
	assert_int_equal(write(child->to, &index, 1), 1);
	assert_int_equal(read(child->from, &index, 1), 1);
}

static void deleted_library(void **state)
{
	struct child child = start_child();
	struct image *image;
	struct symbol symbol;
	uint8_t in_file[16], in_memory[16];
	uint64_t word;

	assert_int_equal(image__of_process((uint32_t)child.pid, "libsite_copy", &image), 0);
	assert_false(image->main);
	assert_non_null(strstr(image->name, "/libsite_copy.so"));
	assert_null(strstr(image->name, "deleted"));
	assert_int_equal(symbols__get(image, "s_push", &symbol), 0);
	assert_int_equal(symbol.vaddr + image->bias, child.start);
	assert_int_equal(image__read_at(image, symbol.vaddr, in_file, sizeof(in_file)), 0);
	assert_int_equal(
		memory__read((uint32_t)child.pid, child.start, in_memory, sizeof(in_memory)), 0);
	assert_memory_equal(in_file, in_memory, sizeof(in_file));
	assert_int_equal(memory__word((uint32_t)child.pid, child.start, &word), 0);
	assert_memory_equal(&word, in_file, sizeof(word));
	image__free(image);

	assert_int_equal(image__of_process((uint32_t)child.pid, "libnothing", &image), -ENOENT);
	assert_null(image);
	end_child(&child);
	assert_int_equal(image__of_process((uint32_t)child.pid, "libsite_copy", &image), -ESRCH);
	assert_int_equal(image__of_process((uint32_t)child.pid, NULL, &image), -ESRCH);
}

/* --- uprobes --------------------------------------------------------------------------------- */

static bool has_single_stepped(pid_t pid)
{
	char path[64], line[512];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "r");

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, "[uprobes]") != NULL;
	fclose(maps);
	return found;
}

static int attach(const struct image *image, uint64_t offset, int type)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = (uint32_t)type,
		.config1 = (uintptr_t)image->path,
		.config2 = offset,
	};

	return (int)syscall(SYS_perf_event_open, &attr, image->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void one_shape(unsigned char index, int type)
{
	const struct shape *shape = &shapes[index];
	struct child child = start_child();
	struct image *image;
	struct symbol symbol;
	struct site site;
	uint64_t hits = 0;

	assert_int_equal(image__of_process((uint32_t)child.pid, "libsite_copy", &image), 0);
	assert_int_equal(symbols__get(image, shape->name, &symbol), 0);
	assert_int_equal(site__entry(image, symbol.vaddr, symbol.size, SITE_ARGS, &site), 0);
	if (site.emulated != shape->emulated || site.moved != shape->moved)
		fail_msg("%s: '%s' at +%d", shape->name, site.text, site.moved);
	int fd = attach(image, site.offset, type);

	if (fd < 0)
		fail_msg("%s: '%s': %s", shape->name, site.text, strerror(errno));
	assert_false(has_single_stepped(child.pid));
	call(&child, index);
	assert_int_equal(read(fd, &hits, sizeof(hits)), sizeof(hits));
	if (hits != 1)
		fail_msg("%s: %lu hits", shape->name, hits);
	if (has_single_stepped(child.pid) == site.emulated)
		fail_msg("%s: '%s' is%s emulated", shape->name, site.text,
			 site.emulated ? " not" : "");
	close(fd);
	image__free(image);
	end_child(&child);
}

static void what_the_kernel_emulates(void **state)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	int type = 0;

	if (!file || fscanf(file, "%d", &type) != 1 || geteuid() != 0) {
		print_message("needs root and a kernel with uprobes\n");
		if (file)
			fclose(file);
		skip();
	}
	fclose(file);
	for (unsigned char i = 0; i < SHAPES; i++)
		one_shape(i, type);
}

/* --- the program itself ------------------------------------------------------------------------ */

static __thread long in_block __attribute__((used)) = 42;
static __thread char first_of_block[40] __attribute__((aligned(64), used));

static uintptr_t thread_pointer(void)
{
	uintptr_t fs;

	__asm__("mov %%fs:0, %0" : "=r"(fs));
	return fs;
}

static void own_program(void **state)
{
	struct image *image;
	struct symbol symbol;
	int64_t offset;

	assert_int_equal(image__of_process((uint32_t)getpid(), NULL, &image), 0);
	assert_true(image->main && image->x86_64);
	assert_int_equal(symbols__get(image, "own_program", &symbol), 0);
	assert_int_equal(symbol.vaddr + image->bias, (uintptr_t)own_program);
	assert_int_equal(symbol.kind, SYMBOL_CODE);
	assert_int_equal(symbols__get(image, "in_block", &symbol), 0);
	assert_int_equal(symbol.kind, SYMBOL_TLS);
	assert_int_equal(symbol.size, sizeof(long));
	assert_int_equal(symbols__tls_offset(image, &symbol, &offset), 0);
	assert_true(offset < 0);
	assert_int_equal(thread_pointer() + (uint64_t)offset, (uintptr_t)&in_block);
	assert_int_equal(symbols__get(image, "first_of_block", &symbol), 0);
	assert_int_equal(symbols__tls_offset(image, &symbol, &offset), 0);
	assert_int_equal(thread_pointer() + (uint64_t)offset, (uintptr_t)first_of_block);
	assert_int_equal(symbols__get(image, "own_program", &symbol), 0);
	assert_int_equal(symbols__tls_offset(image, &symbol, &offset), -EINVAL);
	image__free(image);

	/* errno is one of libc's: where that block is, only the loader knows */
	assert_int_equal(image__of_process((uint32_t)getpid(), "libc.so", &image), 0);
	assert_int_equal(symbols__get(image, "gnu_get_libc_version", &symbol), 0);
	assert_int_equal(symbol.vaddr + image->bias, (uintptr_t)gnu_get_libc_version);
	symbol.kind = SYMBOL_TLS;
	assert_int_equal(symbols__tls_offset(image, &symbol, &offset), -ENOTSUP);
	image__free(image);
}

/* What stripped files still have: a table of names and functions, as relocations in a PIE. */
static const struct {
	const char *name;
	void (*function)(void **state);
} named[] __attribute__((used)) = {
	{ "a name of the table", own_program },
	{ "the name of the next", deleted_library },
};

static void table_of_functions(void **state)
{
	uint64_t at = 0, places[4], words[4];
	struct image *image;
	struct symbol symbol;
	int n, found = 0;

	assert_int_equal(image__of_process((uint32_t)getpid(), NULL, &image), 0);
	/* with its NUL */
	struct slice name = slice(named[0].name, strlen(named[0].name) + 1);

	assert_int_equal(pointers__bytes(image, name, 1, &at), 0);
	assert_int_equal(at + image->bias, (uintptr_t)named[0].name);
	n = pointers__to(image, at, places, 4); /* ASan has lists of all data too */
	while (found < n && places[found] + image->bias != (uintptr_t)&named[0].name)
		found++;
	assert_true(found < n);
	assert_int_equal(pointers__read(image, places[found], words, 4), 0);
	assert_int_equal(symbols__get(image, "own_program", &symbol), 0);
	assert_int_equal(words[1], symbol.vaddr);
	assert_int_equal(words[2] + image->bias, (uintptr_t)named[1].name);
	assert_int_equal(words[3] + image->bias, (uintptr_t)deleted_library);
	image__free(image);
}

/* Without the rights for map_files: by the library's name, as long as it is the same file. */
static void without_rights(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct image *image;
		struct symbol symbol;

		if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(1);
		if (access("/proc/self/map_files/0-0", F_OK) == 0 ||
		    image__of_process((uint32_t)getpid(), "libc.so", &image) != 0)
			_exit(2);
		if (symbols__get(image, "gnu_get_libc_version", &symbol) != 0 ||
		    symbol.vaddr + image->bias != (uintptr_t)gnu_get_libc_version)
			_exit(3);
		image__free(image);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void in_another_mount_namespace(void **state)
{
	struct image *image;
	char ready;
	int pipes[2], more[2];

	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(more), 0);
	pid_t pid = fork();

	if (pid == 0) {
		char path[96], mounted[256], from[96];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(from, sizeof(from), "%s/libsite.so", folder);
		snprintf(path, sizeof(path), "%s/hidden", folder);
		mkdir(path, 0755);
		snprintf(mounted, sizeof(mounted), "cp %s %s/libsite_hidden.so", from, path);
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", path, "tmpfs", 0, NULL) || system(mounted))
			_exit(1);
		snprintf(mounted, sizeof(mounted), "%s/libsite_hidden.so", path);
		if (!dlopen(mounted, RTLD_NOW) || write(pipes[1], "x", 1) != 1)
			_exit(1);
		close(more[1]);
		if (read(more[0], &ready, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(pipes[1]);
	close(more[0]);
	assert_int_equal(read(pipes[0], &ready, 1), 1);
	assert_int_equal(image__of_process((uint32_t)pid, "libsite_hidden", &image), 0);
	assert_int_not_equal(access(image->name, F_OK), 0);
	struct symbol symbol;

	assert_int_equal(symbols__get(image, "s_jcc", &symbol), 0);
	image__free(image);
	close(pipes[0]);
	close(more[1]);
	waitpid(pid, NULL, 0);
}

/* --- memory ------------------------------------------------------------------------------------- */

static void memory(void **state)
{
	size_t page = (size_t)getpagesize();
	char *two =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t pid = (uint32_t)getpid();
	char text[64], buf[64];

	assert_true(two != MAP_FAILED);
	assert_int_equal(munmap(two + page, page), 0);
	memset(two, 'x', page);
	assert_int_equal(memory__read(pid, (uintptr_t)two + page - 8, buf, 8), 0);
	assert_memory_equal(buf, "xxxxxxxx", 8);
	assert_int_equal(memory__read(pid, (uintptr_t)two + page - 8, buf, 9), -EFAULT);
	assert_int_equal(memory__read(pid, (uintptr_t)two + page, buf, 1), -EFAULT);
	assert_int_equal(memory__read(pid, (uintptr_t)two + page, buf, 0), 0);
	assert_int_equal(memory__read(pid, UINT64_MAX - 3, buf, 8), -EFAULT);
	assert_int_equal(memory__text(pid, (uintptr_t)two + page - 8, text, sizeof(text)), 8);
	assert_string_equal(text, "xxxxxxxx");
	two[page - 3] = '\0';
	assert_int_equal(memory__text(pid, (uintptr_t)two + page - 8, text, sizeof(text)), 5);
	assert_string_equal(text, "xxxxx");
	assert_int_equal(memory__text(pid, (uintptr_t)two + page - 8, text, 3), 2);
	assert_string_equal(text, "xx");
	assert_int_equal(memory__text(pid, (uintptr_t)two + page, text, sizeof(text)), -EFAULT);
	assert_int_equal(memory__text(pid, 0, text, 0), -EINVAL);
	munmap(two, page);
}

/* --- /proc/PID/maps ------------------------------------------------------------------------------ */

static void maps_lines(void **state)
{
	static const char text[] =
		"55d0c0a00000-55d0c0a01000 r-xp 00001000 fe:00 1234                       /a/b c.so\n"
		"nonsense\n"
		"7f00-7e00 r-xp 0 00:00 1 /backwards\n"
		"10000000000000000-2 r-xp 0 00:00 1 /too long\n"
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
		"7f0000001000-7f0000002000 r--s 00000000 00:01 18446744073709551615 /x (deleted)";
	struct slice rest = SLICE("55d0c0a00000-55d0c0a01000 r-xp");
	struct mapping m;

	assert_false(mapping__next(&rest, &m));
	rest = slice(text, sizeof(text) - 1);
	assert_true(mapping__next(&rest, &m));
	assert_int_equal(m.start, 0x55d0c0a00000);
	assert_int_equal(m.end, 0x55d0c0a01000);
	assert_int_equal(m.offset, 0x1000);
	assert_int_equal(m.inode, 1234);
	assert_true(m.exec);
	assert_true(slice_eq(m.path, SLICE("/a/b c.so")));
	assert_true(mapping__next(&rest, &m));
	assert_false(m.exec);
	assert_int_equal(m.path.n, 0);
	assert_true(mapping__next(&rest, &m));
	assert_true(slice_eq(m.path, SLICE("/x (deleted)")));
	assert_false(mapping__next(&rest, &m));
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, text, n);
		for (rest = slice(copy, n); mapping__next(&rest, &m);)
			assert_true(m.end > m.start);
		free(copy);
	}
}

static void no_elf(void **state)
{
	struct image *image;

	assert_int_equal(image__of_path("/dev/null", &image), -ENOEXEC);
	assert_int_equal(image__of_path("/proc/self/maps", &image), -ENOEXEC);
	assert_int_equal(image__of_path("/", &image), -ENOEXEC);
	assert_int_equal(image__of_path("/nothing/there", &image), -ENOENT);
	assert_int_equal(image__of_memory(SLICE(""), &image), -ENOEXEC);
	assert_int_equal(image__of_memory(SLICE("#!/bin/sh\nexit 0\n"), &image), -ENOEXEC);
	assert_int_not_equal(image__of_fd(-1, &image), 0);
	assert_null(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deleted_library),
		cmocka_unit_test(what_the_kernel_emulates),
		cmocka_unit_test(own_program),
		cmocka_unit_test(in_another_mount_namespace),
		cmocka_unit_test(table_of_functions),
		cmocka_unit_test(without_rights),
		cmocka_unit_test(memory),
		cmocka_unit_test(maps_lines),
		cmocka_unit_test(no_elf),
	};

	return cmocka_run_group_tests_name("code_image", tests, build, clean);
}
