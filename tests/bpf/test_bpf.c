// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * test_bpf [FAMILY]: the kernel side against real sockets, without the agent: every way in which
 * bytes move, the life of connections, policies, processes, losses. The same test serves every
 * hook family; without an argument it takes the one that plan chooses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "drive.h"
#include "features.h"
#include "plan.h"

#define HEAD HEAD_BYTES_DEFAULT

static struct load *load;
static struct attach *attach;
static struct plan plan;
static struct features features;
static const char *family;

static bool is_kprobe(void)
{
	return !strcmp(plan.family, "kprobe");
}

static void start(struct settings settings)
{
	struct load_opts opts = { .settings = settings, .plan = &plan };
	struct buf why = { 0 };

	if (load__new(&opts, &load, &why) || attach__new(load, &plan, &attach, &why))
		fail_msg("%.*s", (int)why.n, why.p);
	buf__release(&why);
}

static void stop(void)
{
	attach__free(attach);
	load__free(load);
	attach = NULL;
	load = NULL;
}

static uint64_t lost(enum loss loss)
{
	struct stats stats = { 0 };

	load__losses(load, &stats);
	return stats.lost[loss];
}

/* --- ways of moving bytes --------------------------------------------------------------------- */

static void by_read_write(int ends[2])
{
	drive__write(ends, 0, 100);
	drive__read(ends, 1, 100);
	drive__write(ends, 1, 3000);
	drive__read(ends, 0, 3000);
	drive__write(ends, 0, 1);
	drive__read(ends, 1, 1);
}

/* One message of three buffers of uneven size, by `send`; received into two by `receive`. */
static void by_vector(int ends[2], ssize_t (*send_fn)(int, struct iovec *, int),
		      ssize_t (*receive_fn)(int, struct iovec *, int))
{
	uint8_t out[700], in[1000];
	struct iovec from[] = { { out, 7 }, { out + 7, 0 }, { out + 7, 193 }, { out + 200, 500 } };
	struct iovec to[] = { { in, 300 }, { in + 300, 700 } };

	for (int end = 0; end < 2; end++) {
		drive__pattern(end, out, sizeof(out));
		drive__did(end, DIR_OUT, send_fn(ends[end], from, 4), SEEN);
		drive__did(!end, DIR_IN, receive_fn(ends[!end], to, 2), SEEN);
	}
}

static ssize_t send_by_writev(int fd, struct iovec *iov, int n)
{
	return writev(fd, iov, n);
}

static ssize_t receive_by_readv(int fd, struct iovec *iov, int n)
{
	return readv(fd, iov, n);
}

static ssize_t send_by_sendmsg(int fd, struct iovec *iov, int n)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };

	return sendmsg(fd, &message, 0);
}

static ssize_t receive_by_recvmsg(int fd, struct iovec *iov, int n)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };

	return recvmsg(fd, &message, 0);
}

static ssize_t send_by_sendmmsg(int fd, struct iovec *iov, int n)
{
	struct mmsghdr message = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = n } };

	return sendmmsg(fd, &message, 1, 0) == 1 ? (ssize_t)message.msg_len : -1;
}

static ssize_t receive_by_recvmmsg(int fd, struct iovec *iov, int n)
{
	struct mmsghdr message = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = n } };

	return recvmmsg(fd, &message, 1, 0, NULL) == 1 ? (ssize_t)message.msg_len : -1;
}

static ssize_t send_by_pwritev2(int fd, struct iovec *iov, int n)
{
	return pwritev2(fd, iov, n, -1, 0);
}

static ssize_t receive_by_preadv2(int fd, struct iovec *iov, int n)
{
	return preadv2(fd, iov, n, -1, 0);
}

static void by_vectors(int ends[2])
{
	by_vector(ends, send_by_writev, receive_by_readv);
	by_vector(ends, send_by_sendmsg, receive_by_recvmsg);
	by_vector(ends, send_by_sendmmsg, receive_by_recvmmsg);
	by_vector(ends, send_by_pwritev2, receive_by_preadv2);
	by_vector(ends, send_by_writev, receive_by_recvmsg);
}

static void by_send_recv(int ends[2])
{
	uint8_t bytes[500];

	for (int end = 0; end < 2; end++) {
		drive__pattern(end, bytes, sizeof(bytes));
		drive__did(end, DIR_OUT, send(ends[end], bytes, 300, 0), SEEN);
		drive__did(!end, DIR_IN, recv(ends[!end], bytes, 500, 0), SEEN);
		drive__pattern(end, bytes, sizeof(bytes));
		drive__did(end, DIR_OUT, sendto(ends[end], bytes, 64, 0, NULL, 0), SEEN);
		drive__did(!end, DIR_IN, recvfrom(ends[!end], bytes, 500, 0, NULL, NULL), SEEN);
	}
}

