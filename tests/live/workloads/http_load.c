// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sends counted requests with ids and checks every answer.
 *   http_load [options] PORT|unix:PATH|unix:@NAME
 *     -c N  connections (1)          -n N  requests of each (1)      -i ID   prefix of the ids (r)
 *     -m M  method (GET)             -b N  body bytes (0)            -q Q    query string
 *     -H L  a header line            -p N  pipelined requests (1)    -1      one byte per segment
 *     -C    a connection per request -6    IPv6                      -w US   pause between requests
 *     -a A  IPv4 address (127.0.0.1)   -r N  requests per second in all
 *     -S    prints the sum only
 *     -L    closes with RST          -s P  connection i has source port P + i, again and again
 * Prints the truth of each request as a JSON line (side client); ends with 1 when an answer was
 * wrong or missing. One thread, poll: connections really are open at the same time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BUF 65536

struct conn {
	int fd;
	int sent, answered;
	unsigned long long body_left; /* of the request, still to write */
	unsigned long long resp_left;
	unsigned long long resp;
	int status;
	bool in_body;
	size_t have;
	char buf[BUF + 1];
};

static struct {
	const char *where, *prefix, *method, *query, *header, *address;
	int conns, requests, depth, pause_us, rate, source;
	unsigned long long body;
	bool single, fresh, v6, reset, sum;
} o = { .prefix = "r",
	.method = "GET",
	.query = "",
	.header = "",
	.address = "127.0.0.1",
	.conns = 1,
	.requests = 1,
	.depth = 1 };

static char bulk[256 << 10];
static int failures, answers;

/* The port of a connection that was reset is free at once. */
static void bind_source(int fd, int index)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(o.source + index) };
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (o.source && bind(fd, (struct sockaddr *)&in, sizeof(in))) {
		perror("bind");
		exit(1);
	}
}

