// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A proxy of one thread with epoll: /w/ID becomes one call /w/ID.0 to $DOWN over at most $POOL
 * connections; requests that find none wait in a queue. Prints what it did. A timer makes calls of
 * its own, every $BG milliseconds, over a connection that they have for themselves. HOW=blocking:
 * its sockets are blocking ones, which it reads when epoll says so.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ID    96
#define CONNS 1024

enum what { FRONT, UP, OWN, LISTENER, TIMER };

/* One socket; of a FRONT, the request that it has; of an UP, whom it works for. */
struct conn {
	enum what what;
	int fd;
	struct conn *front; /* NULL: idle */
	struct conn *next;  /* waiting for an UP */
	size_t have;
	char id[ID], buf[2048];
};

static struct conn *ups[CONNS], *first, **last = &first;
static struct conn own = { .what = OWN, .fd = -1 };
static bool blocking;
static int ep, down_port, pool, opened;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void tell(const char *side, const char *id)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
			 "{\"side\": \"%s\", \"id\": \"%s\", \"pid\": %d, \"method\": \"GET\", "
			 "\"req\": 0, \"resp\": 2, \"status\": 200}\n",
			 side, id, (int)getpid());

	if (write(1, line, n) != n)
		die("write");
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void watch(struct conn *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!blocking)
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e))
		die("epoll_ctl");
}

static void dial(struct conn *c)
{
	struct sockaddr_in to = loopback(down_port);

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	watch(c);
}

static void ask(struct conn *up, const char *id)
{
	char buf[512];
	int n = snprintf(buf, sizeof(buf), "GET /w/%s HTTP/1.1\r\nHost: down\r\n\r\n", id);

	snprintf(up->id, ID, "%s", id);
	if (write(up->fd, buf, n) != n)
		die("call");
}

static struct conn *idle_up(void)
{
	for (int i = 0; i < opened; i++)
		if (!ups[i]->front)
			return ups[i];
	if (opened == pool)
		return NULL;
	ups[opened] = calloc(1, sizeof(struct conn));
	ups[opened]->what = UP;
	dial(ups[opened]);
	return ups[opened++];
}

/* Every request that waits and finds a connection goes. */
static void go_on(void)
{
	while (first) {
		struct conn *up = idle_up(), *front = first;
		char id[ID + 2];

		if (!up)
			return;
		first = front->next;
		if (!first)
			last = &first;
		front->next = NULL;
		up->front = front;
		snprintf(id, sizeof(id), "%.90s.0", front->id);
		ask(up, id);
	}
}

/* Reads; true when a whole message is there (of an answer, with its two bytes). */
static bool take(struct conn *c, size_t body)
{
	ssize_t n = read(c->fd, c->buf + c->have, sizeof(c->buf) - 1 - c->have);
	char *end;

	if (n <= 0) {
		close(c->fd);
		c->fd = -1;
		return false;
	}
	c->have += n;
	c->buf[c->have] = 0;
	end = strstr(c->buf, "\r\n\r\n");
	if (!end || c->have < (size_t)(end + 4 - c->buf) + body)
		return false;
	c->have = 0;
	return true;
}

static void on_request(struct conn *c)
{
	if (!take(c, 0)) {
		if (c->fd < 0)
			free(c);
		return;
	}
	if (sscanf(c->buf, "GET /w/%90[^? ]", c->id) != 1)
		exit(2);
	*last = c;
	last = &c->next;
	go_on();
}

static void on_answer(struct conn *up)
{
	struct conn *front = up->front;

	if (!take(up, 2))
		return;
	tell("client", up->id);
	tell("server", front->id);
	if (write(front->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40) != 40)
		exit(3);
	up->front = NULL;
	go_on();
}

static void on_timer(struct conn *timer)
{
	static int made;
	struct timespec now;
	char id[ID];
	uint64_t ticks;

	if (read(timer->fd, &ticks, sizeof(ticks)) != sizeof(ticks) || own.id[0])
		return;
	if (own.fd < 0)
		dial(&own);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(id, sizeof(id), "bg-%lld-%d", now.tv_sec * 1000ll + now.tv_nsec / 1000000, made++);
	ask(&own, id);
}

static void on_own(struct conn *c)
{
	if (!take(c, 2))
		return;
	tell("client", c->id);
	c->id[0] = 0;
}

static void on_connection(struct conn *listener)
{
	struct conn *c = calloc(1, sizeof(*c));

	c->fd = accept(listener->fd, NULL, NULL);
	if (c->fd < 0) {
		free(c);
		return;
	}
	watch(c);
}

static int number(const char *name)
{
	const char *text = getenv(name);

	return text ? atoi(text) : 0;
}

int main(void)
{
	static void (*const on[])(struct conn *) = { on_request, on_answer, on_own, on_connection,
						     on_timer };
	struct sockaddr_in here = loopback(number("PORT"));
	struct conn listener = { .what = LISTENER, .fd = socket(AF_INET, SOCK_STREAM, 0) };
	struct conn timer = { .what = TIMER, .fd = timerfd_create(CLOCK_MONOTONIC, 0) };
	struct timespec every = { .tv_nsec = number("BG") * 1000000l };
	struct itimerspec when = { .it_interval = every, .it_value = every };
	struct epoll_event e[64];
	int one = 1;

	down_port = number("DOWN");
	pool = number("POOL");
	blocking = getenv("HOW") && !strcmp(getenv("HOW"), "blocking");
	signal(SIGPIPE, SIG_IGN);
	setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener.fd, (struct sockaddr *)&here, sizeof(here)) || listen(listener.fd, 1024))
		die("listen");
	ep = epoll_create1(0);
	watch(&listener);
	timerfd_settime(timer.fd, 0, &when, NULL);
	watch(&timer);
	for (;;) {
		int n = epoll_wait(ep, e, 64, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = e[i].data.ptr;

			on[c->what](c);
		}
	}
}