/* Two messages in one call: the registers do not say which of them is meant. */
static void by_two_messages(int ends[2])
{
	uint8_t bytes[300];
	struct iovec iov[] = { { bytes, 100 }, { bytes + 100, 200 } };
	struct mmsghdr messages[] = { { .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
				      { .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } } };

	drive__pattern(0, bytes, sizeof(bytes));
	CHECK(sendmmsg(ends[0], messages, 2, 0) == 2);
	drive__did(0, DIR_OUT, 100, EITHER);
	drive__did(0, DIR_OUT, 200, EITHER);
	drive__read(ends, 1, 300);
	drive__write(ends, 0, 10);
	drive__read(ends, 1, 10);
}

static int pattern_file(size_t n)
{
	char path[] = "/tmp/spanprobe-file-XXXXXX";
	uint8_t *bytes = malloc(n);
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	unlink(path);
	drive__pattern(0, bytes, n);
	CHECK(write(fd, bytes, n) == (ssize_t)n);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	free(bytes);
	return fd;
}

static void by_sendfile(int ends[2])
{
	int fd;

	drive__write(ends, 0, 50);
	fd = pattern_file(2000);
	drive__did(0, DIR_OUT, sendfile(ends[0], fd, NULL, 2000), UNSEEN);
	close(fd);
	drive__read(ends, 1, 2050);
	drive__write(ends, 0, 20);
	drive__read(ends, 1, 20);
}

static void by_splice(int ends[2])
{
	uint8_t bytes[900];
	int pipes[2];

	CHECK(!pipe(pipes));
	drive__write(ends, 0, 40);
	drive__read(ends, 1, 40);
	drive__pattern(0, bytes, sizeof(bytes));
	CHECK(write(pipes[1], bytes, 900) == 900);
	drive__did(0, DIR_OUT, splice(pipes[0], NULL, ends[0], NULL, 900, 0), UNSEEN);
	drive__did(1, DIR_IN, splice(ends[1], NULL, pipes[1], NULL, 900, 0), UNSEEN);
	CHECK(read(pipes[0], bytes, sizeof(bytes)) == 900);
	drive__write(ends, 0, 60);
	drive__read(ends, 1, 60);
	drive__write(ends, 1, 70);
	drive__read(ends, 0, 70);
}

static void by_peeking(int ends[2])
{
	uint8_t bytes[200];

	drive__write(ends, 0, 120);
	CHECK(recv(ends[1], bytes, 50, MSG_PEEK) == 50);
	CHECK(recv(ends[1], bytes, 200, MSG_PEEK) == 120);
	drive__read(ends, 1, 70);
	CHECK(recv(ends[1], bytes, 200, MSG_PEEK) == 50);
	drive__read(ends, 1, 50);
}

/* One call that waits for the rest in between. */
static void by_waiting(int ends[2])
{
	uint8_t bytes[600];
	pid_t pid;

	drive__write(ends, 0, 200);
	pid = fork();
	if (!pid) {
		usleep(50000);
		drive__pattern(0, bytes, 400);
		_exit(write(ends[0], bytes, 400) != 400);
	}
	drive__did(1, DIR_IN, recv(ends[1], bytes, 600, MSG_WAITALL), SEEN);
	CHECK(waitpid(pid, NULL, 0) == pid);
	drive__did(0, DIR_OUT, 400, SEEN);
	drive__write(ends, 0, 10);
	drive__read(ends, 1, 10);
}

/* Writes until nothing more fits: the last ones are cut short or refused. */
static void by_parts(int ends[2])
{
	size_t n = 4 << 20;
	uint8_t *bytes = malloc(n);
	ssize_t sent, total = 0;

	CHECK(!fcntl(ends[0], F_SETFL, O_NONBLOCK));
	for (;;) {
		drive__pattern(0, bytes, n);
		sent = write(ends[0], bytes, n);
		if (sent < 0)
			break;
		CHECK(sent > 0 && sent < (ssize_t)n);
		drive__did(0, DIR_OUT, sent, SEEN);
		total += sent;
	}
	CHECK(errno == EAGAIN && total > 0);
	CHECK(read(ends[0], bytes, 1) < 0 && errno == EAGAIN);
	drive__read(ends, 1, total);
	free(bytes);
}

static void byte_by_byte(int ends[2])
{
	for (int i = 0; i < 200; i++) {
		drive__write(ends, 0, 1);
		drive__read(ends, 1, 1);
	}
}

static void by_many_segments(int ends[2])
{
	struct iovec iov[100];
	uint8_t bytes[1000];

	drive__pattern(0, bytes, sizeof(bytes));
	for (int i = 0; i < 100; i++)
		iov[i] = (struct iovec){ bytes + 10 * i, 10 };
	CHECK(writev(ends[0], iov, 100) == 1000);
	drive__did(0, DIR_OUT, 640, SEEN);
	drive__did(0, DIR_OUT, 360, UNSEEN);
	drive__read(ends, 1, 1000);
}

