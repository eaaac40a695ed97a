// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Against readelf's reading of the JVM and of libstdc++, which have probes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "code/usdt.h"
#include "code_files.h"

struct form {
	const char *text;
	struct usdt_arg arg;
};

#define NO .index = X86_NONE

static const struct form forms[] = {
	{ "8@%rdi", { .kind = USDT_REG, .size = 8, .reg = X86_RDI, NO } },
	{ "-4@%eax", { .kind = USDT_REG, .size = 4, .is_signed = true, .reg = X86_RAX, NO } },
	{ "1@%al", { .kind = USDT_REG, .size = 1, .reg = X86_RAX, NO } },
	{ "1@%ah", { .kind = USDT_REG, .size = 1, .reg = X86_RAX, .high = true, NO } },
	{ "1@%dl", { .kind = USDT_REG, .size = 1, .reg = X86_RDX, NO } },
	{ "1@%dil", { .kind = USDT_REG, .size = 1, .reg = X86_RDI, NO } },
	{ "2@%si", { .kind = USDT_REG, .size = 2, .reg = X86_RSI, NO } },
	{ "2@%di", { .kind = USDT_REG, .size = 2, .reg = X86_RDI, NO } },
	{ "1@%bpl", { .kind = USDT_REG, .size = 1, .reg = X86_RBP, NO } },
	{ "8@%r8", { .kind = USDT_REG, .size = 8, .reg = X86_R8, NO } },
	{ "4@%r15d", { .kind = USDT_REG, .size = 4, .reg = X86_R15, NO } },
	{ "2@%r12w", { .kind = USDT_REG, .size = 2, .reg = X86_R12, NO } },
	{ "1@%r9b", { .kind = USDT_REG, .size = 1, .reg = X86_R9, NO } },
	{ "8f@%xmm11",
	  { .kind = USDT_REG, .size = 8, .is_float = true, .reg = X86_XMM0 + 11, NO } },
	{ "8@-96(%rbp)",
	  { .kind = USDT_MEM, .size = 8, .reg = X86_RBP, NO, .scale = 1, .value = -96 } },
	{ "8@(%rax)", { .kind = USDT_MEM, .size = 8, .reg = X86_RAX, NO, .scale = 1 } },
	{ "8@0x10(%rax)",
	  { .kind = USDT_MEM, .size = 8, .reg = X86_RAX, NO, .scale = 1, .value = 16 } },
	{ "4@8(%rax,%r9,4)",
	  { .kind = USDT_MEM, .size = 4, .reg = X86_RAX, .index = X86_R9, .scale = 4, .value = 8 } },
	{ "4@(,%rcx,8)",
	  { .kind = USDT_MEM, .size = 4, .reg = X86_NONE, .index = X86_RCX, .scale = 8 } },
	{ "8@1234(%rip)",
	  { .kind = USDT_MEM, .size = 8, .reg = X86_RIP, NO, .scale = 1, .value = 1234 } },
	{ "-4@$-17",
	  { .kind = USDT_CONST, .size = 4, .is_signed = true, .reg = X86_NONE, NO, .value = -17 } },
	{ "8@$0", { .kind = USDT_CONST, .size = 8, .reg = X86_NONE, NO } },
};

/* What is not understood says so, and is an argument all the same. */
static const char *const unknown[] = {
	"%rdi",
	"8@",
	"@%rdi",
	"8@rdi",
	"8@%r7",
	"8@%r16",
	"8@%rdx2",
	"8@%eip",
	"8@%xmm99",
	"8@%xmm",
	"0@%rdi",
	"65@%rdi",
	"x@%rdi",
	"8@$",
	"8@$x",
	"8@$1x",
	"8@(rax)",
	"8@(%rax",
	"8@12",
	"8@sym(%rip)",
	"8@()",
	"8@(,)",
	"8@(,,8)",
	"8@(%rax,%)",
	"8@%",
	"8@%rip",
	"8@(%ah)",
	"8@(%rax,%rbx,9)",
	"8@$18446744073709551616",
	"8@%sill",
};

static void every_form(void **state)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		const struct usdt_arg *want = &forms[i].arg;
		struct usdt_arg got[USDT_ARGS];

		assert_int_equal(usdt__parse_args(slice_of(forms[i].text), got), 1);
		if (got->kind != want->kind || got->size != want->size ||
		    got->is_signed != want->is_signed || got->is_float != want->is_float ||
		    got->reg != want->reg || got->high != want->high || got->index != want->index ||
		    got->scale != want->scale || got->value != want->value)
			fail_msg("%s: kind %d size %d reg %d index %d scale %d value %ld",
				 forms[i].text, got->kind, got->size, got->reg, got->index,
				 got->scale, got->value);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		struct usdt_arg got[USDT_ARGS];

		assert_int_equal(usdt__parse_args(slice_of(unknown[i]), got), 1);
		if (got->kind != USDT_UNKNOWN)
			fail_msg("%s: kind %d", unknown[i], got->kind);
	}
}

