// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where Node keeps its async ids, read out of code of the forms that its builds have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <sys/wait.h>

#include "code_files.h"
#include "code/symbols.h"
#include "runtime/module.h"
#include "runtime/node.h"

/* Functions as bytes: assembled here, never called. */
#define CODE(name, text)                                                                           \
	asm(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection");            \
	extern const uint8_t name[], name##_end[]

/* One store of both ids (18, 20). */
CODE(push_pair, ".intel_syntax noprefix\n"
		"push rbp\n mov rbp, rsp\n push r15\n mov r15, rsi\n push rbx\n mov rbx, rdi\n"
		"mov rax, [rdi+0x60]\n mov edx, [rax+0x18]\n test edx, edx\n je 1f\n"
		"comisd xmm0, xmm2\n jb 2f\n 1: mov r12d, [rax+0x1c]\n lea r14d, [r12+r12]\n"
		"cmp r14, [rbx+0x18]\n jae 2f\n mov rsi, [rbx+0x28]\n unpcklpd xmm0, xmm1\n"
		"mov rcx, [rbx+0x98]\n movsd xmm2, [rcx]\n movsd [rsi+r14*8], xmm2\n"
		"mov [rax+0x1c], edx\n movups [rcx], xmm0\n test r15, r15\n"
		"push_pair_site: je 2f\n pop rbx\n 2: ret\n .att_syntax");
extern const uint8_t push_pair_site[];

/* Two stores, by way of memory each time (22, 24). */
CODE(push_each, ".intel_syntax noprefix\n"
		"push rbp\n mov rbp, rsp\n push r14\n mov r14, rsi\n push r13\n mov r13, rdi\n"
		"test rsi, rsi\n je 1f\n cmp qword ptr [rsi], 0\n je 2f\n 1: mov rcx, [r13+0x60]\n"
		"mov rcx, [r13+0x60]\n add dword ptr [rcx+0x1c], 1\n mov rcx, [r13+0x98]\n"
		"movsd [rcx], xmm0\n mov rcx, [r13+0x98]\n movsd [rcx+8], xmm1\n"
		"test r14, r14\n push_each_site: je 2f\n pop r13\n 2: ret\n .att_syntax");
extern const uint8_t push_each_site[];

/* `this` is not kept in a register that calls leave alone. */
CODE(push_lost, ".intel_syntax noprefix\n"
		"push rbp\n mov rcx, [rdi+0x60]\n add dword ptr [rcx+0x1c], 1\n"
		"mov rcx, [rdi+0x98]\n movups [rcx], xmm0\n test rsi, rsi\n je 1f\n 1: ret\n"
		".att_syntax");

/* The ids are where the fields are. */
CODE(push_same, ".intel_syntax noprefix\n"
		"push rbx\n mov rbx, rdi\n mov rcx, [rdi+0x60]\n add dword ptr [rcx+0x1c], 1\n"
		"movups [rcx], xmm0\n test rsi, rsi\n je 1f\n 1: ret\n .att_syntax");

/* Each id in another array. */
CODE(push_two, ".intel_syntax noprefix\n"
	       "push rbx\n mov rbx, rdi\n mov rcx, [rdi+0x60]\n add dword ptr [rcx+0x1c], 1\n"
	       "mov rcx, [rdi+0x98]\n movsd [rcx], xmm0\n mov rcx, [rdi+0xa0]\n"
	       "movsd [rcx+8], xmm1\n test rsi, rsi\n je 1f\n 1: ret\n .att_syntax");

/* What is stored is behind a call: nobody knows what that did. */
CODE(push_calls, ".intel_syntax noprefix\n"
		 "push rbx\n mov rbx, rdi\n mov rcx, [rdi+0x60]\n call push_calls\n"
		 "add dword ptr [rcx+0x1c], 1\n mov rcx, [rdi+0x98]\n movups [rcx], xmm0\n"
		 "test rsi, rsi\n je 1f\n 1: ret\n .att_syntax");

/* Another register of that name holds something else by then. */
CODE(push_changed, ".intel_syntax noprefix\n"
		   "push rbx\n mov rbx, rdi\n mov rcx, [rdi+0x60]\n xor ecx, ecx\n"
		   "add dword ptr [rcx+0x1c], 1\n mov rcx, [rdi+0x98]\n movups [rcx], xmm0\n"
		   "test rsi, rsi\n je 1f\n 1: ret\n .att_syntax");

static int layout_of(const uint8_t *code, const uint8_t *end, struct node_layout *ret)
{
	return node_layout__read(code, (size_t)(end - code), 0x1000, ret);
}

static void test_forms(void **state)
{
	struct node_layout layout;

	assert_int_equal(layout_of(push_pair, push_pair_end, &layout), 0);
	assert_int_equal(layout.fields, 0x60);
	assert_int_equal(layout.ids, 0x98);
	assert_int_equal(layout.site, push_pair_site - push_pair);
	assert_int_equal(layout.this_reg, NODE_REG_RBX);

	assert_int_equal(layout_of(push_each, push_each_end, &layout), 0);
	assert_int_equal(layout.fields, 0x60);
	assert_int_equal(layout.ids, 0x98);
	assert_int_equal(layout.site, push_each_site - push_each);
	assert_int_equal(layout.this_reg, NODE_REG_R13);
}

static void test_others(void **state)
{
	struct node_layout layout;

	assert_int_equal(layout_of(push_lost, push_lost_end, &layout), -ENOENT);
	assert_int_equal(layout_of(push_same, push_same_end, &layout), -ENOENT);
	assert_int_equal(layout_of(push_two, push_two_end, &layout), -ENOENT);
	assert_int_equal(layout_of(push_calls, push_calls_end, &layout), -ENOENT);
	assert_int_equal(layout_of(push_changed, push_changed_end, &layout), -ENOENT);
	assert_int_equal(node_layout__read("", 0, 0, &layout), -ENOENT);
}

/* Cut off anywhere, it is not there or the same; never read beyond its end. */
static void test_every_prefix(void **state)
{
	size_t n = (size_t)(push_each_end - push_each);
	struct node_layout layout;

	for (size_t i = 0; i <= n; i++) {
		uint8_t *copy = malloc(i ? i : 1);

		memcpy(copy, push_each, i);
		if (node_layout__read(copy, i, 0x1000, &layout) == 0)
			assert_int_equal(layout.site, push_each_site - push_each);
		else
			assert_true(i < n);
		free(copy);
	}
}

static void test_anything(void **state)
{
	size_t n = (size_t)(push_pair_end - push_pair);
	struct node_layout layout;
	uint8_t *copy = malloc(n);

	srand(1);
	for (int i = 0; i < 20000; i++) {
		memcpy(copy, push_pair, n);
		for (int j = rand() % 4; j >= 0; j--)
			copy[(size_t)rand() % n] = (uint8_t)rand();
		if (node_layout__read(copy, n, 0x1000, &layout) == 0) {
			assert_true(layout.fields < 4096 && layout.ids < 4096);
			assert_true(layout.site < n && layout.fields != layout.ids);
			assert_true(layout.this_reg <= NODE_REG_R15);
		}
	}
	free(copy);
}

/* Node of this machine: what its own code says of both functions agrees. */
static void test_this_machine(void **state)
{
	const char *path = node_file();
	struct runtime_setup setup = { 0 };
	struct buf why = { 0 };
	char pid[32];
	int ends[2], err;

	if (!path)
		skip();
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();

	if (child == 0) {
		dup2(ends[1], 1);
		execl(path, "node", "-e", "console.log(1); setInterval(() => {}, 1000)", NULL);
		_exit(127);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], pid, 1), 1); /* it runs */
	close(ends[0]);
	struct process process = { .pid = (uint32_t)child, .runtime = RUNTIME_NODE };

	err = node_module.prepare(&process, &setup, &why);
	kill(child, 9);
	waitpid(child, NULL, 0);
	if (err)
		print_error("%.*s\n", (int)why.n, why.p);
	assert_int_equal(err, 0);
	assert_int_equal(setup.recipe.kind, UNITS_NODE);
	assert_int_equal(setup.count, 1);
	assert_true(setup.recipe.words[NODE_HOOKS_FIELDS] > 0);
	assert_true(setup.recipe.words[NODE_HOOKS_IDS] > setup.recipe.words[NODE_HOOKS_FIELDS]);
	runtime_setup__release(&setup);
	buf__release(&why);
}

/* Some other program has no such functions, and a process that is gone has none at all. */
static void test_no_node(void **state)
{
	struct process process = { .pid = (uint32_t)getpid(), .runtime = RUNTIME_NODE };
	struct runtime_setup setup = { 0 };
	struct buf why = { 0 };

	assert_int_equal(node_module.prepare(&process, &setup, &why), -ENOENT);
	assert_true(why.n > 0);
	runtime_setup__release(&setup);
	setup = (struct runtime_setup){ 0 };
	process.pid = 0x7ffffff0;
	assert_true(node_module.prepare(&process, &setup, &why) < 0);
	runtime_setup__release(&setup);
	buf__release(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	     cmocka_unit_test(test_others),
		cmocka_unit_test(test_every_prefix), cmocka_unit_test(test_anything),
		cmocka_unit_test(test_this_machine), cmocka_unit_test(test_no_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