/* Beyond the budget, and beyond what is taken of a call: its end lies in a later segment. */
static void by_large_vectors(int ends[2])
{
	static const uint32_t sizes[][4] = { { 17, 20000, 3, 19980 },
					     { 100, 0, 29970, 30 },
					     { 1, 16383, 1, 0 } };
	uint8_t *bytes = malloc(40000);

	for (size_t i = 0; i < 3; i++) {
		size_t total = 0;
		struct iovec iov[4];

		for (int j = 0; j < 4; j++) {
			iov[j] = (struct iovec){ bytes + total, sizes[i][j] };
			total += sizes[i][j];
		}
		drive__pattern(0, bytes, total);
		CHECK(writev(ends[0], iov, 4) == (ssize_t)total);
		drive__did(0, DIR_OUT, total, SEEN);
		drive__read(ends, 1, total);
		drive__write(ends, 1, 10);
		drive__read(ends, 0, 10);
	}
	free(bytes);
}

static void with_zero_lengths(int ends[2])
{
	uint8_t bytes[10];

	drive__write(ends, 0, 30);
	CHECK(read(ends[1], bytes, 0) == 0);
	CHECK(write(ends[0], bytes, 0) == 0);
	drive__read(ends, 1, 30);
	CHECK(!shutdown(ends[0], SHUT_WR));
	CHECK(read(ends[1], bytes, 10) == 0);
	CHECK(read(ends[1], bytes, 10) == 0);
	drive__write(ends, 1, 44);
	drive__read(ends, 0, 44);
}

static void run_and_compare(enum drive_kind kind, drive_fn fn)
{
	drive__run(load, kind, fn, false);
	drive__compare(HEAD);
}

#define EVERY_KIND(name, fn)                                                                       \
	static void name(void **state)                                                             \
	{                                                                                          \
		run_and_compare(DRIVE_V4, fn);                                                     \
		run_and_compare(DRIVE_V6, fn);                                                     \
		run_and_compare(DRIVE_UNIX, fn);                                                   \
	}

EVERY_KIND(test_read_write, by_read_write)
EVERY_KIND(test_vectors, by_vectors)
EVERY_KIND(test_send_recv, by_send_recv)
EVERY_KIND(test_peek, by_peeking)
EVERY_KIND(test_byte_by_byte, byte_by_byte)
EVERY_KIND(test_parts, by_parts)
EVERY_KIND(test_two_messages, by_two_messages)

#define TCP_ONLY(name, fn)                                                                         \
	static void name(void **state)                                                             \
	{                                                                                          \
		run_and_compare(DRIVE_V4, fn);                                                     \
		run_and_compare(DRIVE_MAPPED, fn);                                                 \
	}

TCP_ONLY(test_sendfile, by_sendfile)
TCP_ONLY(test_splice, by_splice)
TCP_ONLY(test_waiting, by_waiting)

static void test_pair(void **state)
{
	run_and_compare(DRIVE_PAIR, by_read_write);
}

static void test_large_vectors(void **state)
{
	run_and_compare(DRIVE_V4, by_large_vectors);
}

static void test_many_segments(void **state)
{
	uint64_t before = lost(LOSS_IOV_CUT);

	run_and_compare(DRIVE_V4, by_many_segments);
	assert_int_equal(lost(LOSS_IOV_CUT), before + 1);
}

static void check_shuts(void)
{
	const struct event_shut *shut;
	unsigned int in = 0;

	for (uint32_t i = 0; (shut = (const void *)drive__find(EVENT_SHUT, i)); i++) {
		if (shut->conn != drive__conn(1) || shut->dir != DIR_IN)
			continue;
		assert_int_equal(shut->position, 30);
		assert_int_equal(shut->error, 0);
		in++;
	}
	assert_int_equal(in, 1);
}

static void test_zero_lengths(void **state)
{
	run_and_compare(DRIVE_V4, with_zero_lengths);
	check_shuts();
	run_and_compare(DRIVE_UNIX, with_zero_lengths);
	check_shuts();
}

/* --- many at once ------------------------------------------------------------------------------ */

#define WAITERS 48

static int waiter_fds[WAITERS][2];
static unsigned int waiter_rounds;

static void *waiter(void *arg)
{
	int fd = waiter_fds[(intptr_t)arg][1];
	char bytes[64];

	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		CHECK(send(fd, bytes, 32, 0) == 32);
	return NULL;
}

/* Threads that wait in recv(), more of them than a return probe has instances: none of their bytes
 * may be missed. Each is answered in turn. */
