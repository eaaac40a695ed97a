// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A small HTTP/1.1 server: one thread, epoll, read and write; keep-alive but for Connection: close.
 *   epoll_server PORT|unix:PATH [-6] [-q]
 * Answers GET and POST with a body of ?size=N bytes (default 2) and prints the truth of every
 * /w/<id> as a JSON line (not with -q: for measuring). Prints "listening" first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define FDS_MAX	 4096
#define EVENTS	 256
#define CHUNK	 (256 << 10)

struct conn {
	int fd;
	size_t have; /* bytes of head in buf */
	bool in_body, last;
	unsigned long long body, body_left; /* of the request */
	unsigned long long answer_left;	    /* body bytes still to write */
	unsigned long long answer;
	char method[16], id[128];
	char buf[HEAD_MAX + 1];
};

static struct conn *conns[FDS_MAX];
static char zeros[CHUNK];
static bool quiet;
static int ep;

static int listen_on(const char *where, bool v6)
{
	int one = 1, fd, err;

	if (!strncmp(where, "unix:", 5)) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		snprintf(un.sun_path, sizeof(un.sun_path), "%s", where + 5);
		unlink(un.sun_path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		err = bind(fd, (struct sockaddr *)&un, sizeof(un));
	} else if (v6) {
		struct sockaddr_in6 in = { .sin6_family = AF_INET6,
					   .sin6_addr = in6addr_loopback,
					   .sin6_port = htons(atoi(where)) };

		fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		err = bind(fd, (struct sockaddr *)&in, sizeof(in));
	} else {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(atoi(where)) };

		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		err = bind(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (err || listen(fd, 2048)) {
		perror(where);
		exit(1);
	}
	return fd;
}

static void drop(struct conn *c)
{
	conns[c->fd] = NULL;
	close(c->fd);
	free(c);
}

static void watch(struct conn *c, bool out)
{
	struct epoll_event ev = { .events = out ? EPOLLOUT : EPOLLIN, .data.fd = c->fd };

	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void told(const struct conn *c)
{
	if (quiet || !c->id[0])
		return;
	printf("{\"side\": \"server\", \"id\": \"%s\", \"pid\": %d, \"method\": \"%s\", \"req\": %llu, "
	       "\"resp\": %llu, \"status\": 200}\n",
	       c->id, (int)getpid(), c->method, c->body, c->answer);
}

/* false: would block, or the connection is gone */
static bool write_body(struct conn *c)
{
	while (c->answer_left) {
		size_t n = c->answer_left < CHUNK ? c->answer_left : CHUNK;
		ssize_t w = write(c->fd, zeros, n);

		if (w < 0) {
			if (errno == EAGAIN) {
				watch(c, true);
				return false;
			}
			drop(c);
			return false;
		}
		c->answer_left -= w;
	}
	told(c);
	if (!c->last)
		return true;
	drop(c);
	return false;
}

static bool answer(struct conn *c)
{
	char out[4096];
	int n = snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n%s\r\n",
			 c->answer, c->last ? "Connection: close\r\n" : "");
	size_t with = c->answer < sizeof(out) - n ? c->answer : 0;

	memset(out + n, '.', with);
	if (write(c->fd, out, n + with) != (ssize_t)(n + with)) {
		drop(c);
		return false;
	}
	c->answer_left = c->answer - with;
	return write_body(c);
}

static void parse(struct conn *c, const char *end)
{
	const char *length = strcasestr(c->buf, "\r\nContent-Length:");
	const char *path = strchr(c->buf, ' '), *size, *close_it;

	snprintf(c->method, sizeof(c->method), "%.*s", (int)(path ? path - c->buf : 0), c->buf);
	c->body = c->body_left = length && length < end ? strtoull(length + 17, NULL, 10) : 0;
	close_it = strcasestr(c->buf, "\r\nConnection: close");
	c->last = close_it && close_it < end;
	c->answer = 2;
	c->id[0] = 0;
	if (!path)
		return;
	path++;
	if (!strncmp(path, "/w/", 3))
		snprintf(c->id, sizeof(c->id), "%.*s", (int)strcspn(path + 3, "/? "), path + 3);
	size = strstr(path, "size=");
	if (size && size < strchr(path, '\r'))
		c->answer = strtoull(size + 5, NULL, 10);
}

/* Everything that is in the buffer; pipelined requests one after the other. */
static void serve(struct conn *c)
{
	for (;;) {
		char *end;
		size_t head, eat;

		if (!c->in_body) {
			end = strstr(c->buf, "\r\n\r\n");
			if (!end) {
				if (c->have == HEAD_MAX)
					drop(c);
				return;
			}
			parse(c, end);
			head = end + 4 - c->buf;
			memmove(c->buf, c->buf + head, c->have - head + 1);
			c->have -= head;
			c->in_body = true;
		}
		eat = c->body_left < c->have ? c->body_left : c->have;
		memmove(c->buf, c->buf + eat, c->have - eat + 1);
		c->have -= eat;
		c->body_left -= eat;
		if (c->body_left)
			return;
		c->in_body = false;
		if (!answer(c))
			return;
	}
}

static void readable(struct conn *c)
{
	ssize_t n;

	if (c->in_body && !c->have && c->body_left > HEAD_MAX) { /* bulk */
		n = read(c->fd, zeros, c->body_left < CHUNK ? c->body_left : CHUNK);
		if (n > 0) {
			c->body_left -= n;
			if (!c->body_left)
				serve(c);
			return;
		}
	} else {
		n = read(c->fd, c->buf + c->have, HEAD_MAX - c->have);
		if (n > 0) {
			c->have += n;
			c->buf[c->have] = 0;
			serve(c);
			return;
		}
	}
	if (n == 0 || errno != EAGAIN)
		drop(c);
}

static void take(int listener)
{
	int one = 1, fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

		if (fd >= FDS_MAX) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		conns[fd] = calloc(1, sizeof(struct conn));
		conns[fd]->fd = fd;
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event evs[EVENTS], ev = { .events = EPOLLIN };
	bool v6 = false;
	int listener;

	for (int i = 2; i < argc; i++) {
		v6 |= !strcmp(argv[i], "-6");
		quiet |= !strcmp(argv[i], "-q");
	}
	if (argc < 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	listener = listen_on(argv[1], v6);
	ep = epoll_create1(0);
	ev.data.fd = listener;
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
	setvbuf(stdout, NULL, quiet ? _IOFBF : _IOLBF, 0);
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, evs, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = conns[evs[i].data.fd];

			if (evs[i].data.fd == listener) {
				take(listener);
			} else if (c && evs[i].events & EPOLLOUT) {
				if (write_body(c)) {
					watch(c, false);
					serve(c);
				}
			} else if (c) {
				readable(c);
			}
		}
	}
}
