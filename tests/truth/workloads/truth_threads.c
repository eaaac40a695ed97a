// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The truth workload with blocking threads in C: /w/ID?n=N makes N calls to $DOWN and prints what it
 * did. $HOW: conn (a thread per connection makes the calls), request (it starts a thread for each
 * request), call (a thread for each call; with par=1 at the same time), pool ($POOL workers make the
 * calls), mixed (likewise; for each call they are given something else to do, too).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ID   96
#define MAXN 16

struct job {
	struct job *next;
	int done;
	pthread_cond_t *finished;
	char id[ID]; /* empty: no call, something to compute */
	int *conn;   /* where the call goes, -1: not connected yet */
	int n, par;
};

static int down_port;
static char how[16];

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

/* Reads a head, and the two bytes of a body behind it; 0 at the end of the connection. */
static int read_message(int fd, char *buf, size_t size, size_t body)
{
	size_t have = 0;

	for (;;) {
		ssize_t n = read(fd, buf + have, size - 1 - have);
		char *end;

		if (n <= 0)
			return 0;
		have += n;
		buf[have] = 0;
		end = strstr(buf, "\r\n\r\n");
		if (end && have >= (size_t)(end + 4 - buf) + body)
			return 1;
	}
}

static void call(const char *id, int *conn)
{
	struct sockaddr_in to = loopback(down_port);
	char buf[1024];
	int n, one = 1;

	if (*conn < 0) {
		*conn = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(*conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connect(*conn, (struct sockaddr *)&to, sizeof(to)))
			die("connect");
	}
	n = snprintf(buf, sizeof(buf), "GET /w/%s HTTP/1.1\r\nHost: down\r\n\r\n", id);
	if (write(*conn, buf, n) != n || !read_message(*conn, buf, sizeof(buf), 2))
		die("call");
	tell("client", id);
}

static void *one_call(void *arg)
{
	struct job *j = arg;
	int own = -1;

	call(j->id, j->conn ? j->conn : &own);
	if (own >= 0)
		close(own);
	return NULL;
}

/* A pool: tasks in a queue, whoever asked waits for each of them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t there_is = PTHREAD_COND_INITIALIZER;
static struct job *queue;

static void compute(void)
{
	for (volatile int i = 0; i < 20000; i++)
		;
}

static void *worker(void *arg)
{
	int down = -1;

	pthread_mutex_lock(&lock);
	for (;;) {
		struct job *j = queue;

		if (!j) {
			pthread_cond_wait(&there_is, &lock);
			continue;
		}
		queue = j->next;
		pthread_mutex_unlock(&lock);
		if (*j->id)
			call(j->id, &down);
		else
			compute();
		pthread_mutex_lock(&lock);
		j->done = 1;
		pthread_cond_signal(j->finished);
	}
	return NULL;
}

static void submit(struct job *j)
{
	struct job **end = &queue;

	pthread_mutex_lock(&lock);
	while (*end)
		end = &(*end)->next;
	*end = j;
	pthread_cond_signal(&there_is);
	pthread_mutex_unlock(&lock);
}

static void await(struct job *j)
{
	pthread_mutex_lock(&lock);
	while (!j->done)
		pthread_cond_wait(j->finished, &lock);
	pthread_mutex_unlock(&lock);
}

static void serve_by_pool(struct job *j)
{
	int each = strcmp(how, "mixed") ? 1 : 2; /* tasks for each call */
	pthread_cond_t finished[2 * MAXN];
	struct job tasks[2 * MAXN];

	for (int i = 0; i < each * j->n; i++) {
		pthread_cond_init(&finished[i], NULL);
		tasks[i] = *j;
		tasks[i].next = NULL;
		tasks[i].done = 0;
		tasks[i].finished = &finished[i];
		snprintf(tasks[i].id, ID, "%.80s.%d", j->id, i / each);
		if (each == 2 && !(i % each))
			*tasks[i].id = 0;
		submit(&tasks[i]);
		if (!j->par)
			await(&tasks[i]);
	}
	for (int i = 0; j->par && i < each * j->n; i++)
		await(&tasks[i]);
	tell("server", j->id);
}

/* The calls of a request, and its line of truth. */
static void *serve(void *arg)
{
	struct job *j = arg, calls[MAXN];
	pthread_t threads[MAXN];

	for (int i = 0; i < j->n; i++) {
		calls[i] = *j;
		snprintf(calls[i].id, ID, "%.80s.%d", j->id, i);
		if (strcmp(how, "call")) {
			one_call(&calls[i]);
			continue;
		}
		calls[i].conn = NULL;
		pthread_create(&threads[i], NULL, one_call, &calls[i]);
		if (!j->par)
			pthread_join(threads[i], NULL);
	}
	for (int i = 0; !strcmp(how, "call") && j->par && i < j->n; i++)
		pthread_join(threads[i], NULL);
	tell("server", j->id);
	return NULL;
}

static void *connection(void *arg)
{
	int fd = (int)(long)arg, down = -1;
	char buf[2048];

	while (read_message(fd, buf, sizeof(buf), 0)) {
		struct job j = { .n = 1, .conn = &down };
		char *n = strstr(buf, "?n=");
		pthread_t t;

		if (sscanf(buf, "GET /w/%80[^? ]", j.id) != 1)
			break;
		if (n && atoi(n + 3) <= MAXN)
			j.n = atoi(n + 3);
		j.par = !!strstr(buf, "par=1");
		if (!strcmp(how, "request")) {
			pthread_create(&t, NULL, serve, &j);
			pthread_join(t, NULL);
		} else if (!strcmp(how, "pool") || !strcmp(how, "mixed")) {
			serve_by_pool(&j);
		} else {
			serve(&j);
		}
		if (write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40) != 40)
			break;
	}
	close(fd);
	if (down >= 0)
		close(down);
	return NULL;
}

/* Calls of the program's own, every $BG milliseconds. */
static void *background(void *arg)
{
	int conn = -1, every = *(int *)arg;
	struct timespec now;
	char id[ID];

	for (int i = 0;; i++) {
		usleep(every * 1000);
		clock_gettime(CLOCK_REALTIME, &now);
		snprintf(id, sizeof(id), "bg-%lld-%d", now.tv_sec * 1000ll + now.tv_nsec / 1000000,
			 i);
		call(id, &conn);
	}
	return NULL;
}

static int number(const char *name)
{
	const char *text = getenv(name);

	return text ? atoi(text) : 0;
}

int main(void)
{
	struct sockaddr_in here = loopback(number("PORT"));
	int one = 1, every = number("BG"), fd = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t t;

	down_port = number("DOWN");
	snprintf(how, sizeof(how), "%s", getenv("HOW") ? getenv("HOW") : "conn");
	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, 1024))
		die("listen");
	for (int i = number("POOL"); i > 0; i--)
		pthread_create(&t, NULL, worker, NULL);
	if (every)
		pthread_create(&t, NULL, background, &every);
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			continue;
		setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		pthread_create(&t, NULL, connection, (void *)(long)conn);
		pthread_detach(t);
	}
}