static void many_waiters(int ends[2])
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(to);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t threads[WAITERS];
	char bytes[64] = "0123456789012345678901234567890123456789";

	CHECK(!bind(listener, (void *)&to, length) && !listen(listener, WAITERS));
	CHECK(!getsockname(listener, (void *)&to, &length));
	for (intptr_t i = 0; i < WAITERS; i++) {
		waiter_fds[i][0] = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(!connect(waiter_fds[i][0], (void *)&to, length));
		waiter_fds[i][1] = accept(listener, NULL, NULL);
		CHECK(!pthread_create(&threads[i], NULL, waiter, (void *)i));
	}
	usleep(100000);
	for (unsigned int round = 0; round < waiter_rounds; round++) {
		for (int i = 0; i < WAITERS; i++)
			CHECK(send(waiter_fds[i][0], bytes, 40, 0) == 40);
		for (int i = 0; i < WAITERS; i++)
			CHECK(recv(waiter_fds[i][0], bytes, 32, MSG_WAITALL) == 32);
	}
	for (int i = 0; i < WAITERS; i++) {
		CHECK(!shutdown(waiter_fds[i][0], SHUT_WR));
		CHECK(!pthread_join(threads[i], NULL));
	}
}

static void test_waiters(void **state)
{
	uint64_t moved[DIR_COUNT] = { 0 }, missed = lost(LOSS_RETURN_MISSED);
	const struct event_data *data;

	waiter_rounds = 20;
	drive__run(load, DRIVE_NONE, many_waiters, false);
	for (uint32_t i = 0; (data = (const void *)drive__find(EVENT_DATA, i)); i++) {
		assert_int_equal(data->captured, data->length);
		assert_memory_equal(data->bytes, "01234567890123456789012345678901",
				    data->captured < 32 ? data->captured : 32);
		moved[data->dir] += data->length;
	}
	assert_int_equal(moved[DIR_IN], WAITERS * 20 * (40 + 32));
	assert_int_equal(moved[DIR_OUT], WAITERS * 20 * (40 + 32));
	assert_int_equal(drive__count(EVENT_CONN_OPEN), 2 * WAITERS);
	assert_int_equal(lost(LOSS_RETURN_MISSED), missed);
}

/* --- io_uring ---------------------------------------------------------------------------------- */

/* One operation through a ring of its own, waited for; what it returned, or a negative errno. */
static int uring_do(uint8_t opcode, int fd, void *bytes, unsigned int n)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 2, &params), ret;
	struct io_uring_sqe *sqes;
	uint8_t *sq, *cq;

	if (ring < 0)
		return -errno;
	sq = mmap(NULL, params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE,
		  MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, params.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
		    ring, IORING_OFF_SQES);
	CHECK(sq != MAP_FAILED && cq != MAP_FAILED && sqes != MAP_FAILED);
	sqes[0] = (struct io_uring_sqe){ .opcode = opcode, .fd = fd, .len = n };
	sqes[0].addr = (uintptr_t)bytes;
	*(uint32_t *)(sq + params.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	ret = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	CHECK(ret == 1);
	ret = ((struct io_uring_cqe *)(cq + params.cq_off.cqes))->res;
	close(ring);
	return ret;
}

static bool has_uring(void)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 2, &params);

	if (ring >= 0)
		close(ring);
	return ring >= 0;
}

/* Kernels that do not tell enough of io_uring count such bytes; wrong ones are never shown. */
static void by_uring(int ends[2])
{
	enum seen seen = is_kprobe() || features.has[FEATURE_URING] ? SEEN : EITHER;
	uint8_t bytes[300];

	drive__write(ends, 0, 20);
	drive__read(ends, 1, 20);
	drive__pattern(0, bytes, 300);
	drive__did(0, DIR_OUT, uring_do(IORING_OP_SEND, ends[0], bytes, 300), seen);
	drive__did(1, DIR_IN, uring_do(IORING_OP_RECV, ends[1], bytes, 300), seen);
	drive__write(ends, 0, 20);
	drive__read(ends, 1, 20);
}

static void no_connection(int ends[2])
{
}

static void make_ring(int ends[2])
{
	CHECK(has_uring());
}

static void test_uring(void **state)
{
	struct buf why = { 0 };

	if (!has_uring())
		skip();
	drive__run(load, DRIVE_NONE, no_connection, false);
	assert_false(load__uring(load));
	if (features.has[FEATURE_URING]) {
		drive__run(load, DRIVE_NONE, make_ring, false);
		assert_true(load__uring(load) || is_kprobe());
		assert_int_equal(attach__demand(attach, DEMAND_URING, &why), 0);
	}
	run_and_compare(DRIVE_V4, by_uring);
	run_and_compare(DRIVE_UNIX, by_uring);
	attach__demand_less(attach, DEMAND_URING);
}

/* --- the life of connections ------------------------------------------------------------------ */