static void hang_up(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	if (o.reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static int dial(int index)
{
	int fd, err, one = 1;
	socklen_t length;

	if (!strncmp(o.where, "unix:", 5)) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		snprintf(un.sun_path, sizeof(un.sun_path), "%s", o.where + 5);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		/* the name of an abstract one is not ended by a zero */
		length = offsetof(struct sockaddr_un, sun_path) + strlen(un.sun_path);
		if (un.sun_path[0] == '@')
			un.sun_path[0] = 0;
		err = connect(fd, (struct sockaddr *)&un, length);
	} else if (o.v6) {
		struct sockaddr_in6 in = { .sin6_family = AF_INET6,
					   .sin6_addr = in6addr_loopback,
					   .sin6_port = htons(atoi(o.where)) };

		fd = socket(AF_INET6, SOCK_STREAM, 0);
		err = connect(fd, (struct sockaddr *)&in, sizeof(in));
	} else {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(atoi(o.where)) };

		inet_pton(AF_INET, o.address, &in.sin_addr);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		bind_source(fd, index);
		err = connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (err) {
		perror(o.where);
		exit(1);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static bool put(int fd, const char *bytes, size_t n)
{
	size_t step = o.single ? 1 : n;

	for (size_t done = 0; done < n;) {
		ssize_t w = write(fd, bytes + done, step < n - done ? step : n - done);

		if (w < 0)
			return false;
		done += w;
		if (o.single)
			usleep(20); /* a segment of its own, and mostly a read of its own */
	}
	return true;
}

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* Waits for the time of the next request, the last bit of it spinning: sleeping is too coarse for
 * 20,000/s. */
static void pace(void)
{
	static unsigned long long due;
	unsigned long long now = now_ns();

	if (!o.rate)
		return;
	if (due > now + 200000)
		usleep((due - now - 150000) / 1000);
	while (now_ns() < due)
		;
	if (!due)
		due = now;
	due += 1000000000ull / o.rate;
}

static bool ask(int index, struct conn *c)
{
	char head[4096];
	int n = snprintf(head, sizeof(head), "%s /w/%s-%d-%d%s%s HTTP/1.1\r\nHost: test\r\n%s%s",
			 o.method, o.prefix, index, c->sent, *o.query ? "?" : "", o.query, o.header,
			 *o.header ? "\r\n" : "");

	if (o.body)
		n += snprintf(head + n, sizeof(head) - n, "Content-Length: %llu\r\n", o.body);
	n += snprintf(head + n, sizeof(head) - n, "\r\n");
	pace();
	if (!put(c->fd, head, n))
		return false;
	for (unsigned long long left = o.body; left;) {
		size_t step = left < sizeof(bulk) ? left : sizeof(bulk);

		if (!put(c->fd, bulk, step))
			return false;
		left -= step;
	}
	c->sent++;
	return true;
}

static void told(int index, struct conn *c)
{
	answers++;
	if (!o.sum)
		printf("{\"side\": \"client\", \"id\": \"%s-%d-%d\", \"pid\": %d, \"method\": \"%s\", \"req\": %llu, "
		       "\"resp\": %llu, \"status\": %d}\n",
		       o.prefix, index, c->answered, (int)getpid(), o.method, o.body, c->resp,
		       c->status);
	if (c->status != 200)
		failures++;
	c->answered++;
}

static void failed(int index, const char *why)
{
	fprintf(stderr, "connection %d: %s\n", index, why);
	failures++;
}

/* What is in the buffer; false: the connection has no more to do. */
static bool eat(int index, struct conn *c)
{
	for (;;) {
		char *end = strstr(c->buf, "\r\n\r\n");
		const char *length;
		size_t use;

		if (!c->in_body) {
			if (!end)
				return c->answered < o.requests;
			c->status = c->have > 12 ? atoi(c->buf + 9) : 0;
			length = strcasestr(c->buf, "\r\nContent-Length:");
			c->resp = c->resp_left =
				length && length < end ? strtoull(length + 17, NULL, 10) : 0;
			use = end + 4 - c->buf;
			memmove(c->buf, end + 4, c->have - use + 1);
			c->have -= use;
			c->in_body = true;
		}
		use = c->resp_left < c->have ? c->resp_left : c->have;
		memmove(c->buf, c->buf + use, c->have - use + 1);
		c->have -= use;
		c->resp_left -= use;
		if (c->resp_left)
			return true;
		c->in_body = false;
		told(index, c);
		if (c->answered == o.requests)
			return false;
		if (o.pause_us)
			usleep(o.pause_us);
		if (o.fresh) {
			hang_up(c->fd);
			c->fd = dial(index);
		}
		while (c->sent < o.requests && c->sent - c->answered < o.depth)
			if (!ask(index, c))
				return false;
	}
}

/* Reads once; false: done or broken. */
static bool step(int index, struct conn *c)
{
	ssize_t n;

	if (c->in_body && !c->have && c->resp_left > BUF) {
		n = read(c->fd, bulk, sizeof(bulk) < c->resp_left ? sizeof(bulk) : c->resp_left);
		if (n > 0) {
			c->resp_left -= n;
			return c->resp_left ? true : eat(index, c);
		}
	} else {
		n = read(c->fd, c->buf + c->have, BUF - c->have);
		if (n > 0) {
			c->have += n;
			c->buf[c->have] = 0;
			return eat(index, c);
		}
	}
	failed(index, n ? strerror(errno) : "closed before the answer");
	return false;
}

static void run(struct conn **conns, struct pollfd *fds)
{
	int open = o.conns;

	for (int i = 0; i < o.conns; i++) {
		conns[i] = calloc(1, sizeof(struct conn));
		conns[i]->fd = dial(i);
	}
	for (int i = 0; i < o.conns; i++) {
		for (int d = 0; d < o.depth && d < o.requests; d++)
			if (!ask(i, conns[i]))
				failed(i, "cannot send");
		fds[i] = (struct pollfd){ .fd = conns[i]->fd, .events = POLLIN };
	}
	while (open) {
		if (poll(fds, o.conns, 30000) <= 0) {
			failed(-1, "no answer for 30 s");
			return;
		}
		for (int i = 0; i < o.conns; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			if (step(i, conns[i])) {
				fds[i].fd = conns[i]->fd;
				continue;
			}
			hang_up(conns[i]->fd);
			fds[i].fd = -1;
			open--;
		}
	}
}

int main(int argc, char **argv)
{
	int x;

	while ((x = getopt(argc, argv, "c:n:i:m:b:q:H:p:w:a:r:s:1C6LS")) != -1) {
		switch (x) {
		case 'c':
			o.conns = atoi(optarg);
			break;
		case 'n':
			o.requests = atoi(optarg);
			break;
		case 'i':
			o.prefix = optarg;
			break;
		case 'm':
			o.method = optarg;
			break;
		case 'b':
			o.body = strtoull(optarg, NULL, 10);
			break;
		case 'q':
			o.query = optarg;
			break;
		case 'H':
			o.header = optarg;
			break;
		case 'p':
			o.depth = atoi(optarg);
			break;
		case 'w':
			o.pause_us = atoi(optarg);
			break;
		case 'a':
			o.address = optarg;
			break;
		case 'r':
			o.rate = atoi(optarg);
			break;
		case 's':
			o.source = atoi(optarg);
			break;
		case 'S':
			o.sum = true;
			break;
		case 'L':
			o.reset = true;
			break;
		case '1':
			o.single = true;
			break;
		case 'C':
			o.fresh = true;
			o.depth = 1;
			break;
		case '6':
			o.v6 = true;
			break;
		default:
			return 2;
		}
	}
	if (optind >= argc || o.conns < 1 || o.requests < 1 || o.depth < 1)
		return 2;
	o.where = argv[optind];
	signal(SIGPIPE, SIG_IGN);
	run(calloc(o.conns, sizeof(struct conn *)), calloc(o.conns, sizeof(struct pollfd)));
	if (o.sum)
		printf("{\"requests\": %d, \"failed\": %d}\n", answers, failures);
	return failures ? 1 : 0;
}