static void lists(void **state)
{
	static const char text[] = "8@%r14 -4@%eax  -8@nonsense 4@$1 ";
	struct usdt_arg args[USDT_ARGS];

	assert_int_equal(usdt__parse_args(SLICE("8@%r14 -4@%eax  -8@nonsense 4@$1 "), args), 4);
	assert_int_equal(args[0].reg, X86_R14);
	assert_int_equal(args[2].kind, USDT_UNKNOWN);
	assert_int_equal(args[3].value, 1);
	assert_int_equal(usdt__parse_args(slice(NULL, 0), args), 0);
	/* more than there is room for */
	assert_int_equal(usdt__parse_args(SLICE("1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 "
						"1@$1 1@$1 1@$1 1@$1"),
					  args),
			 USDT_ARGS);
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1); /* its end is watched */

		memcpy(copy, text, n);
		usdt__parse_args(slice(copy, n), args);
		free(copy);
	}
}

/* --- against readelf -------------------------------------------------------------------------- */

struct told {
	char provider[64], name[64];
	unsigned long location, semaphore;
	char args[512];
};

static bool next_told(FILE *readelf, struct told *ret)
{
	char line[1024];

	memset(ret, 0, sizeof(*ret));
	while (fgets(line, sizeof(line), readelf)) {
		char *provider = strstr(line, "Provider: ");
		char *args = strstr(line, "Arguments: ");

		if (provider)
			sscanf(provider, "Provider: %63s", ret->provider);
		sscanf(line, " Name: %63s", ret->name);
		sscanf(line, " Location: %lx, Base: %*x, Semaphore: %lx", &ret->location,
		       &ret->semaphore);
		if (args) {
			args[strcspn(args, "\n")] = '\0';
			snprintf(ret->args, sizeof(ret->args), "%s", args + 11);
			return true;
		}
	}
	return false;
}

struct comparing {
	FILE *readelf;
	const struct image *image;
	size_t n, args;
};

/* Both go through the notes in the order of the file. */
static bool compare_next(void *ctx, const struct usdt_probe *probe)
{
	struct comparing *comparing = ctx;
	struct usdt_arg args[USDT_ARGS];
	struct told told;
	uint8_t nop;

	assert_true(next_told(comparing->readelf, &told));
	assert_true(slice_eq(probe->provider, slice_of(told.provider)));
	assert_true(slice_eq(probe->name, slice_of(told.name)));
	assert_int_equal(probe->vaddr, told.location);
	assert_int_equal(probe->semaphore, told.semaphore);
	assert_int_equal(probe->count, usdt__parse_args(slice_of(told.args), args));
	assert_int_equal(image__read(comparing->image, probe->offset, &nop, 1), 0);
	assert_int_equal(nop, 0x90);
	for (uint8_t i = 0; i < probe->count; i++) {
		if (probe->args[i].kind == USDT_UNKNOWN)
			fail_msg("%s: %s", told.name, told.args);
	}
	comparing->args += probe->count;
	comparing->n++;
	return true;
}

static void compare(const char *path, size_t at_least)
{
	struct comparing comparing = { 0 };
	struct image *image;
	struct told told;

	if (!path) {
		print_message("not on this machine\n");
		skip();
	}
	assert_int_equal(image__of_path(path, &image), 0);
	comparing.image = image;
	comparing.readelf = output_of("readelf -nW %s 2>/dev/null", path);
	assert_non_null(comparing.readelf);
	assert_int_equal(usdt__each(image, compare_next, &comparing), 0);
	assert_false(next_told(comparing.readelf, &told));
	pclose(comparing.readelf);
	assert_true(comparing.n >= at_least && comparing.args > 0);
	image__free(image);
}

static void jvm(void **state)
{
	compare(jvm_file(), 500);
}

static void cplusplus(void **state)
{
	compare(code_file("/usr/lib/x86_64-linux-gnu/libstdc++.so.6"), 1);
}

static void by_name(void **state)
{
	struct usdt_probe probes[1];
	struct image *image;
	const char *path = jvm_file();

	if (!path) {
		print_message("no JVM on this machine\n");
		skip();
	}
	assert_int_equal(image__of_path(path, &image), 0);
	assert_int_equal(usdt__find(image, "hotspot", "thread__park__begin", probes, 1), 1);
	assert_int_equal(probes[0].count, 3);
	assert_int_equal(usdt__find(image, "hotspot", "thread__park", probes, 1), 0);
	assert_int_equal(usdt__find(image, "other", "thread__park__begin", probes, 1), 0);
	image__free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form), cmocka_unit_test(lists),	 cmocka_unit_test(jvm),
		cmocka_unit_test(cplusplus),  cmocka_unit_test(by_name),
	};

	return cmocka_run_group_tests_name("code_usdt", tests, NULL, NULL);
}