static void test_open(void **state)
{
	const struct event_conn_open *client, *server;
	const struct event_connect *connect;

	drive__run(load, DRIVE_V4, by_read_write, false);
	client = drive__open(0);
	server = drive__open(1);
	connect = (const void *)drive__find(EVENT_CONNECT, 0);
	assert_non_null(client);
	assert_non_null(server);
	assert_non_null(connect);
	assert_int_equal(connect->conn, client->conn);
	assert_int_equal(connect->tuple.peer_port, drive_log->port[1]);
	assert_int_equal(connect->event.pid, drive_child);
	assert_int_equal(client->tuple.role, ROLE_CLIENT);
	assert_int_equal(server->tuple.role, ROLE_SERVER);
	assert_int_equal(client->tuple.flags, 0);
	assert_int_equal(server->tuple.flags, 0);
	assert_int_equal(client->tuple.family, FAMILY_INET);
	assert_int_equal(client->tuple.netns_cookie, server->tuple.netns_cookie);
	assert_true(client->tuple.netns_cookie && client->tuple.netns_inum);
	/* the two ends recognise each other */
	assert_int_equal(client->tuple.base_seq[DIR_OUT], server->tuple.base_seq[DIR_IN]);
	assert_int_equal(client->tuple.base_seq[DIR_IN], server->tuple.base_seq[DIR_OUT]);
	assert_memory_equal(client->tuple.local_addr, server->tuple.peer_addr, 16);
	assert_memory_equal(client->tuple.local_addr, "\x7f\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(client->tuple.peer_port, server->tuple.local_port);
	assert_int_equal(drive__count(EVENT_CONN_CLOSE), 2);
}

static void test_open_v6(void **state)
{
	drive__run(load, DRIVE_V6, by_read_write, false);
	assert_int_equal(drive__open(1)->tuple.family, FAMILY_INET6);
	assert_int_equal(drive__open(1)->tuple.peer_addr[15], 1);
	drive__run(load, DRIVE_MAPPED, by_read_write, false);
	assert_int_equal(drive__open(0)->tuple.family, FAMILY_INET);
	assert_int_equal(drive__open(1)->tuple.family, FAMILY_INET);
	assert_memory_equal(drive__open(1)->tuple.peer_addr, drive__open(0)->tuple.local_addr, 16);
	assert_memory_equal(drive__open(1)->tuple.peer_addr, "\x7f\0\0\x01", 4);
}

static void test_open_unix(void **state)
{
	char path[UNIX_PATH_BYTES];

	drive__run(load, DRIVE_UNIX, by_read_write, false);
	assert_int_equal(drive__open(0)->tuple.family, FAMILY_UNIX);
	assert_int_equal(drive__open(0)->tuple.peer_sock, drive__open(1)->tuple.sock);
	assert_int_equal(drive__open(1)->tuple.peer_sock, drive__open(0)->tuple.sock);
	snprintf(path, sizeof(path), "/tmp/spanprobe-drive-%u", drive_child);
	for (int end = 0; end < 2; end++) {
		assert_true(drive__open(end)->tuple.flags & CONN_HAS_PATH);
		assert_string_equal(drive__open(end)->path, path);
	}
}

static void refused(int ends[2])
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(1),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect(fd, (void *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED);
	close(fd);
}

static void test_refused(void **state)
{
	const struct event_conn_close *closed;

	drive__run(load, DRIVE_NONE, refused, false);
	assert_int_equal(drive__count(EVENT_CONNECT), 1);
	assert_int_equal(drive__count(EVENT_CONN_OPEN), 0);
	assert_int_equal(drive__count(EVENT_CONN_CLOSE), 1);
	closed = (const void *)drive__find(EVENT_CONN_CLOSE, 0);
	assert_int_equal(closed->error, ECONNREFUSED);
	assert_int_equal(closed->connected, 0);
}

/* The server closes with unread bytes: the client is reset, and reads what came before. */
static void reset(int ends[2])
{
	uint8_t bytes[100];

	drive__write(ends, 0, 100);
	drive__write(ends, 1, 60);
	close(ends[1]);
	ends[1] = -1;
	usleep(10000);
	drive__read(ends, 0, 60);
	CHECK(read(ends[0], bytes, 100) < 0 && errno == ECONNRESET);
}

static void test_reset(void **state)
{
	const struct event_conn_close *closed;

	drive__run(load, DRIVE_V4, reset, false);
	drive__compare(HEAD);
	assert_int_equal(drive__count(EVENT_CONN_CLOSE), 2);
	closed = (const void *)drive__find(EVENT_CONN_CLOSE, 1);
	assert_int_equal(closed->conn, drive__conn(0));
	assert_int_equal(closed->error, ECONNRESET);
}

static void in_the_middle(int ends[2])
{
	drive__write(ends, 0, 100);
	drive__read(ends, 1, 100);
	drive__pause();
	memset(drive_log->moved, 0, sizeof(drive_log->moved));
	drive_log->count = 0;
	by_read_write(ends);
}

/* The connection and its first bytes are older than the trace. */
static void older_connection(bool bootstrap)
{
	drive__start(load, DRIVE_V4, in_the_middle, true);
	drive__await_pause(load);
	assert_int_equal(load__trace(load, drive_child), 0);
	if (bootstrap)
		assert_int_equal(load__bootstrap(load, drive_child), 0);
	drive__resume();
	drive__finish(load);
}

static void test_midstream(void **state)
{
	older_connection(false);
	assert_true(drive__open(0)->tuple.flags & CONN_MIDSTREAM);
	assert_true(drive__open(1)->tuple.flags & CONN_MIDSTREAM);
	assert_int_equal(drive__open(1)->tuple.role, ROLE_SERVER);
	drive__compare(HEAD);
}

static void test_bootstrap(void **state)
{
	if (!features.has[FEATURE_ITER_FILE])
		skip();
	older_connection(true);
	assert_int_equal(drive__count(EVENT_CONN_OPEN), 2);
	assert_true(drive__open(0)->tuple.flags & CONN_MIDSTREAM);
	assert_true(drive__open(1)->tuple.flags & CONN_MIDSTREAM);
	assert_int_equal(drive__open(0)->event.pid, drive_child);
	assert_int_equal(drive__open(1)->tuple.role, ROLE_SERVER);
	drive__compare(HEAD);
}

static void idle_at_first(int ends[2])
{
	drive__pause();
	by_read_write(ends);
}

/* Nothing has passed before the bootstrap: what comes is whole. */
static void test_bootstrap_idle(void **state)
{
	if (!features.has[FEATURE_ITER_FILE])
		skip();
	drive__start(load, DRIVE_V4, idle_at_first, true);
	drive__await_pause(load);
	assert_int_equal(load__trace(load, drive_child), 0);
	assert_int_equal(load__bootstrap(load, drive_child), 0);
	drive__resume();
	drive__finish(load);
	assert_int_equal(drive__count(EVENT_CONN_OPEN), 2);
	assert_false(drive__open(0)->tuple.flags & CONN_MIDSTREAM);
	assert_false(drive__open(1)->tuple.flags & CONN_MIDSTREAM);
	assert_int_equal(drive__open(1)->tuple.role, ROLE_SERVER);
	drive__compare(HEAD);
}

/* The server's end is read four times: it blocks, it does not, epoll watches it, epoll has let go. */
static void watched(int ends[2])
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	drive__write(ends, 0, 10);
	drive__read(ends, 1, 10);
	CHECK(!fcntl(ends[1], F_SETFL, O_NONBLOCK) && !fcntl(ends[0], F_SETFL, O_NONBLOCK));
	drive__write(ends, 0, 10);
	drive__read(ends, 1, 10);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, ends[1], &event));
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
	drive__write(ends, 0, 10);
	drive__read(ends, 1, 10);
	drive__write(ends, 1, 10);
	drive__read(ends, 0, 10); /* of no interest: a connection that it has dialled */
	CHECK(!epoll_ctl(ep, EPOLL_CTL_DEL, ends[1], NULL));
	drive__write(ends, 0, 10);
	drive__read(ends, 1, 10);
	close(ep);
}

