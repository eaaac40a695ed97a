// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* From registers to buffers, and over vectors: bpf/call.h and bpf/vector.h, built natively. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "call.h"
#include "vector.h"

static struct source source_of(uint64_t nr, uint64_t arg1, uint64_t arg2, enum direction dir)
{
	struct source source;

	memset(&source, 0xa5, sizeof(source));
	call__source(nr, arg1, arg2, dir, &source);
	return source;
}

/* The numbers of the system's own header. */
static void test_buffers(void **state)
{
	static const struct {
		uint64_t nr;
		enum direction dir;
		enum source_kind kind;
	} calls[] = {
		{ SYS_read, DIR_IN, SOURCE_BUFFER },
		{ SYS_recvfrom, DIR_IN, SOURCE_BUFFER },
		{ SYS_write, DIR_OUT, SOURCE_BUFFER },
		{ SYS_sendto, DIR_OUT, SOURCE_BUFFER },
		{ SYS_readv, DIR_IN, SOURCE_VECTOR },
		{ SYS_preadv2, DIR_IN, SOURCE_VECTOR },
		{ SYS_writev, DIR_OUT, SOURCE_VECTOR },
		{ SYS_pwritev2, DIR_OUT, SOURCE_VECTOR },
		{ SYS_sendfile, DIR_OUT, SOURCE_NONE },
		{ SYS_splice, DIR_OUT, SOURCE_NONE },
		{ SYS_io_uring_enter, DIR_IN, SOURCE_NONE },
		{ SYS_io_uring_enter, DIR_OUT, SOURCE_NONE },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct source source = source_of(calls[i].nr, 0x10000, 77, calls[i].dir);

		assert_int_equal(source.kind, calls[i].kind);
		assert_int_equal(source.at, 0x10000);
		assert_int_equal(source.count, 77);
		assert_int_equal(source.kernel, 0);
		assert_int_equal(source.skip, 0);
	}
}

/* A socket that receives while the caller is in write(): not the caller's buffer. */
static void test_wrong_direction(void **state)
{
	static const uint64_t in[] = { SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg };
	static const uint64_t out[] = { SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg };

	for (int i = 0; i < 4; i++) {
		assert_int_equal(source_of(in[i], 0x10000, 1, DIR_OUT).kind, SOURCE_NONE);
		assert_int_equal(source_of(out[i], 0x10000, 1, DIR_IN).kind, SOURCE_NONE);
	}
	/* x32 numbers, nonsense */
	assert_int_equal(source_of(0x40000000 | SYS_write, 0x10000, 1, DIR_OUT).kind, SOURCE_NONE);
	assert_int_equal(source_of(UINT64_MAX, 0x10000, 1, DIR_OUT).kind, SOURCE_NONE);
}

static void test_messages(void **state)
{
	struct iovec iov[3];
	struct mmsghdr message = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 3 } };
	uint64_t at = (uintptr_t)&message;
	struct source source = source_of(SYS_sendmsg, at, 0, DIR_OUT);

	assert_int_equal(source.kind, SOURCE_VECTOR);
	assert_int_equal(source.at, (uintptr_t)iov);
	assert_int_equal(source.count, 3);
	assert_int_equal(source_of(SYS_recvmsg, at, 0, DIR_IN).kind, SOURCE_VECTOR);
	assert_int_equal(source_of(SYS_sendmmsg, at, 1, DIR_OUT).kind, SOURCE_VECTOR);
	assert_int_equal(source_of(SYS_sendmmsg, at, 2, DIR_OUT).kind, SOURCE_NONE);
	assert_int_equal(source_of(SYS_recvmmsg, at, 1, DIR_IN).kind, SOURCE_VECTOR);
	assert_int_equal(source_of(SYS_recvmmsg, at, 9, DIR_IN).kind, SOURCE_NONE);
	/* a header that cannot be read */
	assert_int_equal(source_of(SYS_sendmsg, 16, 0, DIR_OUT).kind, SOURCE_NONE);
}

