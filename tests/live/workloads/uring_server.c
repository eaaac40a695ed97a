// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An HTTP/1.1 server on io_uring, one thread and one ring, a request at a time per connection:
 *   uring_server PORT|unix:PATH MODE
 *     plain      recv and send              message   recvmsg and sendmsg, of three buffers each
 *     file       read and write             vector    readv and writev
 *     multishot  recv that stays, into buffers that the kernel chooses
 *     sqpoll     recv and send, taken up by a kernel thread
 *     first      recv and send that wait for the socket before they try it
 *     async      recv and send, by worker threads of the kernel
 *     zerocopy   recv and send_zc
 * Answers ?size=N bytes and prints the truth of every /w/<id>.
 */
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX	   1024
#define BYTES	   (256 << 10)
#define GROUP	   1
#define POOL	   64 /* buffers that the kernel may choose from; a power of two */
#define POOL_BYTES 2048

enum step { ACCEPT, RECEIVE, SEND };

struct conn {
	int fd;
	char in[BYTES + 1], out[BYTES];
	size_t have, out_at, out_n;
	struct msghdr message;
	struct iovec iov[3];
	char method[16], id[128];
	size_t body, answer;
	bool closing, armed;
};

static struct conn *conns[FDS_MAX];
static struct io_uring ring;
static struct io_uring_buf_ring *pool;
static char pool_bytes[POOL][POOL_BYTES];
static const char *mode;

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	while (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	return sqe;
}

static void mark(struct io_uring_sqe *sqe, enum step step, int fd)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)step << 32 | (uint32_t)fd);
	if (is("async") && step != ACCEPT)
		sqe->flags |= IOSQE_ASYNC;
	if (is("first") && step != ACCEPT)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

/* Three buffers of uneven size over n bytes. */
static void split(struct conn *c, char *bytes, size_t n)
{
	size_t first = n < 7 ? n : 7, second = n - first < 100 ? n - first : 100;

	c->iov[0] = (struct iovec){ bytes, first };
	c->iov[1] = (struct iovec){ bytes + first, second };
	c->iov[2] = (struct iovec){ bytes + first + second, n - first - second };
	c->message = (struct msghdr){ .msg_iov = c->iov, .msg_iovlen = 3 };
}

static void receive(struct conn *c)
{
	struct io_uring_sqe *sqe;
	char *to = c->in + c->have;
	size_t room = BYTES - c->have;

	if (is("multishot") && c->armed)
		return;
	sqe = next_sqe();
	if (is("multishot")) {
		io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = GROUP;
		c->armed = true;
	} else if (is("message") || is("vector")) {
		split(c, to, room);
		if (is("message"))
			io_uring_prep_recvmsg(sqe, c->fd, &c->message, 0);
		else
			io_uring_prep_readv(sqe, c->fd, c->iov, 3, 0);
	} else if (is("file")) {
		io_uring_prep_read(sqe, c->fd, to, room, 0);
	} else {
		io_uring_prep_recv(sqe, c->fd, to, room, 0);
	}
	mark(sqe, RECEIVE, c->fd);
}

static void send_rest(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();
	char *from = c->out + c->out_at;
	size_t n = c->out_n - c->out_at;

	if (is("message") || is("vector")) {
		split(c, from, n);
		if (is("message"))
			io_uring_prep_sendmsg(sqe, c->fd, &c->message, 0);
		else
			io_uring_prep_writev(sqe, c->fd, c->iov, 3, 0);
	} else if (is("file")) {
		io_uring_prep_write(sqe, c->fd, from, n, 0);
	} else if (is("zerocopy")) {
		io_uring_prep_send_zc(sqe, c->fd, from, n, 0, 0);
	} else {
		io_uring_prep_send(sqe, c->fd, from, n, 0);
	}
	mark(sqe, SEND, c->fd);
}

/* --- HTTP -------------------------------------------------------------------------------------- */

static void parse(struct conn *c)
{
	const char *length = strcasestr(c->in, "\r\nContent-Length:");
	const char *path = strchr(c->in, ' ') + 1, *size = strstr(path, "size=");

	snprintf(c->method, sizeof(c->method), "%.*s", (int)(path - 1 - c->in), c->in);
	snprintf(c->id, sizeof(c->id), "%.*s", (int)strcspn(path + 3, "/? "), path + 3);
	c->body = length ? strtoull(length + 17, NULL, 10) : 0;
	c->answer = size && size < strchr(path, '\r') ? strtoull(size + 5, NULL, 10) : 2;
}