static void test_watched(void **state)
{
	const enum drive_kind kinds[] = { DRIVE_V4, DRIVE_UNIX };
	const struct event_data *data;

	for (int k = 0; k < 2; k++) {
		drive__run(load, kinds[k], watched, false);
		drive__compare(HEAD);
		for (uint32_t i = 0; (data = (const void *)drive__find(EVENT_DATA, i)); i++) {
			bool third = data->conn == drive__conn(1) && data->dir == DIR_IN &&
				     data->position == 20;

			assert_int_equal(!!(data->event.flags & EVENT_WATCHED), third);
		}
		assert_int_equal(drive__count(EVENT_DATA), 10);
	}
}

/* --- budgets and policies --------------------------------------------------------------------- */

static void large_body(int ends[2])
{
	drive__write(ends, 0, 200);
	drive__read(ends, 1, 200);
	for (int i = 0; i < 200; i++) {
		drive__write(ends, 1, 50000);
		drive__read(ends, 0, 50000);
	}
	drive__write(ends, 0, 200);
	drive__read(ends, 1, 200);
}

/* the last MARK of an end and direction, or NULL */
static const struct event_mark *last_mark(int end, int dir)
{
	const struct event_mark *mark, *last = NULL;

	for (uint32_t i = 0; (mark = (const void *)drive__find(EVENT_MARK, i)); i++) {
		if (mark->conn == drive__conn(end) && mark->dir == dir)
			last = mark;
	}
	return last;
}

static void test_large_body(void **state)
{
	drive__run(load, DRIVE_V4, large_body, false);
	drive__compare(HEAD);
	assert_true(drive_events.count < 40);
	/* at the turn the silent bytes are told */
	assert_int_equal(last_mark(1, DIR_OUT)->position, 200 * 50000);
	assert_int_equal(last_mark(0, DIR_IN)->position, 200 * 50000);
	assert_int_equal(last_mark(0, DIR_IN)->last_tid, drive_child);
	assert_true(last_mark(0, DIR_IN)->last_ns > drive__open(0)->event.time_ns);
}