static void walk(struct walk *walk, uint8_t *bytes)
{
	for (int i = 0; i < 65 && !walk__step(walk, bytes); i++)
		;
}

static void test_gather(void **state)
{
	uint8_t *bytes = malloc(2 * DATA_BYTES_MAX);
	char text[] = "abcdefghijklmnop";
	struct iovec iov[] = { { text, 3 }, { text, 0 }, { text + 3, 5 }, { text + 8, 8 } };
	struct walk w = { .at = (uintptr_t)iov, .segments = 4, .want = 12 };

	walk(&w, bytes);
	assert_int_equal(w.filled, 12);
	assert_memory_equal(bytes, "abcdefghijkl", 12);
	/* the next record goes on where this one ended */
	w.filled = 0;
	w.want = 100;
	walk(&w, bytes);
	assert_int_equal(w.filled, 4);
	assert_memory_equal(bytes, "mnop", 4);
	assert_int_equal(w.segments, 0);
	assert_int_equal(w.fault, 0);
	free(bytes);
}

static void test_gather_after_skip(void **state)
{
	uint8_t *bytes = malloc(2 * DATA_BYTES_MAX);
	char text[] = "abcdefgh";
	struct iovec iov[] = { { text, 3 }, { text + 3, 5 } };

	for (uint64_t skip = 0; skip <= 9; skip++) {
		struct walk w = { .at = (uintptr_t)iov, .segments = 2, .want = 100, .skip = skip };

		walk(&w, bytes);
		assert_int_equal(w.filled, skip < 8 ? 8 - skip : 0);
		assert_memory_equal(bytes, text + (skip < 8 ? skip : 8), w.filled);
	}
	free(bytes);
}

static void test_gather_64_segments(void **state)
{
	uint8_t *bytes = malloc(2 * DATA_BYTES_MAX), from[640];
	struct iovec iov[64];
	struct walk w = { .at = (uintptr_t)iov, .segments = 64, .want = DATA_BYTES_MAX };

	for (int i = 0; i < 640; i++)
		from[i] = i * 7;
	for (int i = 0; i < 64; i++)
		iov[i] = (struct iovec){ from + 10 * i, 10 };
	walk(&w, bytes);
	assert_int_equal(w.filled, 640);
	assert_memory_equal(bytes, from, 640);
	free(bytes);
}

static void test_gather_huge(void **state)
{
	uint8_t *bytes = malloc(2 * DATA_BYTES_MAX), *from = calloc(1, 3 * DATA_BYTES_MAX);
	struct iovec iov[] = { { from, 100 }, { from, 3 * DATA_BYTES_MAX - 100 } };
	struct walk w = { .at = (uintptr_t)iov, .segments = 2, .want = DATA_BYTES_MAX };

	walk(&w, bytes);
	assert_int_equal(w.filled, DATA_BYTES_MAX);
	assert_int_equal(w.skip, DATA_BYTES_MAX - 100);
	assert_int_equal(w.segments, 1);
	free(from);
	free(bytes);
}

static void test_gather_fault(void **state)
{
	uint8_t *bytes = malloc(2 * DATA_BYTES_MAX);
	char text[] = "abc";
	struct iovec iov[] = { { text, 3 }, { (void *)8, 5 } };
	struct walk w = { .at = (uintptr_t)iov, .segments = 2, .want = 8 };

	walk(&w, bytes);
	assert_int_equal(w.filled, 3);
	assert_int_equal(w.fault, 1);
	w = (struct walk){ .at = 8, .segments = 2, .want = 8 };
	walk(&w, bytes);
	assert_int_equal(w.filled, 0);
	assert_int_equal(w.fault, 1);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers),		  cmocka_unit_test(test_wrong_direction),
		cmocka_unit_test(test_messages),	  cmocka_unit_test(test_gather),
		cmocka_unit_test(test_gather_after_skip), cmocka_unit_test(test_gather_64_segments),
		cmocka_unit_test(test_gather_huge),	  cmocka_unit_test(test_gather_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