static void told(const struct conn *c)
{
	printf("{\"side\": \"server\", \"id\": \"%s\", \"pid\": %d, \"method\": \"%s\", \"req\": %zu, "
	       "\"resp\": %zu, \"status\": 200}\n",
	       c->id, (int)getpid(), c->method, c->body, c->answer);
	fflush(stdout);
}

static void received(struct conn *c)
{
	char *end = strstr(c->in, "\r\n\r\n");
	size_t head = end ? end + 4 - c->in : 0;

	if (end)
		parse(c);
	if (!end || c->have < head + c->body) {
		receive(c);
		return;
	}
	c->have = 0;
	c->in[0] = 0;
	c->out_at = 0;
	c->out_n = sprintf(c->out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", c->answer);
	memset(c->out + c->out_n, 'x', c->answer);
	c->out_n += c->answer;
	send_rest(c);
}

/* --- completions ------------------------------------------------------------------------------- */

static void accepted(int fd)
{
	int one = 1;

	check(fd >= 0 && fd < FDS_MAX, "accept");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conns[fd] = calloc(1, sizeof(struct conn));
	conns[fd]->fd = fd;
	receive(conns[fd]);
}

static void on_received(struct conn *c, const struct io_uring_cqe *cqe)
{
	c->armed = cqe->flags & IORING_CQE_F_MORE;
	if (cqe->res == -ENOBUFS) {
		receive(c);
		return;
	}
	if (cqe->res <= 0) {
		close(c->fd);
		conns[c->fd] = NULL;
		free(c);
		return;
	}
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		memcpy(c->in + c->have, pool_bytes[id], cqe->res);
		io_uring_buf_ring_add(pool, pool_bytes[id], POOL_BYTES, id,
				      io_uring_buf_ring_mask(POOL), 0);
		io_uring_buf_ring_advance(pool, 1);
	}
	c->have += cqe->res;
	c->in[c->have] = 0;
	received(c);
}

static void on_sent(struct conn *c, const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_NOTIF)
		return;
	check(cqe->res > 0, "send");
	c->out_at += cqe->res;
	if (c->out_at < c->out_n) {
		send_rest(c);
		return;
	}
	told(c);
	receive(c);
}

static void make_pool(void)
{
	struct io_uring_buf_reg reg = { .ring_entries = POOL, .bgid = GROUP };

	check(!posix_memalign((void **)&pool, 4096, POOL * sizeof(struct io_uring_buf)), "pool");
	reg.ring_addr = (uintptr_t)pool;
	io_uring_buf_ring_init(pool);
	check(!io_uring_register_buf_ring(&ring, &reg, 0), "buffer ring");
	for (int i = 0; i < POOL; i++)
		io_uring_buf_ring_add(pool, pool_bytes[i], POOL_BYTES, i,
				      io_uring_buf_ring_mask(POOL), i);
	io_uring_buf_ring_advance(pool, POOL);
}

static int listen_on(const char *where)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) },
				  .sin_port = htons(atoi(where)) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	bool local = !strncmp(where, "unix:", 5);
	int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", local ? where + 5 : "");
	check(!(local ? bind(fd, (struct sockaddr *)&un, sizeof(un)) :
			bind(fd, (struct sockaddr *)&in, sizeof(in))),
	      "bind");
	check(!listen(fd, 128), "listen");
	return fd;
}

static void dispatch(int listener, const struct io_uring_cqe *cqe)
{
	enum step step = cqe->user_data >> 32;
	struct conn *c = conns[(uint32_t)cqe->user_data % FDS_MAX];

	if (step == ACCEPT) {
		struct io_uring_sqe *sqe = next_sqe();

		io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
		mark(sqe, ACCEPT, listener);
		accepted(cqe->res);
	} else if (c && step == RECEIVE) {
		on_received(c, cqe);
	} else if (c) {
		on_sent(c, cqe);
	}
}

int main(int argc, char **argv)
{
	struct io_uring_sqe *sqe;
	int listener;

	if (argc != 3)
		return 2;
	mode = argv[2];
	signal(SIGPIPE, SIG_IGN);
	listener = listen_on(argv[1]);
	check(!io_uring_queue_init(256, &ring, is("sqpoll") ? IORING_SETUP_SQPOLL : 0), "ring");
	if (is("multishot"))
		make_pool();
	sqe = next_sqe();
	io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
	mark(sqe, ACCEPT, listener);
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		struct io_uring_cqe *cqe;

		io_uring_submit(&ring);
		if (io_uring_wait_cqe(&ring, &cqe))
			continue;
		dispatch(listener, cqe);
		io_uring_cqe_seen(&ring, cqe);
	}
}