static void policy__apply(int end, enum capture_mode mode, uint64_t quiet_in)
{
	const struct event_conn_open *open = drive__open(end);
	struct capture_policy policy = {
		.conn = open->conn,
		.sock = open->tuple.sock,
		.quiet_until = { quiet_in, 0 },
		.head_bytes = HEAD,
		.mode = { mode, mode },
	};

	assert_int_equal(load__apply(load, &policy), 0);
}

static void two_parts(int ends[2])
{
	drive__write(ends, 0, 200);
	drive__read(ends, 1, 200);
	drive__write(ends, 1, 10);
	drive__read(ends, 0, 10);
	drive__pause();
	drive__write(ends, 0, 30000);
	drive__read(ends, 1, 30000);
	drive__write(ends, 0, 500);
	drive__read(ends, 1, 500);
	drive__write(ends, 1, 20);
	drive__read(ends, 0, 20);
}

static void with_policy(enum capture_mode mode, uint64_t quiet_in)
{
	drive__start(load, DRIVE_V4, two_parts, false);
	drive__await_pause(load);
	policy__apply(0, mode, quiet_in);
	policy__apply(1, mode, quiet_in);
	drive__resume();
	drive__finish(load);
}

static uint64_t captured(int end, int dir)
{
	const struct event_data *data;
	uint64_t sum = 0;

	for (uint32_t i = 0; (data = (const void *)drive__find(EVENT_DATA, i)); i++) {
		if (data->conn == drive__conn(end) && data->dir == dir)
			sum += data->captured;
	}
	return sum;
}

static void test_capture_all(void **state)
{
	with_policy(CAPTURE_ALL, 0);
	drive__compare(1 << 30);
	assert_int_equal(captured(1, DIR_IN), 30700);
}

/* The budget lies within the long call, whose end is caught; of the next one only the end is. */
static void test_capture_ends(void **state)
{
	with_policy(CAPTURE_ENDS, 0);
	assert_int_equal(captured(1, DIR_IN), 200 + HEAD + TAIL_BYTES + TAIL_BYTES);
	assert_int_equal(captured(0, DIR_OUT), 200 + HEAD + TAIL_BYTES + TAIL_BYTES);
}

static void test_capture_none(void **state)
{
	with_policy(CAPTURE_NONE, 0);
	assert_int_equal(captured(1, DIR_IN), 200);
	assert_int_equal(captured(0, DIR_OUT), 200);
	assert_int_equal(drive__count(EVENT_MARK), 0);
	assert_int_equal(drive__count(EVENT_CONN_CLOSE), 2);
}

/* Quiet until the last byte of the 30,000: it is told at once, and the 500 after it are caught. */
static void test_quiet(void **state)
{
	with_policy(CAPTURE_HEAD, 30200);
	assert_int_equal(captured(1, DIR_IN), 200 + 500);
	assert_int_equal(last_mark(1, DIR_IN)->position, 30200);
	assert_int_equal(last_mark(1, DIR_IN)->last_tid, drive_child);
}

/* A position that has passed already is answered at once. */
static void test_quiet_late(void **state)
{
	drive__start(load, DRIVE_V4, two_parts, false);
	drive__await_pause(load);
	policy__apply(1, CAPTURE_HEAD, 150);
	drive__resume();
	drive__finish(load);
	assert_int_equal(((const struct event_mark *)drive__find(EVENT_MARK, 0))->position, 200);
	assert_int_equal(((const struct event_mark *)drive__find(EVENT_MARK, 0))->conn,
			 drive__conn(1));
}

static void after_a_pause(int ends[2])
{
	drive__pause();
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	for (int i = 0; i < 3; i++) {
		drive__write(ends, 0, 50000);
		drive__read(ends, 1, 50000);
	}
}

/* A budget for the new connections of one process, and the kernel's own again. */
static void test_policy_of_a_process(void **state)
{
	static const uint32_t budgets[] = { 1 << 20, 120000, 0 };

	for (size_t i = 0; i < 3; i++) {
		struct capture_policy policy = { .head_bytes = budgets[i] };
		uint32_t budget = budgets[i] ? budgets[i] : HEAD;
		int err;

		drive__start(load, DRIVE_NONE, after_a_pause, false);
		drive__await_pause(load);
		policy.pid = drive_child;
		err = load__bootstrap(load, drive_child);
		if (err == -ENOTSUP)
			skip();
		assert_int_equal(err, 0);
		assert_int_equal(load__apply(load, &policy), 0);
		drive__resume();
		drive__finish(load);
		drive__compare(budget);
		assert_int_equal(captured(0, DIR_OUT),
				 budget < 150000 ? budget + TAIL_BYTES : 150000);
	}
}

static void test_policy_of_nobody(void **state)
{
	struct capture_policy policy = { .conn = 1, .sock = 12345 };

	assert_int_equal(load__apply(load, &policy), -ENOENT);
	policy = (struct capture_policy){ .pid = PID_LIMIT - 1, .head_bytes = 5 };

	assert_int_equal(load__apply(load, &policy), -ENOENT);
}

/* --- processes --------------------------------------------------------------------------------- */

static void forks(int ends[2])
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	drive_log->moved[0][0] = pid;
}

static void test_tasks(void **state)
{
	const struct event_task *task;
	uint32_t child;

	drive__run(load, DRIVE_NONE, forks, false);
	child = drive_log->moved[0][0];
	assert_int_equal(drive__count(EVENT_TASK), 4);
	task = (const void *)drive__find(EVENT_TASK, 0);
	assert_int_equal(task->change, TASK_FORK);
	assert_int_equal(task->child_pid, child);
	assert_int_equal(task->event.pid, drive_child);
	task = (const void *)drive__find(EVENT_TASK, 1);
	assert_int_equal(task->change, TASK_EXEC);
	for (uint32_t i = 0; (task = (const void *)drive__find(EVENT_TASK, i)); i++) {
		if (task->change != TASK_EXEC)
			continue;
		assert_string_equal(task->comm, "true");
		assert_int_equal(task->event.pid, child);
	}
}

static void files_and_pipes(int ends[2])
{
	uint8_t bytes[100];
	int pipes[2], fd = pattern_file(1000);

	CHECK(!pipe(pipes));
	for (int i = 0; i < 100; i++) {
		CHECK(write(pipes[1], bytes, 100) == 100);
		CHECK(read(pipes[0], bytes, 100) == 100);
		CHECK(pread(fd, bytes, 100, 0) == 100);
	}
	close(fd);
}

static void test_files(void **state)
{
	drive__run(load, DRIVE_NONE, files_and_pipes, false);
	assert_int_equal(drive_events.count, drive__count(EVENT_TASK));
}

static void test_bystander(void **state)
{
	drive__start(load, DRIVE_V4, two_parts, true);
	drive__await_pause(load);
	drive__resume();
	drive__finish(load);
	assert_int_equal(drive_events.count, 0);
}

static void test_agent_itself(void **state)
{
	assert_int_equal(load__trace(load, getpid()), -EINVAL);
}

/* --- bounds ------------------------------------------------------------------------------------ */

static void flood(int ends[2])
{
	for (int i = 0; i < 500; i++) {
		drive__write(ends, 0, 1000);
		drive__read(ends, 1, 1000);
		drive__write(ends, 1, 10);
		drive__read(ends, 0, 10);
	}
}

static void test_full_ring(void **state)
{
	stop();
	start((struct settings){ .ring_count = 1, .ring_bytes = 16384, .follow_children = 1 });
	drive__run(load, DRIVE_V4, flood, false);
	assert_true(lost(LOSS_RING_DATA) > 100);
	/* what did come is right, and nothing came twice */
	assert_true(drive__conn(0) != 0);
	for (uint32_t i = 0; i < drive_events.count; i++) {
		const struct event_data *data = (const void *)drive_events.events[i];

		if (data->event.kind == EVENT_DATA && data->length >= 1000)
			assert_int_equal(data->position % 1000, 0);
	}
	stop();
	start((struct settings){ .follow_children = 1 });
}

static void test_memory(void **state)
{
	size_t bytes = load__kernel_bytes(load);

	assert_true(bytes > (1 << 20));
	assert_true(bytes <= (16u << 20));
}

static int setup(void **state)
{
	start((struct settings){ .follow_children = 1 });
	return 0;
}

static int teardown(void **state)
{
	stop();
	return 0;
}

int main(int argc, char **argv)
{
	struct plan_opts opts = { 0 };
	struct buf why = { 0 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_write),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_send_recv),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_two_messages),
		cmocka_unit_test(test_sendfile),
		cmocka_unit_test(test_splice),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_waiters),
		cmocka_unit_test(test_uring),
		cmocka_unit_test(test_zero_lengths),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_open_v6),
		cmocka_unit_test(test_open_unix),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_bootstrap),
		cmocka_unit_test(test_bootstrap_idle),
		cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_capture_all),
		cmocka_unit_test(test_capture_ends),
		cmocka_unit_test(test_capture_none),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_quiet_late),
		cmocka_unit_test(test_policy_of_nobody),
		cmocka_unit_test(test_policy_of_a_process),
		cmocka_unit_test(test_large_vectors),
		cmocka_unit_test(test_tasks),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bystander),
		cmocka_unit_test(test_agent_itself),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_watched),
	};

	opts.family = family = argc > 1 ? argv[1] : NULL;
	features__ask(&features);
	if (plan__make(&features, &opts, &plan, &why)) {
		fprintf(stderr, "test_bpf: %.*s\n", (int)why.n, why.p);
		return 77; /* skipped: this kernel lacks something */
	}
	printf("hook family: %s%s\n", plan.family, is_kprobe() ? " (by return probes)" : "");
	return cmocka_run_group_tests(tests, setup, teardown);
}
